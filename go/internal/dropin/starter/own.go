// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build dropin_plain || dropin_level1

// Command starter is the drop-in's starter: the host's own, or pinion's.
package main

import (
	"net"

	"github.com/pinion-runtime/pinion/go/internal/dropin/host/engine"
	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starter"
	_ "github.com/pinion-runtime/pinion/go/internal/dropin/sandbox" // registers the engine
)

func main() {
	starter.Main(func(document []byte) (starter.Engine, error) {
		made, err := engine.Get(document)
		if err != nil {
			return starter.Engine{}, err
		}
		serve := func(conn net.Conn) { engine.ServeRPCRequests(made, conn) }
		return starter.Engine{Callbacks: made.Operations, Common: made.Common, Serve: serve}, nil
	})
}
