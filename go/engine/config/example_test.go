// SPDX-License-Identifier: Apache-2.0 OR MIT

package config_test

import (
	"fmt"

	"github.com/pinion-runtime/pinion/go/engine/config"
)

// A plugin is named by a string, or by whatever a host's plugins are: its method or field Name says which.
func ExampleCommon_SetPluginConfig() {
	var common config.Common
	if err := common.SetPluginConfig("example.org/log", map[string]int{"level": 3}); err != nil {
		fmt.Println(err)
		return
	}
	var cfg struct{ Level int }
	err := common.GetPluginConfig(struct{ Name string }{"example.org/log"}, &cfg)
	fmt.Println(string(common.PluginConfig["example.org/log"]), cfg.Level, err)
	// Output: {"level":3} 3 <nil>
}
