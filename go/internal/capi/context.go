// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// withContext calls a callback with a context that is cancelled when the core's is. Nothing of it outlives the call.
func withContext(raw *C.pinion_context, body func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if C.pinion_context_is_cancelled(raw) {
		cancel()
		return body(ctx)
	}
	fd, err := unix.FcntlInt(uintptr(C.pinion_context_fd(raw)), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("watch for the run's cancellation: duplicate its descriptor: %w", err)
	}
	watch := os.NewFile(uintptr(fd), "context")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if awaitReadable(watch) == nil {
			cancel()
		}
	}()
	process := syscall.Getpid()
	defer func() {
		// A child that the callback has forked has nobody to wait for.
		if syscall.Getpid() == process {
			watch.Close()
			<-done
		}
	}()
	return body(ctx)
}

// awaitReadable waits until the file can be read from, and takes nothing from it: it is not ours alone. Its error is that of a
// file closed meanwhile.
func awaitReadable(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		ready, err := unix.Poll(set, 0)
		return ready > 0 && err == nil
	})
}

// fatal is where a callback may put an error after it has returned.
func fatal() chan error {
	errors := make(chan error, 1)
	go func() {
		Log(levelError, fmt.Sprintf("pre start process failed: %v", <-errors))
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	return errors
}
