// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package engine is the registry of engines: what an engine registers, and how a configuration document becomes an engine.
//
// It is pure Go and works without a core: front ends and plugins of a host import it. Where package core is imported too,
// the registrations, earlier and later ones, are in the core's registry as well, engines of other languages are found here,
// and RPC is served by the core. One process has one registry of names, whatever types its engines are registered with:
//
//   - [RegisterOperations], [Get] and the rest have the published names, for the starter configuration of this module;
//   - [RegisterOperationsFor], [GetFor] and the rest are the same for a host's own starter configuration;
//   - [RegistryFor] is for a host that keeps its own configuration types too.
//
// Everything may be called at any time, package initialisation included, and by several goroutines at once.
package engine

import (
	"net"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
	"github.com/pinion-runtime/pinion/go/engine/ops"
)

// OperationsFor are the callbacks of an engine whose PrepareConfig takes S.
type OperationsFor[S any] = ops.Operations[S]

// EngineFor is an engine with its configuration, as [GetFor] makes it. Its fields are called Operations and Common.
type EngineFor[S any] struct {
	ops.Operations[S]
	*config.Common
}

// Operations are the callbacks of an engine.
type Operations = OperationsFor[*starter.Config]

// Engine is an engine with its configuration, as [Get] makes it. Its fields are called Operations and Common.
type Engine = EngineFor[*starter.Config]

// RegisterOperations makes an engine known under a name, in place of an earlier engine of that name. The operations are
// kept for the process's life, or until something takes the name. Nothing is returned: [Get] of that name and
// [RegistrationError] report an empty name, a name with a NUL, operations that are nil, and what the core refuses.
func RegisterOperations(name string, operations Operations) {
	RegisterOperationsFor(name, operations)
}

// RegisterOperationsFor is [RegisterOperations] for a host's own starter configuration.
func RegisterOperationsFor[S any](name string, operations OperationsFor[S]) {
	register[*config.Common, config.EngineConfig, S](name, operations, aroundConfig)
}

// aroundConfig makes the configuration of an engine that has the types of this module.
func aroundConfig(own config.EngineConfig) *config.Common {
	return &config.Common{EngineConfig: own}
}

// RegisterRPCMethods makes the methods of a value known that an engine's RPC server serves, in place of earlier ones: those
// that fit the rules of net/rpc, others are left out. They are served under the engine's name, and may be registered before
// the engine. Nil is ignored: what was registered before stays. [RegistrationError] reports an empty name, a name with a
// NUL, and what the core refuses.
func RegisterRPCMethods(name string, methods interface{}) {
	known.registerMethods(name, methods)
}

// ServeRPCRequests serves an engine's RPC methods on a connection until the peer closes it, and closes it then. Calls run
// at once, each in a goroutine of its own. Without methods of that engine it returns at once, and
// leaves the connection open. Errors of the connection end it.
func ServeRPCRequests(e *Engine, conn net.Conn) {
	ServeRPCRequestsFor(e, conn)
}

// ServeRPCRequestsFor is [ServeRPCRequests] for a host's own starter configuration.
func ServeRPCRequestsFor[S any](e *EngineFor[S], conn net.Conn) {
	known.serve(e.EngineName, conn)
}

// Get makes the engine of a configuration document: it asks the operations registered under the document's engineName for
// their configuration object (Config), reads the document into a Common around that very object, and hands the Common to
// InitConfig. It does not keep the document, and each call makes a Common of its own.
//
// With a core, an engine of another language comes as operations that call it. Its EngineConfig is a *json.RawMessage: what
// the engine's own language has, to be read here; PrepareConfig brings it up to date.
//
// Errors: a document of more than 64 MiB, or one that is not JSON; no engineName, or an empty one; no engine of that name,
// with the names that there are; a registration that failed; Config returned nil; a field of a wrong type, with its path in
// the document (a *json.UnmarshalTypeError).
func Get(b []byte) (*Engine, error) {
	return GetFor[*starter.Config](b)
}

// GetFor is [Get] for a host's own starter configuration. Engines that are registered with other types, and engines of
// other languages where S is not *starter.Config, are errors.
func GetFor[S any](b []byte) (*EngineFor[S], error) {
	name, err := engineName(b)
	if err != nil {
		return nil, err
	}
	own, err := find[*config.Common, config.EngineConfig, S](name)
	if err != nil {
		return nil, err
	}
	if own == nil {
		return getForeign[S](name, b)
	}
	common, err := own.load(b)
	if err != nil {
		return nil, err
	}
	return &EngineFor[S]{Operations: own.HostOperations, Common: common}, nil
}

// RegistrationError returns what failed of the registrations that hold at present, all in one error (errors.Join), or nil.
// A program that starts containers should ask once, before it does.
func RegistrationError() error {
	return known.failures()
}
