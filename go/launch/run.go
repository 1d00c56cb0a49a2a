// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

func (c *Command) run() error {
	cmd, err := c.start()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return fmt.Errorf("wait for starter %q: %w", c.path, err)
	}
	return err
}

// start starts the starter. What is only for it is closed here afterwards.
func (c *Command) start() (*exec.Cmd, error) {
	given, err := c.handover()
	if err != nil {
		return nil, err
	}
	defer given.close()
	cmd := &exec.Cmd{Path: c.path, Args: []string{c.name}, Stdin: c.stdin, Stdout: c.stdout, Stderr: c.stderr}
	if given.sealed != nil {
		kept, err := inherited()
		defer closeAll(kept)
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = append(kept, given.sealed)
		given.name(firstFree + len(kept))
	}
	cmd.Env = given.environment()
	if err := cmd.Start(); err != nil {
		return nil, failed(c.path, err)
	}
	return cmd, nil
}

// inherited returns the descriptors without close-on-exec that stand, without a gap, directly above the standard streams, as
// duplicates. The starter gets them anyway; but os/exec places what it passes there, so that the memory file would take the place
// of the first one if they were not in front of it. Duplicates, because an *os.File closes what it holds, and these are not
// ours. (Closing a duplicate ends record locks of fcntl(2) that this process has on that file. Who inherits descriptors from
// another program as a rule got pipes, or locks of flock(2), to which that does not happen.)
func inherited() (kept []*os.File, err error) {
	for fd := firstFree; ; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return kept, nil
		}
		copied, err := duplicate(fd)
		if err != nil {
			return kept, fmt.Errorf("pass descriptor %d on to the starter: %w", fd, err)
		}
		kept = append(kept, os.NewFile(uintptr(copied), fmt.Sprintf("descriptor %d", fd)))
	}
}

func closeAll(files []*os.File) {
	for _, file := range files {
		// The original stays open: an error of close(2) would be reported there.
		_ = file.Close()
	}
}
