// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package config has the engine configuration: the one document that the launcher hands over, and that each process of a
// container reads again. It is pure Go.
package config

import "encoding/json"

// EngineConfig is an engine's own configuration: whatever the engine's Config returns. That should be a pointer to a value
// of the engine's, since encoding/json fills what a pointer leads to, and replaces anything else by a map.
type EngineConfig interface{}

// Common is an engine configuration as a document: what every engine has, around the engine's own part. It is read and
// written by encoding/json with that package's rules: keys match in any case, of a repeated key the last value wins
// (objects and maps merge), null leaves a field at its zero value, unknown keys are ignored.
//
// It is not safe for concurrent use.
type Common struct {
	// EngineName is the name that the engine is registered under. Case matters.
	EngineName string `json:"engineName"`
	// ContainerID is the container's, or the instance's, id.
	ContainerID string `json:"containerID"`
	// EngineConfig is the very object that the engine's Config returned. Where the document says null it is nil instead,
	// and the engine's object is as Config made it.
	EngineConfig EngineConfig `json:"engineConfig"`
	// PluginConfig is the configuration of each plugin by the plugin's name. GetPluginConfig and SetPluginConfig read and
	// write one of them.
	PluginConfig map[string]json.RawMessage `json:"plugin"`
}
