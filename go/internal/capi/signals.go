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
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CatchSignals keeps signals from ending a process of the lifecycle that is to live on: the RPC server, the processes that clean
// up, and master, which passes them on. Go's own threads hand the mask with which they began to every program that they execute: it
// is empty, and the core has no queue of its own.
func CatchSignals(role Role) error {
	switch role {
	case RoleRPCServer, RoleCleanupHost, RoleCleanupSpare:
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	case RoleMaster:
		return queueSignals()
	}
	return nil
}

// caught are the kinds that have come and that nobody has read, each once, in the order in which they came.
var caught struct {
	sync.Mutex
	kinds []syscall.Signal
	more  *sync.Cond
}

// catch adds a kind.
func catch(kind syscall.Signal) {
	caught.Lock()
	if !slices.Contains(caught.kinds, kind) {
		caught.kinds = append(caught.kinds, kind)
		caught.more.Signal()
	}
	caught.Unlock()
}

// queueSignals gives the core master's signals as signalfd(2) would.
func queueSignals() error {
	caught.more = sync.NewCond(&caught)
	// Of the runtime's signal queue, which has each kind once: more than there can be.
	arrived := make(chan os.Signal, 256)
	signal.Notify(arrived, everyKind()...)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("queue master's signals: make a pipe: %w", err)
	}
	defer unix.Close(ends[0])
	// It never waits for what it takes: whoever asks has looked whether something is there, or asks again.
	if err := unix.SetNonblock(ends[0], true); err != nil {
		return fmt.Errorf("queue master's signals: %w", err)
	}
	// As few as can be wait in there, for what waits here is had once.
	if _, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, 1); err != nil {
		return fmt.Errorf("queue master's signals: make the pipe small: %w", err)
	}
	if err := lift(C.pinion_lifecycle_signals_from(C.int32_t(ends[0]))); err != nil {
		return err
	}
	go func() {
		for kind := range arrived {
			catch(kind.(syscall.Signal))
		}
	}()
	go writeSignals(ends[1])
	return nil
}

// everyKind lists what can be caught, without those that Go's threads send each other and those of the C library.
func everyKind() (kinds []os.Signal) {
	for number := 1; number <= 64; number++ {
		switch kind := syscall.Signal(number); kind {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGURG, 32, 33:
		default:
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// writeSignals hands one kind after the other to whoever reads. It blocks in a thread of its own when the pipe is full.
func writeSignals(pipe int) {
	for {
		caught.Lock()
		for len(caught.kinds) == 0 {
			caught.more.Wait()
		}
		kind := caught.kinds[0]
		caught.kinds = caught.kinds[1:]
		caught.Unlock()
		// SIGPIPE says beside its error that a connection was closed.
		if kind != syscall.SIGPIPE && writeSignal(pipe, kind) != nil {
			return
		}
	}
}

// writeSignal writes what signalfd(2) gives.
func writeSignal(pipe int, kind syscall.Signal) error {
	info := make([]byte, unsafe.Sizeof(unix.SignalfdSiginfo{}))
	binary.NativeEndian.PutUint32(info, uint32(kind))
	for {
		if _, err := unix.Write(pipe, info); err != unix.EINTR {
			return err
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
	signals, ended, read := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		readQueue(queue, signals, ended)
	}()
	if hasEnded(container) {
		// Before Go had a handler for it.
		catch(syscall.SIGCHLD)
	}
	return signals, func() {
		// A child that the callback has forked has nobody to wait for.
		if !forked() {
			close(ended)
			queue.Close()
			<-read
		}
	}, nil
}

// readQueue reads a signalfd(2) until it is closed.
func readQueue(queue *os.File, to chan<- os.Signal, ended <-chan struct{}) {
	info := make([]byte, unsafe.Sizeof(unix.SignalfdSiginfo{}))
	for {
		n, err := queue.Read(info)
		if err != nil || n < len(info) {
			return
		}
		select {
		case to <- syscall.Signal(binary.NativeEndian.Uint32(info)):
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
