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
	defer func() {
		// A child that the callback has forked has nobody to wait for.
		if !forked() {
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

// failing makes the channel by which a callback may end the run after it has returned. The first error counts.
func failing(raw *C.pinion_context) (chan error, error) {
	var kept *C.pinion_context
	if err := lift(C.pinion_context_keep(raw, &kept)); err != nil {
		return nil, err
	}
	errors := make(chan error, 1)
	go func() {
		// It lives as long as the process: nobody knows when the last one may come.
		for err := range errors {
			if err != nil {
				warn(lift(C.pinion_context_fail(kept, lower(err))))
			}
		}
	}()
	return errors, nil
}
