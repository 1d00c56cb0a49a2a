// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"io/fs"
	"maps"
	"math"
	"math/big"
	netrpc "net/rpc"
	"net/url"
	"os"
	"slices"
	"syscall"
	"time"

	apptainer "github.com/pinion-runtime/pinion/go/internal/wire/apptainer/rpc"
	"github.com/pinion-runtime/pinion/go/internal/wire/rpc"
	"github.com/pinion-runtime/pinion/go/internal/wire/unix"
)

func one[T any](value T) []any { return []any{&value} }

func sorted(samples map[string][]any) []string { return slices.Sorted(maps.Keys(samples)) }

// samples has pointers to the values of each stream.
func samples() map[string][]any {
	when := time.Date(2026, 11, 23, 20, 0, 1, 999, time.FixedZone("", 3600))
	every := rpc.Every{
		Bool: true, Int8: math.MinInt8, Int16: math.MaxInt16, Int32: math.MinInt32, Int64: math.MaxInt64,
		Uint8: math.MaxUint8, Uint16: math.MaxUint16, Uint32: math.MaxUint32, Uint64: math.MaxUint64,
		Float32: 0.5, Float64: math.MaxFloat64, Complex: complex(1, -2), Text: "h\u00e9 \xff", Bytes: []byte{0, 255},
		Array: [3]int16{-1, 0, 300}, List: []rpc.Inner{{}, {A: 1, B: 2}}, Lists: [][]string{{"a", ""}, {}},
		Map: map[string]rpc.Inner{"k": {A: -1}}, Ints: map[int32][]uint16{-7: {1, 65535}}, Inner: rpc.Inner{B: 9},
		Pointer: &rpc.Inner{A: 3}, Next: &rpc.Every{Text: "next"}, Time: when,
	}
	info := unix.LoopInfo64{Offset: 4096, Sizelimit: 1 << 40, Flags: 5, Number: 3, Init: [2]uint64{0, 7}}
	copy(info.File_name[:], "/image.sif")
	return map[string][]any{
		"bool": one(true), "int": one(-129), "int-zero": one(0), "int-min": one(int64(math.MinInt64)),
		"uint": one(uint64(math.MaxUint64)), "float": one(17.5), "float-negative-zero": one(math.Copysign(0, -1)),
		"complex": one(complex(0, -2.5)), "string": one("h\u00e9llo"), "string-empty": one(""),
		"string-bytes": one("a\xffb"), "bytes": one([]byte{0, 255, 3}), "array": one([3]int{1, 0, -3}),
		"array-bytes": one([4]byte{9, 0, 200, 1}), "slice": one([]string{"a", "", "c"}),
		"slice-empty": one([]int{}), "slices": one([][]int{{1}, {}, {2, 3}}),
		"structs": one([]rpc.Inner{{A: 1}, {B: 2}}), "map": one(map[string]int{"a": -1}),
		"map-structs": one(map[int16][]rpc.Inner{-4: {{A: 1}}}), "empty": one(struct{}{}),
		"time": one(when), "time-utc": one(time.Unix(0, 5).UTC()),
		"time-seconds": one(time.Unix(1, 0).In(time.FixedZone("", -(19*60 + 32)))),
		"bigint":       one(*new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(3), 70))),
		"url":          one(url.URL{Scheme: "http", Host: "h", Path: "/p"}),
		"every":        one(every), "every-zero": one(rpc.Every{}),
		"interfaces": one([]any{nil, 1, "two", rpc.Inner{A: 1}, rpc.Inner{B: 2}, []byte{1}}),
		"stream": {
			&netrpc.Request{ServiceMethod: "e.Mkdir", Seq: 7}, &rpc.Inner{A: 1}, &[]rpc.Inner{{A: 2}},
			&netrpc.Request{ServiceMethod: "e.Stat", Seq: 8}, &rpc.Inner{B: 2},
		},
		"request":  one(netrpc.Request{ServiceMethod: "singularity.Mount", Seq: 300}),
		"response": one(netrpc.Response{ServiceMethod: "singularity.Mount", Seq: 300, Error: "no: such luck"}),

		"mount-args": one(rpc.MountArgs{
			Root: "/r", Source: "proc", Target: "/r/proc", Filesystem: "proc", Mountflags: 14, Data: "x=y",
		}),
		"mount-error-reply": one(rpc.MountErrorReply{Message: "m", Errno: 2, IsNotExist: true}),
		"mkdir-args":        one(rpc.MkdirArgs{Root: "/r", Path: "a\xff", Perm: 0o755}),
		"chroot-args":       one(rpc.ChrootArgs{Root: ".", Method: "pivot"}),
		"loop-args":         one(rpc.LoopArgs{ImageFd: 7, Mode: os.O_RDWR, Info: info, MaxDevices: 256, Shared: true}),
		"hostname-args":     one(rpc.HostnameArgs{Hostname: "node"}),
		"chdir-args":        one(rpc.ChdirArgs{Dir: "/work"}),
		"stat-args":         one(rpc.StatArgs{Path: "/etc"}),
		"stat-reply": one(rpc.StatReply{
			Fi: rpc.FileInfo("etc", 42, fs.ModeDir|0o755, when, &syscall.Stat_t{Ino: 9, Mode: 0o40755, Mtim: syscall.Timespec{Sec: 5}}),
		}),
		"stat-reply-error":  one(rpc.StatReply{Err: &fs.PathError{Op: "stat", Path: "/x", Err: syscall.ENOENT}}),
		"link-error":        one(rpc.StatReply{Err: &os.LinkError{Op: "l", Old: "a", New: "b", Err: syscall.EXDEV}}),
		"syscall-error":     one(rpc.StatReply{Err: &os.SyscallError{Syscall: "mount", Err: syscall.EPERM}}),
		"send-fuse-fd-args": one(rpc.SendFuseFdArgs{Socket: 5, Fds: []int{6, 7}}),
		"decrypt-args":      one(rpc.DecryptArgs{Offset: 4096, Loopdev: "/dev/loop3", Key: []byte{1, 2}, MasterPid: 77}),
		"nvccli-args":       one(rpc.NvCCLIArgs{Flags: []string{"NVIDIA_A=a", "NVIDIA_B="}, RootFsPath: "/r", UserNS: true}),

		"apptainer-mount-args":             one(apptainer.MountArgs{Source: "proc", Target: "/p", Filesystem: "proc", Mountflags: 1, Data: "d"}),
		"apptainer-mkdir-args":             one(apptainer.MkdirArgs{Path: "/p", Perm: 0o700}),
		"apptainer-loop-args":              one(apptainer.LoopArgs{Image: "/image.sif", Mode: 2, Info: info, MaxDevices: 8}),
		"apptainer-access-args":            one(apptainer.AccessArgs{Path: "/p", Mode: 4}),
		"apptainer-access-reply":           one(apptainer.AccessReply{Err: syscall.EACCES}),
		"apptainer-open-send-fuse-fd-args": one(apptainer.OpenSendFuseFdArgs{Socket: 5}),
		"apptainer-symlink-args":           one(apptainer.SymlinkArgs{Target: "a", Link: "b"}),
		"apptainer-read-dir-args":          one(apptainer.ReadDirArgs{Dir: "/d"}),
		"apptainer-chown-args":             one(apptainer.ChownArgs{Name: "/f", UID: 1000, GID: -1}),
		"apptainer-eval-relative-args":     one(apptainer.EvalRelativeArgs{Name: "/a", Root: "/r"}),
		"apptainer-readlink-args":          one(apptainer.ReadlinkArgs{Name: "/l"}),
		"apptainer-unmount-args":           one(apptainer.UnmountArgs{Target: "/m", Unmountflags: 2}),
		"apptainer-umask-args":             one(apptainer.UmaskArgs{Mask: 0o22}),
		"apptainer-write-file-args":        one(apptainer.WriteFileArgs{Filename: "/f", Data: []byte("x"), Perm: 0o600}),
	}
}
