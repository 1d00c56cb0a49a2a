// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command front launches the starter that its first argument names, for a container that executes the others.
package main

import (
	"fmt"
	"os"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/launch"

	"example.test/host/engine"
)

func main() {
	launch.Setup(launch.Host{Starter: os.Args[1]})
	err := launch.Exec("front", &config.Common{EngineName: engine.Name, EngineConfig: &engine.Settings{Args: os.Args[2:]}})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
