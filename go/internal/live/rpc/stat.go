// SPDX-License-Identifier: Apache-2.0 OR MIT

package rpc

import (
	"encoding/gob"
	"os"
	"syscall"
	"time"
)

// StatArgs is the argument of Stat and Lstat.
type StatArgs struct {
	Path string
}

// StatReply is the reply of Stat and Lstat.
type StatReply struct {
	Fi  os.FileInfo
	Err error
}

// fileInfo is what travels for an os.FileInfo.
type fileInfo struct {
	N  string
	S  int64
	M  os.FileMode
	T  time.Time
	Sy any
}

func (fi *fileInfo) Name() string       { return fi.N }
func (fi *fileInfo) Size() int64        { return fi.S }
func (fi *fileInfo) Mode() os.FileMode  { return fi.M }
func (fi *fileInfo) ModTime() time.Time { return fi.T }
func (fi *fileInfo) IsDir() bool        { return fi.M.IsDir() }
func (fi *fileInfo) Sys() any           { return fi.Sy }

func init() {
	gob.Register(syscall.Errno(0))
	gob.Register((*fileInfo)(nil))
	gob.Register((*syscall.Stat_t)(nil))
	gob.Register((*os.PathError)(nil))
	gob.Register((*os.SyscallError)(nil))
	gob.Register((*os.LinkError)(nil))
}
