// SPDX-License-Identifier: Apache-2.0 OR MIT

package rpc

// DecryptArgs is the argument of Decrypt.
type DecryptArgs struct {
	Offset    uint64
	Loopdev   string
	Key       []byte
	MasterPid int
}

// NvCCLIArgs is the argument of NvCCLI.
type NvCCLIArgs struct {
	Flags      []string
	RootFsPath string
	UserNS     bool
}
