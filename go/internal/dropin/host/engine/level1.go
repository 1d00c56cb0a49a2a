// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build dropin_level1

// Package engine is the host's engine package: a registry of its own, a registry of its own types over pinion's, or pinion's.
package engine

import (
	"net"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/internal/dropin/host/config"
	"github.com/pinion-runtime/pinion/go/internal/dropin/host/starterconfig"
)

// Operations are an engine's callbacks.
type Operations = engine.HostOperations[*config.Common, config.EngineConfig, *starterconfig.Config]

// Engine is an engine with its configuration.
type Engine struct {
	Operations
	*config.Common
}

var registry = engine.NewRegistry[*config.Common, config.EngineConfig, *starterconfig.Config](
	func(own config.EngineConfig) *config.Common { return &config.Common{EngineConfig: own} })

// RegisterOperations makes an engine known.
func RegisterOperations(name string, operations Operations) {
	registry.RegisterOperations(name, operations)
}

// RegisterRPCMethods makes the methods of its RPC server known.
func RegisterRPCMethods(name string, receiver any) { registry.RegisterRPCMethods(name, receiver) }

// ServeRPCRequests serves them until the peer closes the connection.
func ServeRPCRequests(e *Engine, conn net.Conn) { registry.ServeRPC(e.EngineName, conn) }

// Get makes the engine of a document.
func Get(document []byte) (*Engine, error) {
	operations, common, err := registry.Load(document)
	if err != nil {
		return nil, err
	}
	return &Engine{operations, common}, nil
}
