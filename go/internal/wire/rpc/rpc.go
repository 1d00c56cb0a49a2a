// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package rpc has the argument and reply types of the built-in methods as a Go engine declares them. The package's
// name is part of the texts and registered names on the wire.
package rpc

import (
	"encoding/gob"
	"io/fs"
	"math/big"
	"os"
	"syscall"
	"time"

	"github.com/pinion-runtime/pinion/go/internal/wire/unix"
)

type MountArgs struct {
	Root       string
	Source     string
	Target     string
	Filesystem string
	Mountflags uintptr
	Data       string
}

type MountErrorReply struct {
	Message      string
	Errno        uint
	IsNotExist   bool
	IsPermission bool
}

type MkdirArgs struct {
	Root string
	Path string
	Perm os.FileMode
}

type ChrootArgs struct {
	Root   string
	Method string
}

type LoopArgs struct {
	ImageFd    uintptr
	Mode       int
	Info       unix.LoopInfo64
	MaxDevices int
	Shared     bool
}

type HostnameArgs struct{ Hostname string }

type ChdirArgs struct{ Dir string }

type StatArgs struct{ Path string }

type StatReply struct {
	Fi  os.FileInfo
	Err error
}

type SendFuseFdArgs struct {
	Socket int
	Fds    []int
}

type DecryptArgs struct {
	Offset    uint64
	Loopdev   string
	Key       []byte
	MasterPid int
}

type NvCCLIArgs struct {
	Flags      []string
	RootFsPath string
	UserNS     bool
}

type fileInfo struct {
	N  string
	S  int64
	M  os.FileMode
	T  time.Time
	Sy any
}

func (f fileInfo) Name() string       { return f.N }
func (f fileInfo) Size() int64        { return f.S }
func (f fileInfo) Mode() os.FileMode  { return f.M }
func (f fileInfo) ModTime() time.Time { return f.T }
func (f fileInfo) IsDir() bool        { return f.M.IsDir() }
func (f fileInfo) Sys() any           { return f.Sy }

// FileInfo makes what Stat replies with.
func FileInfo(name string, size int64, mode os.FileMode, when time.Time, sys *syscall.Stat_t) os.FileInfo {
	if sys == nil {
		return &fileInfo{name, size, mode, when, nil}
	}
	return &fileInfo{name, size, mode, when, sys}
}

func init() {
	gob.Register(syscall.Errno(0))
	gob.Register(&fs.PathError{})
	gob.Register(&os.SyscallError{})
	gob.Register(&os.LinkError{})
	gob.Register(&syscall.Stat_t{})
	gob.Register(&fileInfo{})
	gob.Register(Inner{})
}

// Inner and Every are of no method: they have one field of each kind.
type Inner struct {
	A int32
	B uint8
}

type Every struct {
	Bool    bool
	Int8    int8
	Int16   int16
	Int32   int32
	Int64   int64
	Uint8   uint8
	Uint16  uint16
	Uint32  uint32
	Uint64  uint64
	Float32 float32
	Float64 float64
	Complex complex128
	Text    string
	Bytes   []byte
	Array   [3]int16
	List    []Inner
	Lists   [][]string
	Map     map[string]Inner
	Ints    map[int32][]uint16
	Inner   Inner
	Pointer *Inner
	Next    *Every
	Any     any
	Time    time.Time
	Big     big.Int
}
