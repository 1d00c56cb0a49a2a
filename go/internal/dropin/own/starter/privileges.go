// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"
)

// applyPrivileges gives this thread the container's ids and capabilities: it is the one that executes the container's program.
func applyPrivileges(plan starterconfig.Plan) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if err := unix.Capget(&header, &now[0]); err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	permitted := uint64(now[1].Permitted)<<32 | uint64(now[0].Permitted)
	if effective := plan.Capabilities["effective"]; effective&^permitted != 0 {
		return fmt.Errorf("apply privileges: effective capabilities %#x are not within what is permitted, %#x", effective, permitted)
	}
	if err := dropBounding(plan.Capabilities["bounding"]); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	if err := changeIDs(plan); err != nil {
		return err
	}
	if plan.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	var wanted [2]unix.CapUserData
	for i := range wanted {
		half := func(set string) uint32 { return uint32(plan.Capabilities[set] >> (32 * i)) }
		wanted[i] = unix.CapUserData{Effective: half("effective"), Permitted: half("permitted"), Inheritable: half("inheritable")}
	}
	if err := unix.Capset(&header, &wanted[0]); err != nil {
		return fmt.Errorf("set the capabilities: %w", err)
	}
	return raiseAmbient(plan.Capabilities["ambient"])
}

func dropBounding(kept uint64) error {
	for number := range uintptr(64) {
		// Numbers that the kernel does not know are an error.
		there, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, number, 0, 0, 0)
		if err != nil {
			return nil
		}
		if there == 0 || kept&(1<<number) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", number, err)
		}
	}
	return nil
}

// changeIDs is for the calling thread alone, where package syscall would change all of them.
func changeIDs(plan starterconfig.Plan) error {
	if len(plan.GIDs) > 0 {
		gid := uintptr(plan.GIDs[0])
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
			return fmt.Errorf("set gid %d: %w", gid, errno)
		}
	}
	if len(plan.GIDs) > 0 && !plan.NoSetgroups {
		list := make([]uint32, len(plan.GIDs))
		for i, gid := range plan.GIDs {
			list[i] = uint32(gid)
		}
		_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(&list[0])), 0)
		if errno != 0 {
			return fmt.Errorf("set groups %v: %w", list, errno)
		}
	}
	uid := uintptr(syscall.Getuid())
	if plan.UID != nil {
		uid = uintptr(*plan.UID)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("set uid %d: %w", uid, errno)
	}
	return nil
}

func raiseAmbient(set uint64) error {
	for number := range uintptr(64) {
		if set&(1<<number) == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, number, 0, 0); err != nil {
			return fmt.Errorf("raise capability %d in the ambient set: %w", number, err)
		}
	}
	return nil
}
