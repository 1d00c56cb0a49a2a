// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command frontend is the drop-in's front end: it makes the engine configuration and launches the starter.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/pinion-runtime/pinion/go/internal/dropin/host/config"
	"github.com/pinion-runtime/pinion/go/internal/dropin/host/launch"
	"github.com/pinion-runtime/pinion/go/internal/dropin/report"
	"github.com/pinion-runtime/pinion/go/internal/dropin/sandbox"
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "frontend:", err)
		code = 1
	}
	os.Exit(code)
}

func run() (code int, err error) {
	if len(os.Args) != 2 {
		return 0, errors.New("one argument is needed: a file with what to do")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return 0, err
	}
	var order report.Order
	if err := json.Unmarshal(text, &order); err != nil {
		return 0, fmt.Errorf("read %s: %w", os.Args[1], err)
	}
	own := new(sandbox.Config)
	if err := json.Unmarshal(order.Config, own); err != nil {
		return 0, fmt.Errorf("read %s: %w", os.Args[1], err)
	}
	common := &config.Common{EngineName: order.Engine, ContainerID: order.ID, EngineConfig: own,
		PluginConfig: map[string]json.RawMessage{"the plugin": json.RawMessage(`{"by":"the front end"}`)}}
	launch.Setup(order.Starter)
	options := []launch.CommandOp{launch.PostStartHost(order.PostStartHost), launch.CleanupHost(order.CleanupHost)}
	const name = "Sandbox runtime parent"
	if !order.Wait {
		return 0, launch.Exec(name, common, options...)
	}
	options = append(options, launch.WithStdin(os.Stdin), launch.WithStdout(os.Stdout), launch.WithStderr(os.Stderr))
	err = launch.Run(name, common, options...)
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		status := ended.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
	return 0, err
}
