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

// The starter ends as the container does.
func ExampleRun() {
	// Some program stands in for a starter here.
	launch.Setup(launch.Host{Starter: "/bin/false", ByDescriptor: true})
	common := &config.Common{EngineName: "product", ContainerID: "first"}
	err := launch.Run("Product runtime parent", common, launch.WithStdout(os.Stdout), launch.WithStderr(os.Stderr),
		launch.CleanupHost(true))
	var status *exec.ExitError
	if errors.As(err, &status) {
		fmt.Println("exit code", status.ExitCode())
	}
	// Output: exit code 1
}
