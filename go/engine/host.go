// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"net"

	"github.com/pinion-runtime/pinion/go/engine/ops"
)

// HostOperations are the callbacks of an engine as [ops.Operations] documents them, with a host's own types: its
// configuration C, a pointer; its engine configuration E, an interface type as a rule; its starter configuration S. S can
// be an interface type: anything that implements it fits PrepareConfig then.
//
// A host that needs other signatures registers an adapter. Where the adapter has a method Unwrap that returns what it
// adapts, the optional PreStartProcess is found there. (The name OperationsFor is taken: Go has no overloading by the
// number of types.)
type HostOperations[C, E, S any] interface {
	// Config makes the engine's own configuration, with its zero value.
	Config() E
	// InitConfig is given the whole configuration.
	InitConfig(common C)
	// PrepareConfig says what the container is to be like.
	PrepareConfig(starterConfig S) error
	ops.Callbacks
}

// RegistryFor is the process's registry for a host with types of its own. It has no engines that others have not: an engine
// registered here takes its name everywhere. It may be used by several goroutines at once.
type RegistryFor[C, E, S any] struct {
	wrap func(E) C
}

// NewRegistry makes a registry, with the function that makes the host's configuration around an engine's own part. What it
// returns must be a pointer that encoding/json can fill and write with the keys engineName and engineConfig among others;
// the registry calls it once for each document, in any goroutine.
func NewRegistry[C, E, S any](wrap func(E) C) *RegistryFor[C, E, S] {
	return &RegistryFor[C, E, S]{wrap: wrap}
}

// RegisterOperations is as the function [RegisterOperations].
func (r *RegistryFor[C, E, S]) RegisterOperations(name string, operations HostOperations[C, E, S]) {
	register(name, operations, r.wrap)
}

// RegisterRPCMethods is as the function [RegisterRPCMethods].
func (r *RegistryFor[C, E, S]) RegisterRPCMethods(name string, methods any) {
	known.registerMethods(name, methods)
}

// ServeRPC is as [ServeRPCRequests], for the engine of that name.
func (r *RegistryFor[C, E, S]) ServeRPC(name string, conn net.Conn) {
	known.serve(name, conn)
}

// Load is as [Get]: it returns the operations that the document names, and the host's configuration after InitConfig,
// around the very object that Config returned. Errors: those of Get, and engines that are registered with other types or
// come from another language, whose configuration these types cannot hold.
func (r *RegistryFor[C, E, S]) Load(document []byte) (HostOperations[C, E, S], C, error) {
	var none C
	name, err := engineName(document)
	if err != nil {
		return nil, none, err
	}
	own, err := find[C, E, S](name)
	if err != nil {
		return nil, none, err
	}
	if own == nil {
		return nil, none, unknown[C, E, S](name)
	}
	common, err := own.load(document)
	if err != nil {
		return nil, none, err
	}
	return own.HostOperations, common, nil
}
