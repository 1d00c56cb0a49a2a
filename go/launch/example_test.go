// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/launch"
)

func ExampleRun() {
	launch.Setup(launch.Host{Starter: "/usr/libexec/product/starter", ByDescriptor: true})
	common := &config.Common{EngineName: "product", ContainerID: "first"}
	err := launch.Run("Product runtime parent", common,
		launch.WithStdin(os.Stdin), launch.WithStdout(os.Stdout), launch.WithStderr(os.Stderr), launch.CleanupHost(true))
	var status *exec.ExitError
	if errors.As(err, &status) {
		os.Exit(status.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}
