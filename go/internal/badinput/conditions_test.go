// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// caller is what a process leaves behind that executes the starter in its place.
type caller struct {
	// Close are descriptors that are not open.
	Close []int
	// Ignore are signals that are ignored.
	Ignore []syscall.Signal
	// Block says that all signals are blocked.
	Block bool
	// NoArguments is argc 0.
	NoArguments bool
	// Program is the starter.
	Program string
}

func (c caller) text() string {
	c.Program = program
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// become executes the starter, under the name that this process has. It returns only with an error.
func become(text string) error {
	var c caller
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	arguments := []string{os.Args[0]}
	if c.NoArguments {
		arguments = nil
	}
	for _, kind := range c.Ignore {
		signal.Ignore(kind)
	}
	// The mask is the executing thread's.
	runtime.LockOSThread()
	if c.Block {
		var all unix.Sigset_t
		for i := range all.Val {
			all.Val[i] = ^uint64(0)
		}
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil); err != nil {
			return err
		}
	}
	for _, fd := range c.Close {
		syscall.Close(fd)
	}
	return fmt.Errorf("execute the starter: %w", syscall.Exec(c.Program, arguments, os.Environ()))
}
