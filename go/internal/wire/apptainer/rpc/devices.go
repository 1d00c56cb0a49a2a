// SPDX-License-Identifier: Apache-2.0 OR MIT

package rpc

import "github.com/pinion-runtime/pinion/go/internal/wire/unix"

// LoopArgs is the argument of LoopDevice.
type LoopArgs struct {
	Image      string
	Mode       int
	Info       unix.LoopInfo64
	MaxDevices int
	Shared     bool
}

// OpenSendFuseFdArgs is the argument of OpenSendFuseFd.
type OpenSendFuseFdArgs struct {
	Socket int
}
