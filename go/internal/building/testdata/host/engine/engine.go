// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package engine is a host's engine, registered where the package is imported: the container executes the program of its
// configuration.
package engine

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// Name is the name that the engine has in configurations.
const Name = "host"

// Settings are the engine's configuration.
type Settings struct {
	// Args is what the container executes.
	Args []string
}

type operations struct{ settings Settings }

func init() { engine.RegisterOperations(Name, new(operations)) }

func (o *operations) Config() config.EngineConfig { return &o.settings }

func (o *operations) InitConfig(*config.Common) {}

func (o *operations) PrepareConfig(to *starter.Config) error {
	to.SetNsFlags(syscall.CLONE_NEWPID | syscall.CLONE_NEWNS)
	return nil
}

func (o *operations) CreateContainer(context.Context, int, net.Conn) error { return nil }

func (o *operations) StartProcess(net.Conn) error {
	return syscall.Exec(o.settings.Args[0], o.settings.Args, nil)
}

func (o *operations) PostStartProcess(context.Context, int) error { return nil }

func (o *operations) MonitorContainer(pid int, _ chan os.Signal) (status syscall.WaitStatus, err error) {
	_, err = syscall.Wait4(pid, &status, 0, nil)
	return status, err
}

func (o *operations) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }

func (o *operations) PostStartHost(context.Context) error { return nil }

func (o *operations) CleanupHost(context.Context) error { return nil }
