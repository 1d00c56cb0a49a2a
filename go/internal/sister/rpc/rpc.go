// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package rpc has the argument types of the sister product, as far as they differ.
package rpc

import (
	"os"

	"github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

type MountArgs struct {
	Source     string
	Target     string
	Filesystem string
	Mountflags uintptr
	Data       string
}

type MkdirArgs struct {
	Path string
	Perm os.FileMode
}

type LoopArgs struct {
	Image      string
	Mode       int
	Info       rpc.LoopInfo64
	MaxDevices int
	Shared     bool
}

type AccessArgs struct {
	Path string
	Mode uint32
}

type AccessReply struct{ Err error }

type OpenSendFuseFdArgs struct{ Socket int }

type SymlinkArgs struct{ Old, New string }

type ReadDirArgs struct{ Dir string }

type ChownArgs struct {
	Name     string
	UID, GID int
}

type EvalRelativeArgs struct{ Name, Root string }

type ReadlinkArgs struct{ Name string }

type UmaskArgs struct{ Mask int }

type WriteFileArgs struct {
	Filename string
	Data     []byte
	Perm     os.FileMode
}
