// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/capi"
)

func init() {
	add(map[string]deed{
		"change the directory": func(*place) error { return syscall.Chdir("/proc") },
		"change the umask":     func(*place) error { syscall.Umask(0o077); return nil },
		"change the group":     func(*place) error { return syscall.Setresgid(0, 1, 0) },
		"change the user":      func(*place) error { return syscall.Setresuid(0, 1, 0) },
		"change one thread's user": func(*place) error {
			_, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, 0, 1, 0)
			if errno != 0 {
				return errno
			}
			return nil
		},
		"close all descriptors": func(*place) error {
			return unix.CloseRange(3, ^uint(0), 0)
		},
		"close the core's descriptors": func(*place) error {
			own, err := descriptorsOfGo()
			if err != nil {
				return err
			}
			for fd := 3; fd < 1024; fd++ {
				if !own[fd] {
					syscall.Close(fd)
				}
			}
			return nil
		},
		"run a child": func(at *place) error {
			output, err := exec.Command("/bin/sh", "-c", "exit 5").CombinedOutput()
			say("%s: child: %v %s", at.callback, err, output)
			return nil
		},
		"tell a child's signals": func(at *place) error {
			output, err := exec.Command("/bin/grep", "SigBlk", "/proc/self/status").CombinedOutput()
			say("%s: child: %s", at.callback, strings.Join(strings.Fields(string(output)), " "))
			return err
		},
	})
	if len(os.Args) > 0 && os.Args[0] == "forks in init" {
		forkInInit()
	}
}

// forkInInit runs children before Main, as packages do that look for programs when they are initialised.
func forkInInit() {
	role := capi.CurrentRole()
	open, err := exec.Command("/bin/ls", "-l", "/proc/self/fd").CombinedOutput()
	for line := range strings.Lines(string(open)) {
		if words := strings.Fields(line); len(words) > 2 {
			say("init of %d: %v, descriptor %s", role, err, strings.Join(words[len(words)-3:], " "))
		}
	}
	itself := exec.Command("/proc/self/exe")
	itself.Args[0] = "a child of init"
	said, err := itself.CombinedOutput()
	say("init of %d: itself: %v %q", role, err, said)
}

// descriptorsOfGo are the poller's, without which Go's runtime ends the program.
func descriptorsOfGo() (map[int]bool, error) {
	own := map[int]bool{}
	for fd := 3; fd < 1024; fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || target != "anon_inode:[eventpoll]" {
			continue
		}
		own[fd] = true
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(info)) {
			var watched int
			if _, err := fmt.Sscanf(line, "tfd: %d", &watched); err == nil {
				own[watched] = true
			}
		}
	}
	return own, nil
}
