// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package probe is the engine of the scenarios in Go, as rust/examples/starter.rs is in Rust and c-tests/probe.c in C: its
// configuration says what each callback does, and each callback writes what it sees to a log.
package probe

import (
	"context"
	"net"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/starter"
)

// name is what the engine and its RPC methods are registered under.
const name = "probe"

func init() {
	engine.RegisterOperations(name, new(probe))
	engine.RegisterRPCMethods(name, methods{})
}

// probe is the engine. It has the configuration of the last InitConfig.
type probe struct{ config *Config }

var _ starter.Declarer = (*probe)(nil)

func (*probe) Config() config.EngineConfig {
	return new(Config)
}

func (p *probe) InitConfig(common *config.Common) {
	if common.EngineConfig == nil {
		// The document said null. What PrepareConfig sets is to reach the other processes all the same.
		common.EngineConfig = new(Config)
	}
	p.config = common.EngineConfig.(*Config)
}

func (p *probe) Declare(said *starter.Declaration) {
	said.PreStartProcess = p.config.PreStart
	said.CoreMonitors = p.config.CoreMonitor
}

func (p *probe) PreStartProcess(context.Context, int, net.Conn, chan error) error {
	return p.enter("PreStartProcess", "")
}

func (p *probe) PostStartHost(context.Context) error {
	return p.enter("PostStartHost", "")
}

func (p *probe) PostStartProcess(_ context.Context, container int) error {
	return p.enter("PostStartProcess", "container=%d", container)
}
