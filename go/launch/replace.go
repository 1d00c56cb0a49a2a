// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// closed stands for a standard stream that was not open.
const closed = -1

// replacement is one standard stream of this program that another file has taken the place of.
type replacement struct {
	number int
	// saved is a descriptor of what was there, or closed.
	saved int
	// flags are those of the descriptor that was there: close-on-exec or not.
	flags int
}

type replacements []replacement

// replace puts files in place of the standard streams with these numbers, nil leaving one as it is, and without close-on-exec.
// What it returns undoes that, also where it fails half-way.
func replace(files [3]*os.File) (replacements, error) {
	var fds [3]int
	defer func() {
		for _, fd := range fds {
			if fd > 0 {
				_ = unix.Close(fd)
			}
		}
	}()
	// First all of them are out of the way: a file can be a standard stream itself, which another one replaces.
	for number, file := range files {
		if file == nil {
			continue
		}
		fd, err := duplicate(int(file.Fd()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", streamNames[number], err)
		}
		fds[number] = fd
	}
	var done replacements
	for number, fd := range fds {
		if fd == 0 {
			continue
		}
		before, err := save(number)
		if err == nil {
			done = append(done, before)
			err = unix.Dup3(fd, number, 0)
		}
		if err != nil {
			return done, fmt.Errorf("%s: replace it: %w", streamNames[number], err)
		}
	}
	return done, nil
}

// save remembers what a standard stream is.
func save(number int) (replacement, error) {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	if errors.Is(err, unix.EBADF) {
		return replacement{number, closed, 0}, nil
	}
	if err != nil {
		return replacement{}, err
	}
	saved, err := duplicate(number)
	return replacement{number, saved, flags}, err
}

// undo puts everything back. What is put back is open, and its flags were the kernel's own: no call has a reason to fail.
func (r replacements) undo() {
	for _, before := range r {
		if before.saved == closed {
			_ = unix.Close(before.number)
			continue
		}
		flags := 0
		if before.flags&unix.FD_CLOEXEC != 0 {
			flags = unix.O_CLOEXEC
		}
		_ = unix.Dup3(before.saved, before.number, flags)
		_ = unix.Close(before.saved)
	}
}
