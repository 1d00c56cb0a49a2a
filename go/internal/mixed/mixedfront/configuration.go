// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
	"github.com/pinion-runtime/pinion/go/internal/capi"
)

func init() {
	cases["configuration"] = configuration
	cases["preparation is refused"] = preparationIsRefused
	cases["preparation without a configuration"] = preparationWithout
	cases["refusals"] = refusals
	cases["names"] = names
	cases["errors"] = errorsOfC
}

// systemError is PINION_SYSTEM.
const systemError = 5

func configuration(r *run) {
	made, err := engine.Get([]byte(`{"engineName":"mixed-c","containerID":"first","plugin":{"x":{"y":[1,2]}},` +
		`"engineConfig":{"Script":"exit 1","Log":"` + r.log + `","unknown":"to C"}}`))
	if err != nil {
		r.errorf("get: %v", err)
		return
	}
	r.wrote("InitConfig of first", "Declare")
	r.equal("engine name", made.EngineName, "mixed-c")
	r.equal("container id", made.ContainerID, "first")
	r.equal("plugins", len(made.PluginConfig), 1)
	r.equal("plugin x", string(made.PluginConfig["x"]), `{"y":[1,2]}`)
	own, is := made.EngineConfig.(*json.RawMessage)
	if !is {
		r.errorf("the configuration is a %T", made.EngineConfig)
		return
	}
	// It is what C made of it: in its own order, and without what it does not know.
	r.equal("configuration", string(*own), `{"Log":"`+r.log+`","Script":"exit 1"}`)
	r.equal("Config", made.Operations.Config(), any(own))
}

func preparationIsRefused(r *run) {
	err := r.get(nil).PrepareConfig(new(starter.Config))
	if err == nil || !strings.Contains(err.Error(), "a *starter.Config is no starter configuration of the core's") {
		r.errorf("PrepareConfig: %v", err)
	}
}

func preparationWithout(r *run) {
	defer func() {
		if panicked := recover(); panicked != nil {
			r.errorf("PrepareConfig panicked: %v", panicked)
		}
	}()
	err := r.get(nil).PrepareConfig(nil)
	if err == nil || !strings.Contains(err.Error(), "is no starter configuration of the core's") {
		r.errorf("PrepareConfig: %v", err)
	}
}

func refusals(r *run) {
	for document, want := range map[string]string{
		`{"engineName":"mixed-c","engineConfig":[]}`:                   "engineConfig: expected an object of texts without escapes",
		`{"engineName":"mixed-c","engineConfig":{"Log":"a\\b"}}`:       "engineConfig: expected an object of texts without escapes",
		`{"engineName":"mixed-c","containerID":5,"engineConfig":{}}`:   "containerID",
		`{"engineName":"mixed-c","plugin":"none","engineConfig":null}`: "plugin",
	} {
		if _, err := engine.Get([]byte(document)); err == nil || !strings.Contains(err.Error(), want) {
			r.errorf("%s: %v, not %s", document, err, want)
		}
	}
}

// names looks for engines of every language in the error.
func names(r *run) {
	_, err := engine.Get([]byte(`{"engineName":"nobody"}`))
	const want = `engine "nobody" is not found: registered: "bench-c", "mixed-c", "peer"`
	if err == nil || err.Error() != want {
		r.errorf("%v, not %s", err, want)
	}
}

func errorsOfC(r *run) {
	made := r.get(map[string]string{"Fail": "PostStartProcess"})
	err := made.PostStartProcess(background, 0)
	r.wrote("PostStartProcess of no process prepared=no")
	r.equal("text", err.Error(), "PostStartProcess fails in C")
	r.equal("errno", errors.Is(err, syscall.ENOENT), true)
	r.equal("another errno", errors.Is(err, syscall.EPERM), false)
	var own *capi.Error
	if !errors.As(err, &own) || own.Code != systemError || own.Errno != syscall.ENOENT {
		r.errorf("%#v", err)
	}
}
