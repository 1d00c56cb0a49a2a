// SPDX-License-Identifier: Apache-2.0 OR MIT

package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine/config"
)

type (
	word     string
	method   struct{ name string }
	byField  struct{ Name string }
	manifest struct{ Name, Author string }
	embedded struct{ manifest }
	Manifest struct{ Name string }
	// The way of the family: a manifest among other things.
	product   struct{ Manifest }
	product2  struct{ Manifest *manifest }
	lowercase struct{ name string }
	number    struct{ Name int }
	// The method counts before the field.
	both struct{ Title byField }
	lost struct{ *Manifest }
)

func (m *method) Name() string { return m.name }

func (b both) Name() string { return "method " + b.Title.Name }

func TestPluginsOfAnyTypeHaveANameOfTheirs(t *testing.T) {
	for name, plugin := range map[string]any{
		"string":         "string",
		"word":           word("word"),
		"method":         &method{"method"},
		"field":          byField{"field"},
		"pointer":        &byField{"pointer"},
		"embedded":       embedded{manifest{Name: "embedded"}},
		"product":        product{Manifest{"product"}},
		"pointer inside": &product2{&manifest{Name: "pointer inside"}},
		"method b":       both{byField{"b"}},
	} {
		var common config.Common
		if err := common.SetPluginConfig(plugin, map[string]int{"level": 3}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(common.PluginConfig[name]); got != `{"level":3}` {
			t.Errorf("%s: %q", name, common.PluginConfig)
		}
		var read struct{ Level int }
		if err := common.GetPluginConfig(plugin, &read); err != nil || read.Level != 3 {
			t.Errorf("%s: level %d, error: %v", name, read.Level, err)
		}
	}
}

func TestPluginsWithoutAName(t *testing.T) {
	for want, plugin := range map[string]any{
		"no plugin was given, but nil":                                            nil,
		"no plugin was given, but a nil *config_test.byField":                     (*byField)(nil),
		"the plugin's name, as string gives it, is empty":                         "",
		"the plugin's name, as config_test.byField gives it, is empty":            byField{},
		"config_test.lowercase does not say a plugin's name":                      lowercase{"x"},
		"config_test.number does not say a plugin's name":                         number{5},
		"config_test.lost does not say a plugin's name":                           lost{},
		"*config_test.product2 does not say a plugin's name":                      &product2{},
		"int does not say a plugin's name: it is no string, and has no method Na": 5,
	} {
		common := config.Common{PluginConfig: map[string]json.RawMessage{"": json.RawMessage("1")}}
		var read int
		for what, err := range map[string]error{
			"get a plugin's configuration: ": common.GetPluginConfig(plugin, &read),
			"set a plugin's configuration: ": common.SetPluginConfig(plugin, 2),
		} {
			if err == nil || !strings.HasPrefix(err.Error(), what+want) {
				t.Errorf("%v does not begin with %q", err, what+want)
			}
		}
		if read != 0 || string(common.PluginConfig[""]) != "1" || len(common.PluginConfig) != 1 {
			t.Errorf("%v: read %d, left %q", plugin, read, common.PluginConfig)
		}
	}
}

func TestAPluginWithoutConfiguration(t *testing.T) {
	var common config.Common
	read := map[string]int{"default": 1}
	if err := common.GetPluginConfig("none", &read); err != nil || read["default"] != 1 {
		t.Errorf("read %v, error: %v", read, err)
	}
}

func TestConfigurationsThatDoNotFit(t *testing.T) {
	common := config.Common{PluginConfig: map[string]json.RawMessage{"p": json.RawMessage(`{"level":"x"}`)}}
	for want, cfg := range map[string]any{
		"read into a pointer, not into nil":        nil,
		"read into a pointer, not into a nil *int": (*int)(nil),
		"read into a pointer, not into a int":      5,
		"cannot unmarshal string into Go struct":   &struct{ Level int }{},
	} {
		err := common.GetPluginConfig("p", cfg)
		const prefix = `get the configuration of plugin "p": `
		if err == nil || !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	err := common.SetPluginConfig("p", make(chan int))
	if err == nil || !strings.HasPrefix(err.Error(), `set the configuration of plugin "p": json: unsupported type`) {
		t.Errorf("set: %v", err)
	}
	if got := string(common.PluginConfig["p"]); got != `{"level":"x"}` {
		t.Errorf("after a failed set: %s", got)
	}
}

func TestKeysOfADocument(t *testing.T) {
	written, err := json.Marshal(config.Common{EngineName: "e", ContainerID: "c", EngineConfig: 5})
	if want := `{"engineName":"e","containerID":"c","engineConfig":5,"plugin":null}`; err != nil || string(written) != want {
		t.Errorf("%s, error: %v", written, err)
	}
}
