// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rename gives the process another name, by which joining knows a shim.
func rename(name string) error {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return fmt.Errorf("name the shim %q: %w", name, err)
	}
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(text)), 0, 0, 0); err != nil {
		return fmt.Errorf("name the shim %q: %w", name, err)
	}
	overwriteArguments(name)
	return nil
}

// overwriteArguments changes what others see of this process in /proc: the memory that the kernel put the arguments in.
func overwriteArguments(name string) {
	memory := unsafe.Slice(unsafe.StringData(os.Args[0]), len(os.Args[0]))
	clear(memory)
	copy(memory, name)
}

// shim stays as the container's first process: it runs the program, reaps whatever comes to it, and ends as the program does.
func shim(args, environment []string, started func() error) error {
	child, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{Env: environment, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return fmt.Errorf("execute %s: %w", args[0], err)
	}
	if err := started(); err != nil {
		return fmt.Errorf("tell master of the start: %w", err)
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the container's processes: %w", err)
		case ended == child && status.Signaled():
			os.Exit(128 + int(status.Signal()))
		case ended == child:
			os.Exit(status.ExitStatus())
		}
	}
}

// forward is a shim that has signals, which it passes on to the program.
func forward(args, environment []string, started func() error) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	command := &exec.Cmd{Path: args[0], Args: args, Env: environment, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := command.Start(); err != nil {
		return fmt.Errorf("execute %s: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	if err := started(); err != nil {
		return fmt.Errorf("tell master of the start: %w", err)
	}
	for {
		select {
		case next := <-signals:
			if next == syscall.SIGCHLD || next == syscall.SIGURG {
				continue
			}
			if err := command.Process.Signal(next); err != nil {
				return fmt.Errorf("pass %v on: %w", next, err)
			}
		case <-ended:
			os.Exit(command.ProcessState.ExitCode())
		}
	}
}
