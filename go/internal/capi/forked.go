// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// mark is a byte that is not in a child (MADV_WIPEONFORK, madvise(2)): callbacks are asked too often for a system call. nil where
// the kernel has no such memory, before Linux 4.14.
var mark, process = marked(), syscall.Getpid()

func marked() *byte {
	page, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil
	}
	if unix.Madvise(page, unix.MADV_WIPEONFORK) != nil {
		// The page stays, unused: whoever cannot have this is short of nothing.
		return nil
	}
	page[0] = 1
	return &page[0]
}

// forked says whether this is a child of the process that the bindings were loaded in, which has none of Go's other threads.
func forked() bool {
	if mark == nil {
		return syscall.Getpid() != process
	}
	return *mark == 0
}
