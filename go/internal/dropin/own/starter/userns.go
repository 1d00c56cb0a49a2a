// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// masterInUserNamespace makes master in a new user namespace, which it shares with the container. A process with threads, as a Go
// program is one, cannot enter such a namespace: so master is a child here, and this process passes signals and its end on.
func masterInUserNamespace(given handover) (code int, err error) {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	handed := append([]int{}, given.Plan.Kept...)
	for _, socket := range []int{given.PostStart, given.Cleanup} {
		if socket > 0 {
			handed = append(handed, socket)
		}
	}
	pid, err := spawn(roleMaster, given, handed, syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: idMap(given.Plan.UIDMappings),
		GidMappings: idMap(given.Plan.GIDMappings),
		Pdeathsig:   syscall.SIGKILL,
	})
	if err != nil {
		return 0, err
	}
	for _, socket := range []int{given.PostStart, given.Cleanup} {
		unix.Close(socket)
	}
	go passOn(signals, pid)
	status, err := await(pid)
	if err != nil {
		return 0, fmt.Errorf("wait for master: %w", err)
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), repeat(status.Signal())
	}
	return status.ExitStatus(), nil
}

func idMap(lines []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	made := make([]syscall.SysProcIDMap, len(lines))
	for i, line := range lines {
		made[i] = syscall.SysProcIDMap{ContainerID: int(line.ContainerID), HostID: int(line.HostID), Size: int(line.Size)}
	}
	return made
}
