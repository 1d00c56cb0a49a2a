// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The core blocks all signals and reads them from a descriptor. Five of them Go's threads open, whatever mask they begin with: those
// come by package os/signal. One place for each kind, so that none is lost.
var caught = [...]struct {
	kind  syscall.Signal
	place chan os.Signal
}{
	{syscall.SIGHUP, make(chan os.Signal, 1)},
	{syscall.SIGINT, make(chan os.Signal, 1)},
	{syscall.SIGQUIT, make(chan os.Signal, 1)},
	{syscall.SIGTERM, make(chan os.Signal, 1)},
	{syscall.SIGCHLD, make(chan os.Signal, 1)},
}

// CatchSignals keeps signals from ending a process of the lifecycle that is to live on: master, which passes them to
// MonitorContainer, the RPC server and the processes that clean up.
func CatchSignals(role Role) {
	switch role {
	case RoleMaster, RoleRPCServer, RoleCleanupHost, RoleCleanupSpare:
		for _, one := range caught {
			signal.Notify(one.place, one.kind)
		}
	}
}

// monitorSignals gives MonitorContainer master's signals since before CreateContainer. stop ends that, and waits for its end.
func monitorSignals(container int, raw *C.pinion_signals) (signals chan os.Signal, stop func(), err error) {
	var fd, cancelled C.int32_t
	if err := lift(C.pinion_signals_fds(raw, &fd, &cancelled)); err != nil {
		return nil, nil, err
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("read the signal queue: duplicate its descriptor: %w", err)
	}
	queue := os.NewFile(uintptr(own), "signals")
	signals, ended := make(chan os.Signal, 2), make(chan struct{})
	queued, read := make(chan os.Signal), make(chan struct{})
	go func() {
		defer close(read)
		readQueue(queue, queued, ended)
	}()
	if hasEnded(container) {
		// Before Go had a handler for it.
		select {
		case caught[4].place <- syscall.SIGCHLD:
		default:
		}
	}
	go pass(signals, queued, ended)
	return signals, func() {
		// A child that the callback has forked has nobody to wait for.
		if !forked() {
			close(ended)
			queue.Close()
			<-read
		}
	}, nil
}

// pass hands on what arrives until ended.
func pass(to chan<- os.Signal, queued <-chan os.Signal, ended <-chan struct{}) {
	for {
		var next os.Signal
		select {
		case next = <-caught[0].place:
		case next = <-caught[1].place:
		case next = <-caught[2].place:
		case next = <-caught[3].place:
		case next = <-caught[4].place:
		case next = <-queued:
		case <-ended:
			return
		}
		select {
		case to <- next:
		case <-ended:
			return
		}
	}
}

// readQueue reads a signalfd(2) until it is closed.
func readQueue(queue *os.File, to chan<- os.Signal, ended <-chan struct{}) {
	info := make([]byte, unsafe.Sizeof(unix.SignalfdSiginfo{}))
	for {
		n, err := queue.Read(info)
		if err != nil || n < len(info) {
			return
		}
		kind := syscall.Signal(binary.NativeEndian.Uint32(info))
		if kind == syscall.SIGURG || kind == syscall.SIGPIPE {
			// Go's own, and what a write to a closed connection makes beside its error.
			continue
		}
		select {
		case to <- kind:
		case <-ended:
			return
		}
	}
}

// hasEnded says whether the container process waits to be reaped, or is gone.
func hasEnded(container int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, container, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo == int32(syscall.SIGCHLD)
}
