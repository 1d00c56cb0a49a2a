// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package config is the engine configuration of a host that has types of its own.
package config

import "encoding/json"

// EngineConfig is an engine's own part.
type EngineConfig interface{}

// Common is the document around it.
type Common struct {
	EngineName   string                     `json:"engineName"`
	ContainerID  string                     `json:"containerID"`
	EngineConfig EngineConfig               `json:"engineConfig"`
	PluginConfig map[string]json.RawMessage `json:"plugin"`
}
