// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package starter is the host's own starter in pure Go: it makes the processes of a start by executing itself once more for each,
// with the behaviour that the family's starters have. It knows the flow of real root, attached, with or without a new user
// namespace; instances and the setuid flow are not in it, since pinion's core refuses them in this version.
package starter

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"

	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"
)

// Callbacks are what the starter calls of an engine.
type Callbacks interface {
	PrepareConfig(*starterconfig.Config) error
	CreateContainer(context.Context, int, net.Conn) error
	StartProcess(net.Conn) error
	PostStartProcess(context.Context, int) error
	MonitorContainer(int, chan os.Signal) (syscall.WaitStatus, error)
	CleanupContainer(context.Context, error, syscall.WaitStatus) error
	PostStartHost(context.Context) error
	CleanupHost(context.Context) error
}

// preStarter is an engine with the optional callback.
type preStarter interface {
	PreStartProcess(context.Context, int, net.Conn, chan error) error
}

// Engine is an engine with its configuration.
type Engine struct {
	Callbacks
	// Common is the document around its configuration.
	Common any
	// Serve serves its RPC methods.
	Serve func(net.Conn)
}

// Load makes the engine of a document.
type Load func(document []byte) (Engine, error)

// exitFailure is how a process ends that failed.
const exitFailure = 255

// The processes that the starter makes.
const (
	roleStage1        = "stage 1"
	rolePostStartHost = "post-start-host"
	roleCleanupHost   = "cleanup-host"
	roleMaster        = "master"
	roleContainer     = "container"
	roleRPCServer     = "rpc-server"
)

func init() {
	// Death signals, namespaces and capabilities are a thread's: everything is done on the first one.
	runtime.LockOSThread()
}

// Main runs the role of this process, and ends it.
func Main(load Load) {
	code, err := run(load)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dropin:", err)
		code = exitFailure
	}
	os.Exit(code)
}

func run(load Load) (code int, err error) {
	role, given, err := received()
	if err != nil {
		return 0, err
	}
	if role == "" {
		return start(load)
	}
	switch role {
	case rolePostStartHost, roleCleanupHost:
		return host(role, given, load)
	case roleStage1:
		return stage1(given, load)
	case roleMaster:
		return master(given, load)
	case roleContainer:
		return container(given, load)
	case roleRPCServer:
		return rpcServer(given, load)
	}
	return 0, fmt.Errorf("run role %q: there is none of that name", role)
}
