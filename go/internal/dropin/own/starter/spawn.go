// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"
)

const (
	roleVariable     = "DROPIN_ROLE"
	handoverVariable = "DROPIN_HANDOVER"
	// firstOwn is the first descriptor of the starter's own: those below are the caller's and the engine's.
	firstOwn = 600
)

// handover is what a process gets from the one that made it.
type handover struct {
	Plan starterconfig.Plan
	// Name is argv[0].
	Name string
	// Socket leads to the process that made this one, RPC is the end of the RPC connection that is for the RPC server.
	Socket, RPC int
	// CleanupHost says that the launcher asked for it; PostStart and Cleanup are the sockets of the processes on the host, or 0.
	CleanupHost        bool
	PostStart, Cleanup int
}

// spawn makes a process of this program, in which the descriptors are open as they are here. Another thread may make none
// meanwhile.
func spawn(role string, given handover, descriptors []int, attributes syscall.SysProcAttr) (pid int, err error) {
	memory, err := json.Marshal(given)
	if err != nil {
		return 0, fmt.Errorf("hand over to %s: %w", role, err)
	}
	fd, err := memoryFile(memory)
	if err != nil {
		return 0, fmt.Errorf("hand over to %s: %w", role, err)
	}
	defer unix.Close(fd)
	for _, inherited := range append([]int{fd}, descriptors...) {
		if _, err := unix.FcntlInt(uintptr(inherited), unix.F_SETFD, 0); err != nil {
			return 0, fmt.Errorf("hand descriptor %d over to %s: %w", inherited, role, err)
		}
		defer unix.CloseOnExec(inherited)
	}
	// By its own path: the kernel names a process after the file.
	path, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("make process %s: %w", role, err)
	}
	pid, err = syscall.ForkExec(path, []string{given.Name}, &syscall.ProcAttr{
		Env:   append(os.Environ(), roleVariable+"="+role, fmt.Sprintf("%s=%d", handoverVariable, fd)),
		Files: []uintptr{0, 1, 2},
		Sys:   &attributes,
	})
	if err != nil {
		return 0, fmt.Errorf("make process %s: %w", role, err)
	}
	return pid, nil
}

func memoryFile(content []byte) (int, error) {
	low, err := unix.MemfdCreate("handover", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	fd, err := raise(low)
	if err != nil {
		return 0, err
	}
	_, err = unix.Pwrite(fd, content, 0)
	return fd, err
}

// raise moves a descriptor out of the way.
func raise(low int) (int, error) {
	defer unix.Close(low)
	return unix.FcntlInt(uintptr(low), unix.F_DUPFD_CLOEXEC, firstOwn)
}

// received finds out which process this is. What it was told it by is no part of its environment.
func received() (role string, given handover, err error) {
	role = os.Getenv(roleVariable)
	if role == "" {
		return "", given, nil
	}
	fd, err := strconv.Atoi(os.Getenv(handoverVariable))
	if err != nil {
		return "", given, fmt.Errorf("take over as %s: %w", role, err)
	}
	os.Unsetenv(roleVariable)
	os.Unsetenv(handoverVariable)
	memory, err := io.ReadAll(io.NewSectionReader(reader(fd), 0, 1<<30))
	unix.Close(fd)
	if err == nil {
		err = json.Unmarshal(memory, &given)
	}
	if err != nil {
		return "", given, fmt.Errorf("take over as %s: %w", role, err)
	}
	for _, kept := range append(given.Plan.Kept, given.Socket, given.RPC, given.PostStart, given.Cleanup) {
		if kept > 2 {
			unix.CloseOnExec(kept)
		}
	}
	return role, given, nil
}

// reader reads at an offset: the file's position is shared.
type reader int

func (r reader) ReadAt(to []byte, offset int64) (int, error) {
	n, err := unix.Pread(int(r), to, offset)
	if n == 0 && err == nil && len(to) > 0 {
		err = io.EOF
	}
	return n, err
}

// socketPair makes two connected stream sockets, out of the way.
func socketPair() (pair [2]int, err error) {
	low, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return pair, fmt.Errorf("make a socket pair: %w", err)
	}
	first, err := raise(low[0])
	second, err2 := raise(low[1])
	return [2]int{first, second}, errors.Join(err, err2)
}

// connection makes one of a socket, which it takes over.
func connection(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	return net.FileConn(file)
}

// readByte reads one byte from a blocking socket; ok is false at its end.
func readByte(fd int) (value byte, ok bool) {
	var one [1]byte
	for {
		n, err := unix.Read(fd, one[:])
		if !errors.Is(err, unix.EINTR) {
			return one[0], n == 1
		}
	}
}

func writeByte(fd int, value byte) error {
	return unix.Send(fd, []byte{value}, unix.MSG_NOSIGNAL)
}

// await waits for a child.
func await(pid int) (status syscall.WaitStatus, err error) {
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status, err
		}
	}
}

// dieWithParent ends this process by a signal when the thread that made it ends, or has ended.
func dieWithParent(signal syscall.Signal) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(signal), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the parent: %w", err)
	}
	return nil
}
