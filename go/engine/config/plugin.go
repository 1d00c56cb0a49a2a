// SPDX-License-Identifier: Apache-2.0 OR MIT

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// GetPluginConfig reads the configuration of plugin into cfg, a pointer. A plugin without configuration leaves what cfg
// leads to as it is, and is no error.
//
// The plugin's name is the first of these that there is: plugin itself, where it is a string; what its method Name() string
// returns; its field Name; the field Name of its field Manifest. Fields may be those of embedded structs, and plugin may be
// a pointer.
//
// Errors: plugin has no name; cfg is no pointer, or nil; the configuration is not JSON that fits cfg.
func (c *Common) GetPluginConfig(plugin, cfg any) error {
	name, err := pluginName(plugin)
	if err != nil {
		return fmt.Errorf("get a plugin's configuration: %w", err)
	}
	if target := reflect.ValueOf(cfg); target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("get the configuration of plugin %q: it is read into a pointer, not into %s", name, describe(cfg))
	}
	raw, found := c.PluginConfig[name]
	if !found {
		return nil
	}
	if err := json.Unmarshal(raw, cfg); err != nil {
		return fmt.Errorf("get the configuration of plugin %q: %w", name, err)
	}
	return nil
}

// SetPluginConfig puts the JSON of cfg in place of the configuration of plugin, whose name is found as by GetPluginConfig.
// cfg is not kept.
//
// Errors: plugin has no name; cfg has no JSON. The configuration is then as it was.
func (c *Common) SetPluginConfig(plugin, cfg any) error {
	name, err := pluginName(plugin)
	if err != nil {
		return fmt.Errorf("set a plugin's configuration: %w", err)
	}
	raw, err := json.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("set the configuration of plugin %q: %w", name, err)
	}
	if c.PluginConfig == nil {
		c.PluginConfig = make(map[string]json.RawMessage)
	}
	c.PluginConfig[name] = raw
	return nil
}

// pluginName finds the name of a plugin of any type, since each host has one of its own.
func pluginName(plugin any) (string, error) {
	value := reflect.ValueOf(plugin)
	if !value.IsValid() {
		return "", errors.New("no plugin was given, but nil")
	}
	if value.Kind() == reflect.Pointer && value.IsNil() {
		return "", fmt.Errorf("no plugin was given, but %s", describe(plugin))
	}
	name, found := nameOf(plugin, value)
	if !found {
		return "", fmt.Errorf("%T does not say a plugin's name: it is no string, and has no method Name() string, "+
			"no string field Name and no string field Manifest.Name", plugin)
	}
	if name == "" {
		return "", fmt.Errorf("the plugin's name, as %T gives it, is empty", plugin)
	}
	return name, nil
}

func nameOf(plugin any, value reflect.Value) (name string, found bool) {
	if value.Kind() == reflect.String {
		return value.String(), true
	}
	if named, ok := plugin.(interface{ Name() string }); ok {
		return named.Name(), true
	}
	if field, ok := text(value, "Name"); ok {
		return field, true
	}
	if manifest, ok := field(value, "Manifest"); ok {
		return text(manifest, "Name")
	}
	return "", false
}

func text(value reflect.Value, name string) (string, bool) {
	found, ok := field(value, name)
	if !ok || found.Kind() != reflect.String {
		return "", false
	}
	return found.String(), true
}

// field finds an exported field. One of an embedded struct whose pointer is nil is not there.
func field(value reflect.Value, name string) (reflect.Value, bool) {
	for value.Kind() == reflect.Pointer || value.Kind() == reflect.Interface {
		value = value.Elem()
	}
	if value.Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	where, found := value.Type().FieldByName(name)
	if !found {
		return reflect.Value{}, false
	}
	result, err := value.FieldByIndexErr(where.Index)
	return result, err == nil
}

// describe names a value that is not what it should be.
func describe(value any) string {
	if value == nil {
		return "nil"
	}
	if kind := reflect.ValueOf(value); kind.Kind() == reflect.Pointer && kind.IsNil() {
		return fmt.Sprintf("a nil %T", value)
	}
	return fmt.Sprintf("a %T", value)
}
