// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"
)

// ready is the byte that says that the container's namespaces are complete.
const ready = 1

// container is the container process: it completes its namespaces, lets the RPC server work, and becomes stage 2.
func container(given handover, load Load) (code int, err error) {
	if err := dieWithParent(syscall.SIGKILL); err != nil {
		return 0, err
	}
	if err := enter(given.Plan); err != nil {
		return 0, err
	}
	if err := writeByte(given.Socket, ready); err != nil {
		return 0, fmt.Errorf("say that the namespaces are ready: %w", err)
	}
	if !given.Plan.JoinOnly {
		if err := serve(given); err != nil {
			return 0, err
		}
	}
	if err := applyPrivileges(given.Plan); err != nil {
		return 0, err
	}
	// Other ids and capabilities ended it.
	if err := dieWithParent(syscall.SIGKILL); err != nil {
		return 0, err
	}
	engine, err := load(given.Plan.Document)
	if err != nil {
		return 0, err
	}
	conn, err := connection(given.Socket)
	if err != nil {
		return 0, fmt.Errorf("take the connection to master: %w", err)
	}
	if err := guarded("StartProcess", func() error { return engine.StartProcess(conn) }); err != nil {
		_, told := conn.Write([]byte{'f'})
		if !errors.Is(told, os.ErrClosed) {
			err = errors.Join(err, told)
		}
		return 0, err
	}
	return 0, nil
}

// enter joins what is to be joined; what is new was made with the process.
func enter(plan starterconfig.Plan) error {
	for _, kind := range []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.UTSNamespace, specs.IPCNamespace,
		specs.CgroupNamespace, specs.MountNamespace} {
		if path := plan.Join[kind]; path != "" {
			if err := join(kind, path); err != nil {
				return err
			}
		}
	}
	if plan.Create&unix.CLONE_NEWNS == 0 || plan.Propagation == "" {
		return nil
	}
	kinds := map[string]uintptr{"private": unix.MS_PRIVATE, "slave": unix.MS_SLAVE, "shared": unix.MS_SHARED,
		"rprivate": unix.MS_REC | unix.MS_PRIVATE, "rslave": unix.MS_REC | unix.MS_SLAVE, "rshared": unix.MS_REC | unix.MS_SHARED}
	if err := unix.Mount("", "/", "", kinds[plan.Propagation], ""); err != nil {
		return fmt.Errorf("make / %s: %w", plan.Propagation, err)
	}
	return nil
}

// files are what the kinds are called in /proc.
var files = map[specs.LinuxNamespaceType]string{
	specs.PIDNamespace:     "pid",
	specs.MountNamespace:   "mnt",
	specs.NetworkNamespace: "net",
	specs.UTSNamespace:     "uts",
	specs.IPCNamespace:     "ipc",
	specs.CgroupNamespace:  "cgroup",
}

// join lets this thread enter a namespace, unless it is in it already.
func join(kind specs.LinuxNamespaceType, path string) error {
	var wanted, present unix.Stat_t
	if err := errors.Join(unix.Stat(path, &wanted), unix.Stat("/proc/thread-self/ns/"+files[kind], &present)); err != nil {
		return fmt.Errorf("join the %s namespace %s: %w", kind, path, err)
	}
	if wanted.Dev == present.Dev && wanted.Ino == present.Ino {
		return nil
	}
	if kind == specs.MountNamespace {
		// The kernel lets nobody enter one who shares the root directory with others.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("join the mount namespace: %w", err)
		}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("join the %s namespace %s: %w", kind, path, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, int(starterconfig.Flags[kind])); err != nil {
		return fmt.Errorf("join the %s namespace %s: %w", kind, path, err)
	}
	return nil
}

// serve makes the RPC server and waits until it has ended well.
func serve(given handover) error {
	pid, err := spawn(roleRPCServer, given, append(given.Plan.Kept, given.RPC), syscall.SysProcAttr{Cloneflags: unix.CLONE_FS})
	unix.Close(given.RPC)
	if err != nil {
		return err
	}
	status, err := await(pid)
	if err != nil {
		return fmt.Errorf("wait for the RPC server: %w", err)
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("the RPC server ended with status %#x", int(status))
	}
	return nil
}

func rpcServer(given handover, load Load) (code int, err error) {
	if err := dieWithParent(syscall.SIGKILL); err != nil {
		return 0, err
	}
	engine, err := load(given.Plan.Document)
	if err != nil {
		return 0, err
	}
	conn, err := connection(given.RPC)
	if err != nil {
		return 0, fmt.Errorf("take the RPC connection: %w", err)
	}
	engine.Serve(conn)
	return 0, nil
}
