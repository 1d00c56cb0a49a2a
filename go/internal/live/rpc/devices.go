// SPDX-License-Identifier: Apache-2.0 OR MIT

package rpc

// LoopInfo64 is loop_info64 as golang.org/x/sys/unix declares it.
type LoopInfo64 struct {
	Device           uint64
	Inode            uint64
	Rdevice          uint64
	Offset           uint64
	Sizelimit        uint64
	Number           uint32
	Encrypt_type     uint32
	Encrypt_key_size uint32
	Flags            uint32
	File_name        [64]uint8
	Crypt_name       [64]uint8
	Encrypt_key      [32]uint8
	Init             [2]uint64
}

// LoopArgs is the argument of LoopDevice.
type LoopArgs struct {
	ImageFd    uintptr
	Mode       int
	Info       LoopInfo64
	MaxDevices int
	Shared     bool
}

// SendFuseFdArgs is the argument of SendFuseFd.
type SendFuseFdArgs struct {
	Socket int
	Fds    []int
}
