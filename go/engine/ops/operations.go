// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package ops has the callbacks of an engine as a generic interface. It is a package of its own so that a struct which
// embeds the interface has a field called Operations. It is pure Go.
package ops

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine/config"
)

// Operations are the callbacks of an engine, in their order of life; [PreStarter] is one more, which an engine may have. S
// is the host's starter configuration, a pointer as a rule.
//
// A container is made by several processes, each of which reads the engine configuration and has operations of its own:
// nothing but the configuration is carried from one to the next. An error of a callback fails the container unless
// something else is said here.
type Operations[S any] interface {
	// Config returns the object that the engine's part of the configuration is read into: a pointer to a zero value. It is
	// called in each process, with whatever privileges that has.
	Config() config.EngineConfig

	// InitConfig takes the configuration that was read, around the very object that Config returned. It is called in each
	// process, after Config.
	InitConfig(common *config.Common)

	// PrepareConfig judges the configuration and decides about the container by the starter configuration, which is valid
	// for this call. It is called in stage 1, once, by the real user, whose other privileges are dropped for good. What it
	// leaves in the configuration is what the processes after it read. Where it fails, CleanupHost is called there.
	PrepareConfig(starterConfig S) error

	Callbacks
}

// Callbacks are those that have the same types whatever the host's are.
type Callbacks interface {
	// CreateContainer sets the container's environment up (mounts, network) over the RPC connection; containerPID is the
	// container process's on the host. It is called in master, at once with MonitorContainer. In the setuid flow root can
	// be got back, else not.
	CreateContainer(ctx context.Context, containerPID int, rpcConn net.Conn) error

	// StartProcess becomes the container's program: it executes it, or closes the connection to master and goes on itself
	// as the container's first process. It is called in stage 2, which is the container process, on the main thread, with
	// the privileges that the starter configuration set.
	StartProcess(masterConn net.Conn) error

	// PostStartProcess is called in master after the container's program was executed and PostStartHost succeeded, with the
	// privileges of CreateContainer.
	PostStartProcess(ctx context.Context, containerPID int) error

	// MonitorContainer waits until the container ends, and reaps the container process, which nobody else does before it
	// returns. It gets the signals that master gets. It is called in master, with the privileges of CreateContainer.
	MonitorContainer(containerPID int, signals chan os.Signal) (syscall.WaitStatus, error)

	// CleanupContainer undoes what the callbacks in master did. It is called there, once, after MonitorContainer returned
	// or something failed: fatal is that error, or nil, and status is the container process's where there is one. Its error
	// is logged and hides no exit code.
	CleanupContainer(ctx context.Context, fatal error, status syscall.WaitStatus) error

	// PostStartHost is called after the container's program was executed, in a process in the host's namespaces, by the
	// real user, whose other privileges are dropped for good.
	PostStartHost(ctx context.Context) error

	// CleanupHost undoes what was done in the host's namespaces. It is called at the container's end in a process in these,
	// by the real user, whose other privileges are dropped for good; in stage 1 where PrepareConfig failed.
	CleanupHost(ctx context.Context) error
}
