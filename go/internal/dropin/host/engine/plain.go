// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build dropin_plain

// Package engine is the host's engine package: a registry of its own, a registry of its own types over pinion's, or pinion's.
package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/internal/dropin/host/config"
	"github.com/pinion-runtime/pinion/go/internal/dropin/host/starterconfig"
)

// Operations are an engine's callbacks.
type Operations interface {
	Config() config.EngineConfig
	InitConfig(*config.Common)
	PrepareConfig(*starterconfig.Config) error
	CreateContainer(context.Context, int, net.Conn) error
	StartProcess(net.Conn) error
	PostStartProcess(context.Context, int) error
	MonitorContainer(int, chan os.Signal) (syscall.WaitStatus, error)
	CleanupContainer(context.Context, error, syscall.WaitStatus) error
	PostStartHost(context.Context) error
	CleanupHost(context.Context) error
}

// Engine is an engine with its configuration.
type Engine struct {
	Operations
	*config.Common
}

var (
	engines = map[string]Operations{}
	methods = map[string]any{}
)

// RegisterOperations makes an engine known.
func RegisterOperations(name string, operations Operations) { engines[name] = operations }

// RegisterRPCMethods makes the methods of its RPC server known.
func RegisterRPCMethods(name string, receiver any) { methods[name] = receiver }

// ServeRPCRequests serves them until the peer closes the connection.
func ServeRPCRequests(e *Engine, conn net.Conn) {
	receiver := methods[e.EngineName]
	if receiver == nil {
		return
	}
	server := rpc.NewServer()
	if server.RegisterName(e.EngineName, receiver) == nil {
		server.ServeConn(conn)
	}
}

// Get makes the engine of a document.
func Get(document []byte) (*Engine, error) {
	var head struct {
		EngineName string `json:"engineName"`
	}
	if err := json.Unmarshal(document, &head); err != nil {
		return nil, fmt.Errorf("engine configuration: %w", err)
	}
	operations := engines[head.EngineName]
	if operations == nil {
		return nil, fmt.Errorf("engine %q is not found", head.EngineName)
	}
	common := &config.Common{EngineConfig: operations.Config()}
	if err := json.Unmarshal(document, common); err != nil {
		return nil, fmt.Errorf("engine %q: read its configuration: %w", head.EngineName, err)
	}
	operations.InitConfig(common)
	return &Engine{operations, common}, nil
}
