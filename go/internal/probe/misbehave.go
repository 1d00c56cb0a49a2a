// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/capi"
)

// errTold is inside of every error that a scenario asks for.
var errTold = errors.New("was told to fail")

// errChild is what a forked child returns.
var errChild = errors.New("this is the child")

// misbehave does what the word says (rust/examples/starter/misbehave.rs has the table), if it is none of the callback's own. Go
// has one more, goexit: runtime.Goexit, which ends the goroutine of a callback.
func misbehave(callback, how string) error {
	switch how {
	case "error":
		return fmt.Errorf("%s %w", callback, errTold)
	case "panic":
		panic(callback + " was told to panic")
	case "hang":
		stay()
	case "kill":
		return killItself()
	case "kill first":
		// The process that steps in for the one that was killed is spared.
		if capi.CurrentRole() != capi.RoleCleanupSpare {
			return killItself()
		}
	case "chdir":
		return changed(syscall.Chdir("/proc"), "to /proc")
	case "umask":
		syscall.Umask(0o077)
	case "mask":
		return changed(toggle(syscall.SIGUSR1), "the signal mask")
	case "setgid":
		// The system call itself would change one thread: this is the C library's, for all of them.
		return changed(syscall.Setresgid(syscall.Getgid(), 1, syscall.Getgid()), "the group id")
	case "capset":
		return changed(dropCapabilities(), "the capabilities")
	case "ambient":
		return changed(makeAmbient(), "the ambient capabilities")
	case "no_new_privs":
		return changed(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
	case "securebits":
		return changed(unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0), "the securebits")
	case "dumpable":
		return changed(toggleDumpable(), "the dumpable attribute")
	case "death signal":
		return changed(unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGHUP), 0, 0, 0), "the parent-death signal")
	case "fork":
		return fork(func() error { return errChild })
	case "fork exit":
		return fork(func() error { os.Exit(0); return nil })
	case "exit":
		os.Exit(3)
	case "_exit":
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 3, 0, 0)
	case "exec":
		return becomeAnother()
	case "goexit":
		runtime.Goexit()
	}
	return nil
}

func changed(err error, what string) error {
	if err != nil {
		return failed(err, "change %s", what)
	}
	return nil
}

// stay never returns. With a timer Go does not take it for a deadlock.
func stay() {
	for {
		time.Sleep(time.Hour)
	}
}

// killItself ends the process, unless that is the first one of a PID namespace, which survives its own signals: whoever reads the
// record kills it.
func killItself() error {
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
		return failed(err, "kill itself")
	}
	if err := capi.RecordEvent("fault", nil); err != nil {
		return err
	}
	stay()
	return nil
}

// toggle blocks a signal in this thread, or opens it if it was blocked. A callback's goroutine stays on its thread.
func toggle(signal syscall.Signal) error {
	var mask, one unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, nil, &mask); err != nil {
		return err
	}
	one.Val[0] = 1 << (signal - 1)
	how := unix.SIG_BLOCK
	if mask.Val[0]&one.Val[0] != 0 {
		how = unix.SIG_UNBLOCK
	}
	return unix.PthreadSigmask(how, &one, nil)
}

// dropCapabilities takes the effective ones from this thread.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	for i := range sets {
		sets[i].Effective = 0
	}
	return unix.Capset(&header, &sets[0])
}

// makeAmbient makes one capability of this thread inheritable and ambient.
func makeAmbient() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable |= 1 << unix.CAP_CHOWN
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_CHOWN, 0, 0)
}

// toggleDumpable opens the process to others of its user, or closes it if it was open.
func toggleDumpable() error {
	is, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	opened := uintptr(1)
	if is == 1 {
		opened = 0
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, opened, 0, 0, 0)
}

// fork makes a process of this thread alone, which does child and returns as the caller does, which waits for its end.
func fork(child func() error) error {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return failed(errno, "make a child")
	}
	if pid == 0 {
		return child()
	}
	for {
		_, err := syscall.Wait4(int(pid), nil, 0, nil)
		switch err {
		case nil:
			return nil
		case syscall.EINTR:
		default:
			return failed(err, "wait for the child")
		}
	}
}

// becomeAnother returns only with an error.
func becomeAnother() error {
	return execute([]string{"sleep", "1000"})
}
