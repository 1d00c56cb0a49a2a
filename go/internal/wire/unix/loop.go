// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package unix has what the RPC methods take from golang.org/x/sys/unix.
package unix

// LoopInfo64 is loop_info64.
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
