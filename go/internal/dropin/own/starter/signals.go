// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// defaultAction gives a signal its default action past Go, which keeps a handler of its own for most of them.
func defaultAction(kind syscall.Signal) error {
	// The kernel's struct sigaction: handler, flags, restorer, mask.
	var action [4]uintptr
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(kind), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	if errno != 0 {
		return fmt.Errorf("set the default action of signal %d: %w", kind, errno)
	}
	return nil
}

// passOn sends a process the signals that this one gets.
func passOn(signals <-chan os.Signal, pid int) {
	for next := range signals {
		if kind := next.(syscall.Signal); kind != syscall.SIGURG && kind != syscall.SIGCHLD {
			// It may have ended.
			_ = syscall.Kill(pid, kind)
		}
	}
}

// repeat ends this process by a signal. It returns where that does not end it.
func repeat(kind syscall.Signal) error {
	if kind != syscall.SIGKILL {
		if err := defaultAction(kind); err != nil {
			return err
		}
	}
	if err := syscall.Kill(os.Getpid(), kind); err != nil {
		return fmt.Errorf("repeat signal %d: %w", kind, err)
	}
	return nil
}

// guarded makes an error of a panic.
func guarded(what string, call func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			fmt.Fprintf(os.Stderr, "dropin: %s panicked: %v\n%s", what, panicked, debug.Stack())
			err = fmt.Errorf("%s panicked: %v", what, panicked)
		}
	}()
	return call()
}
