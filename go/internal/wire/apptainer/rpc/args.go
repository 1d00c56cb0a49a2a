// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package rpc has the arguments and replies of Apptainer's RPC methods as far as they differ from the others. Its name is
// part of the names under which gob sends interface values.
package rpc

import (
	"encoding/gob"
	"io/fs"
	"os"
)

// MountArgs is the argument of Mount, whose reply is an error.
type MountArgs struct {
	Source     string
	Target     string
	Filesystem string
	Mountflags uintptr
	Data       string
}

// UnmountArgs is the argument of Unmount, whose reply is an error.
type UnmountArgs struct {
	Target       string
	Unmountflags int
}

// MkdirArgs is the argument of Mkdir.
type MkdirArgs struct {
	Path string
	Perm os.FileMode
}

// AccessArgs is the argument of Access.
type AccessArgs struct {
	Path string
	Mode uint32
}

// AccessReply is the reply of Access.
type AccessReply struct {
	Err error
}

// SymlinkArgs is the argument of Symlink.
type SymlinkArgs struct {
	Target string
	Link   string
}

// ReadDirArgs is the argument of ReadDir.
type ReadDirArgs struct {
	Dir string
}

// ReadDirReply is the reply of ReadDir.
type ReadDirReply struct {
	Files []fs.DirEntry
}

// ChownArgs is the argument of Chown and Lchown.
type ChownArgs struct {
	Name string
	UID  int
	GID  int
}

// EvalRelativeArgs is the argument of EvalRelative.
type EvalRelativeArgs struct {
	Name string
	Root string
}

// ReadlinkArgs is the argument of Readlink.
type ReadlinkArgs struct {
	Name string
}

// UmaskArgs is the argument of Umask.
type UmaskArgs struct {
	Mask int
}

// WriteFileArgs is the argument of WriteFile.
type WriteFileArgs struct {
	Filename string
	Data     []byte
	Perm     os.FileMode
}

// dirEntry is what is registered for an fs.DirEntry. No field of it can travel.
type dirEntry struct {
	name string
	mode fs.FileMode
	info fs.FileInfo
}

func (en *dirEntry) Name() string               { return en.name }
func (en *dirEntry) IsDir() bool                { return en.mode.IsDir() }
func (en *dirEntry) Type() fs.FileMode          { return en.mode }
func (en *dirEntry) Info() (fs.FileInfo, error) { return en.info, nil }

func init() {
	gob.Register((*dirEntry)(nil))
}
