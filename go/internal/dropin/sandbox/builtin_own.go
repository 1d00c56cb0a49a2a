// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build dropin_plain || dropin_level1

package sandbox

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/host/engine"
)

// registerBuiltin: without pinion's core the host serves these methods itself.
func registerBuiltin() { engine.RegisterRPCMethods(Builtin, new(builtin)) }

type builtin struct{}

// SetHostname sets the host's name.
func (*builtin) SetHostname(args *HostnameArgs, _ *int) error {
	return unix.Sethostname([]byte(args.Hostname))
}

// Mkdir makes a directory beneath a root.
func (*builtin) Mkdir(args *MkdirArgs, _ *int) error {
	before := unix.Umask(0)
	defer unix.Umask(before)
	return os.Mkdir(beneath(args.Root, args.Path), os.FileMode(args.Perm))
}

// Mount mounts beneath a root. A failure travels in the reply.
func (*builtin) Mount(args *BuiltinMountArgs, reply *MountReply) error {
	target := beneath(args.Root, args.Target)
	if err := unix.Mount(args.Source, target, args.Filesystem, args.Mountflags, args.Data); err != nil {
		errno := err.(unix.Errno)
		*reply = MountReply{err.Error(), uint(errno), errno.Is(os.ErrNotExist), errno.Is(os.ErrPermission)}
	}
	return nil
}

// beneath takes a path for one below root, unless it begins there anyway.
func beneath(root, path string) string {
	if strings.HasPrefix(path, root+"/") {
		return path
	}
	return filepath.Join(root, path)
}

// Chdir changes the working directory.
func (*builtin) Chdir(args *ChdirArgs, _ *int) error { return os.Chdir(args.Dir) }
