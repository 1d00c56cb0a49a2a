// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
	"github.com/pinion-runtime/pinion/go/engine/ops"
	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// foreign is an engine of another language as operations. The core made it ready: it has its configuration already.
type foreign struct {
	ops.Callbacks
	found hook.Found
	name  string
	// own is the engine's own part of the configuration, as JSON.
	own    *json.RawMessage
	common *config.Common
}

// foreignPreStarter is one that has the optional callback. Only this type may have it.
type foreignPreStarter struct {
	*foreign
	ops.PreStarter
}

// getForeign makes an engine of another language, if the core has it and its starter configuration is the one asked for.
func getForeign[S any](name string, document []byte) (*EngineFor[S], error) {
	core := hook.Current()
	_, fits := any((*foreign)(nil)).(ops.Operations[S])
	if core == nil || !fits || !slices.Contains(core.Names(), name) {
		return nil, unknown[*config.Common, config.EngineConfig, S](name)
	}
	found, err := core.Get(document)
	if err != nil {
		return nil, fmt.Errorf("engine %q: %w", name, err)
	}
	engine := &foreign{Callbacks: found, found: found, name: name, own: new(json.RawMessage), common: new(config.Common)}
	if err := engine.refresh(); err != nil {
		return nil, err
	}
	var operations any = engine
	if found.HasPreStartProcess() {
		operations = &foreignPreStarter{engine, found}
	}
	return &EngineFor[S]{Operations: operations.(ops.Operations[S]), Common: engine.common}, nil
}

// refresh takes the configuration over as the engine has it now.
func (f *foreign) refresh() error {
	name, id, own, plugins, err := f.found.Common()
	if err != nil {
		return fmt.Errorf("engine %q: read its configuration from the core: %w", f.name, err)
	}
	*f.own = own
	*f.common = config.Common{EngineName: name, ContainerID: id, EngineConfig: f.own, PluginConfig: plugins}
	return nil
}

// Config returns the JSON of the engine's own configuration, as a *json.RawMessage.
func (f *foreign) Config() config.EngineConfig {
	return f.own
}

// InitConfig says which Common shall have what PrepareConfig leaves. The engine was given its configuration by the core.
func (f *foreign) InitConfig(common *config.Common) {
	f.common = common
}

// PrepareConfig calls the engine's, and takes over what that left in its configuration.
func (f *foreign) PrepareConfig(starterConfig *starter.Config) error {
	if err := f.found.PrepareConfig(starterConfig); err != nil {
		return err
	}
	return f.refresh()
}
