// SPDX-License-Identifier: Apache-2.0 OR MIT

package rpc

import args "github.com/pinion-runtime/pinion/go/internal/live/rpc"

// LoopArgs is the argument of LoopDevice.
type LoopArgs struct {
	Image      string
	Mode       int
	Info       args.LoopInfo64
	MaxDevices int
	Shared     bool
}

// OpenSendFuseFdArgs is the argument of OpenSendFuseFd.
type OpenSendFuseFdArgs struct {
	Socket int
}
