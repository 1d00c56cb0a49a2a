// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func (c *Command) exec() error {
	files, err := c.files()
	if err != nil {
		return err
	}
	if err := executable(c.path); err != nil {
		return failed(c.path, err)
	}
	given, err := c.handover()
	if err != nil {
		return err
	}
	// From here on descriptors are open for the starter: no goroutine can fork until they are closed or put back.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	defer given.close()
	if given.sealed != nil {
		number := int(given.sealed.Fd())
		if _, err := unix.FcntlInt(uintptr(number), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("pass the engine configuration on to the starter: %w", err)
		}
		given.name(number)
	}
	replaced, err := replace(files)
	defer replaced.undo()
	if err != nil {
		return err
	}
	return failed(c.path, execute(c.path, c.name, given.environment()))
}

// files returns the standard streams that are given, by number.
func (c *Command) files() (files [3]*os.File, err error) {
	for number, stream := range c.streams() {
		file, isFile := stream.(*os.File)
		if stream != nil && !isFile {
			return files, helped(fmt.Sprintf("launch in place of this program: %s: %T is no open file, and nobody would be left to copy",
				streamNames[number], stream), "give an *os.File, or use launch.Run")
		}
		files[number] = file
	}
	return files, nil
}

// executable finds the usual reasons why a starter cannot be executed before anything is changed.
func executable(path string) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// execute executes a program; it returns why it could not.
func execute(path, name string, environment []string) error {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	err := syscall.Exec(path, []string{name}, environment)
	// Go raises the soft limit of open files for its own programs, and has lowered it again for the starter. (It does not know any
	// more that it did: later children get the raised one. The checks before leave few failures that come this far.)
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &files)
	return err
}
