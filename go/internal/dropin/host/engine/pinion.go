// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build !dropin_plain && !dropin_level1

// Package engine is the host's engine package: a registry of its own, a registry of its own types over pinion's, or pinion's.
package engine

import "github.com/pinion-runtime/pinion/go/engine"

// Operations are an engine's callbacks.
type Operations = engine.Operations

// RegisterOperations makes an engine known.
func RegisterOperations(name string, operations Operations) {
	engine.RegisterOperations(name, operations)
}

// RegisterRPCMethods makes the methods of its RPC server known.
func RegisterRPCMethods(name string, receiver any) { engine.RegisterRPCMethods(name, receiver) }
