// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command mixedstarter is a starter with an engine in Go, "mixed-go". Objects in C that it is linked with (testdata) bring that
// engine's RPC methods, and another engine, "mixed-c".
package main

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/starter"
)

// settings are the engine's configuration.
type settings struct {
	// Native is for SetNativeRPC.
	Native bool
	// CoreMonitors leaves monitoring to the core, in Rust.
	CoreMonitors bool
	// Folder is where the RPC server works; without one it is not called.
	Folder string
	// Script is what the container's shell does.
	Script string
}

type mixed struct{ settings }

func (m *mixed) Config() config.EngineConfig { return &m.settings }

func (m *mixed) InitConfig(*config.Common) {}

func (m *mixed) PrepareConfig(c *starter.Config) error {
	c.SetNativeRPC(m.Native)
	c.SetNsFlags(syscall.CLONE_NEWPID | syscall.CLONE_NEWNS)
	return nil
}

func (m *mixed) CreateContainer(_ context.Context, _ int, rpc net.Conn) error {
	if m.Folder == "" {
		return nil
	}
	return m.call(rpc)
}

// Declare is what package starter's Declarer has.
func (m *mixed) Declare(said *starter.Declaration) { said.CoreMonitors = m.CoreMonitors }

func (m *mixed) StartProcess(net.Conn) error {
	return syscall.Exec("/bin/sh", []string{"sh", "-c", m.Script}, nil)
}

func (m *mixed) MonitorContainer(pid int, signals chan os.Signal) (status syscall.WaitStatus, err error) {
	for next := range signals {
		if next != syscall.SIGCHLD {
			if err := syscall.Kill(pid, next.(syscall.Signal)); err != nil {
				return 0, err
			}
			continue
		}
		if reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err != nil || reaped == pid {
			return status, err
		}
	}
	return 0, nil
}

func (m *mixed) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }
func (m *mixed) PostStartHost(context.Context) error                               { return nil }
func (m *mixed) PostStartProcess(context.Context, int) error                       { return nil }
func (m *mixed) CleanupHost(context.Context) error                                 { return nil }

func init() {
	engine.RegisterOperations("mixed-go", new(mixed))
}

func main() {
	starter.Main(starter.Host{})
}
