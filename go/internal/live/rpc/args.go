// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package rpc has the arguments and replies of a container runtime's RPC methods as its Go client declares them. Its
// name is part of the names under which gob sends interface values.
package rpc

import "os"

// MountArgs is the argument of Mount.
type MountArgs struct {
	Root       string
	Source     string
	Target     string
	Filesystem string
	Mountflags uintptr
	Data       string
}

// MountErrorReply is the reply of Mount; its zero value is success.
type MountErrorReply struct {
	Message      string
	Errno        uint
	IsNotExist   bool
	IsPermission bool
}

// MkdirArgs is the argument of Mkdir.
type MkdirArgs struct {
	Root string
	Path string
	Perm os.FileMode
}

// ChrootArgs is the argument of Chroot.
type ChrootArgs struct {
	Root   string
	Method string
}

// HostnameArgs is the argument of SetHostname.
type HostnameArgs struct {
	Hostname string
}

// ChdirArgs is the argument of Chdir.
type ChdirArgs struct {
	Dir string
}
