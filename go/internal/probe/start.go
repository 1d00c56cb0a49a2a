// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/starter"
)

func (p *probe) StartProcess(master net.Conn) error {
	if err := p.enter("StartProcess", "kept=%s", showKept(p.config.Kept)); err != nil {
		return err
	}
	if p.config.PreStart {
		// What PreStartProcess waits for.
		if _, err := master.Write([]byte("p")); err != nil {
			return fmt.Errorf("write to master: %w", err)
		}
	}
	if len(p.config.Shim) > 0 {
		return runShim(p.config.Shim, master)
	}
	if len(p.config.Exec) > 0 {
		return execute(p.config.Exec)
	}
	return errors.New("no program")
}

// showKept says where the kept descriptors lead, as Rust shows a list: ["/etc/passwd", "/etc/group"].
func showKept(kept []int) string {
	targets := make([]string, len(kept))
	for i, number := range kept {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
		if err != nil {
			target = err.Error()
		}
		targets[i] = strconv.Quote(target)
	}
	return "[" + strings.Join(targets, ", ") + "]"
}

// execute returns only with an error.
func execute(program []string) error {
	path, err := find(program[0])
	if err == nil {
		err = syscall.Exec(path, program, os.Environ())
	}
	return failed(err, "execute %s", program[0])
}

// find looks for a program as execvp does, which has directories of its own where there is no PATH.
func find(program string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	directories, set := os.LookupEnv("PATH")
	if !set {
		directories = "/bin:/usr/bin"
	}
	for _, directory := range filepath.SplitList(directories) {
		path := filepath.Join(directory, program)
		if unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", syscall.ENOENT
}

// runShim stays as the container's first process under a name of its own, runs the program as its child, and ends as that does.
func runShim(program []string, master net.Conn) error {
	// The name of a thread: that of the process is the main thread's, which this has to be.
	if err := nameThread("probe-shim"); err != nil {
		return err
	}
	if err := master.Close(); err != nil {
		return fmt.Errorf("say that the container has started: %w", err)
	}
	path, err := find(program[0])
	if err != nil {
		return failed(err, "execute %s", program[0])
	}
	files := []uintptr{0, 1, 2}
	child, err := syscall.ForkExec(path, program, &syscall.ProcAttr{Env: os.Environ(), Files: files})
	if err != nil {
		return failed(err, "execute %s", program[0])
	}
	status, err := reapUntil(child)
	if err != nil {
		return err
	}
	return starter.Ended(status)
}

func nameThread(name string) error {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return failed(err, "set the shim's name")
	}
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(text)), 0, 0, 0); err != nil {
		return failed(err, "set the shim's name")
	}
	return nil
}

// reapUntil reaps every orphan that comes to the container's first process, until the child has ended.
func reapUntil(child int) (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		reaped, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil && err != syscall.EINTR {
			return 0, failed(err, "wait for the program")
		}
		if reaped == child {
			return status, nil
		}
	}
}
