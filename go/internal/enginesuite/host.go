// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
	"github.com/pinion-runtime/pinion/go/engine/ops"
)

// hostStarter is a host's own starter configuration.
type hostStarter struct{ uid int }

// ownStarter is an engine for that, with the configuration of this module.
type ownStarter struct{ shell }

func (o *ownStarter) PrepareConfig(starter *hostStarter) error {
	starter.uid = 1000
	o.own.Image = "prepared"
	return nil
}

func testOwnStarter(t *testing.T) {
	name, own := newName(), new(ownStarter)
	engine.RegisterOperationsFor[*hostStarter](name, own)
	e, err := engine.GetFor[*hostStarter](document(name, `{"count":7}`))
	must(t, err)
	equal(t, "operations", e.Operations, engine.OperationsFor[*hostStarter](own))
	equal(t, "the engine's object", e.Common.EngineConfig, any(own.own))
	var starter hostStarter
	must(t, e.PrepareConfig(&starter))
	equal(t, "uid", starter.uid, 1000)
	equal(t, "image", e.EngineConfig.(*settings).Image, "prepared")
}

// A host's own configuration. Its engine configuration is a defined type, which is what makes it a parameter.
type (
	hostEngineConfig interface{}
	hostCommon       struct {
		EngineName   string           `json:"engineName"`
		ContainerID  string           `json:"containerID"`
		EngineConfig hostEngineConfig `json:"engineConfig"`
		Site         string           `json:"site"`
	}
	hostOperations = engine.HostOperations[*hostCommon, hostEngineConfig, *hostStarter]
	// hostEngine is how the host's package declares its Engine.
	hostEngine struct {
		hostOperations
		*hostCommon
	}
)

var hostRegistry = engine.NewRegistry[*hostCommon, hostEngineConfig, *hostStarter](func(own hostEngineConfig) *hostCommon {
	return &hostCommon{EngineConfig: own, Site: "default"}
})

// hostShell is an engine of that host.
type hostShell struct {
	rest
	own    *settings
	common *hostCommon
}

func (h *hostShell) Config() hostEngineConfig {
	h.own = new(settings)
	return h.own
}

func (h *hostShell) InitConfig(common *hostCommon) { h.common = common }

func (h *hostShell) PrepareConfig(starter *hostStarter) error {
	starter.uid = 5
	h.own.Image, h.common.Site = "prepared", "here"
	return nil
}

func testHost(t *testing.T) {
	name, own := newName(), new(hostShell)
	hostRegistry.RegisterOperations(name, own)
	operations, common, err := hostRegistry.Load(document(name, `{"count":7}`))
	must(t, err)
	e := hostEngine{operations, common}
	equal(t, "operations", e.hostOperations, hostOperations(own))
	equal(t, "the common that InitConfig got", own.common, e.hostCommon)
	equal(t, "the engine's object", e.EngineConfig, any(own.own))
	equal(t, "count", own.own.Count, 7)
	equal(t, "what the host's function set", e.Site, "default")
	var starter hostStarter
	must(t, e.PrepareConfig(&starter))
	equal(t, "uid", starter.uid, 5)
	written, err := json.Marshal(common)
	must(t, err)
	want := `"containerID":"c1","engineConfig":{"image":"prepared","count":7,"env":null,"nested":{"words":null}},"site":"here"}`
	equal(t, "written", string(written), fmt.Sprintf(`{"engineName":%q,`, name)+want)

	for document, want := range map[string]string{
		`{}`:                      "engineName: missing or empty",
		`no`:                      "engine configuration: invalid character",
		`{"engineName":"nobody"}`: `engine "nobody" is not found`,
		fmt.Sprintf(`{"engineName":%q,"site":1}`, name): "site",
	} {
		operations, common, err := hostRegistry.Load([]byte(document))
		refused(t, err, want)
		if operations != nil || common != nil {
			t.Errorf("%s: an engine beside the error", document)
		}
	}
}

// A host whose engines have another PrepareConfig fills in an adapter.
type (
	bare interface {
		Prepare(uid *int) error
	}
	bareShell struct{ preStart }
	adapter   struct {
		hostShell
		bare bare
	}
)

func (*bareShell) Prepare(uid *int) error {
	*uid = 6
	return nil
}

func (a *adapter) PrepareConfig(starter *hostStarter) error { return a.bare.Prepare(&starter.uid) }

func (a *adapter) Unwrap() bare { return a.bare }

func testHostAdapter(t *testing.T) {
	name, failure := newName(), errors.New("of the bare engine")
	hostRegistry.RegisterOperations(name, &adapter{bare: &bareShell{preStart{failure}}})
	operations, _, err := hostRegistry.Load(document(name, "{}"))
	must(t, err)
	var starter hostStarter
	must(t, operations.PrepareConfig(&starter))
	equal(t, "uid", starter.uid, 6)
	found, _ := ops.Find[ops.PreStarter](operations)
	if found == nil {
		t.Fatal("the optional callback is lost")
	}
	equal(t, "its error", found.PreStartProcess(t.Context(), 1, nil, nil), failure)
}

// hostValue is an engine of a host whose function returns no pointer.
type hostValue struct{ hostShell }

func (*hostValue) InitConfig(hostCommon) {}

func testHostWrap(t *testing.T) {
	name := newName()
	engine.NewRegistry[*hostCommon, hostEngineConfig, *hostStarter](nil).RegisterOperations(name, new(hostShell))
	_, _, err := hostRegistry.Load(document(name, "{}"))
	refused(t, err, "without a function that makes *", "enginesuite.hostCommon")

	none := func(hostEngineConfig) *hostCommon { return nil }
	engine.NewRegistry[*hostCommon, hostEngineConfig, *hostStarter](none).RegisterOperations(name, new(hostShell))
	_, _, err = hostRegistry.Load(document(name, "{}"))
	refused(t, err, "returned a nil *enginesuite.hostCommon, where a pointer is needed")

	value := func(hostEngineConfig) hostCommon { return hostCommon{} }
	values := engine.NewRegistry[hostCommon, hostEngineConfig, *hostStarter](value)
	values.RegisterOperations(name, new(hostValue))
	_, _, err = values.Load(document(name, "{}"))
	refused(t, err, "returned a enginesuite.hostCommon, where a pointer is needed")
}

func testOneRegistry(t *testing.T) {
	ours, theirs := newName(), newName()
	engine.RegisterOperations(ours, new(shell))
	hostRegistry.RegisterOperations(theirs, new(hostShell))

	_, err := engine.Get(document("nobody", "{}"))
	refused(t, err, ours, theirs)
	_, err = engine.Get(document(theirs, "{}"))
	refused(t, err, "is registered with other types: ", "enginesuite.hostCommon", "engine/config.Common")
	_, _, err = hostRegistry.Load(document(ours, "{}"))
	refused(t, err, "is registered with other types: ", "enginesuite.hostCommon", "engine/config.Common")
	_, err = engine.GetFor[*hostStarter](document(ours, "{}"))
	refused(t, err, "is registered with other types: ", "config/starter.Config", "enginesuite.hostStarter")

	t.Run("a name is taken from the other shape", func(t *testing.T) {
		engine.RegisterOperations(theirs, new(shell))
		_, err := engine.Get(document(theirs, "{}"))
		must(t, err)
	})
	t.Run("equal types are one shape", func(t *testing.T) {
		wrap := func(own config.EngineConfig) *config.Common { return &config.Common{EngineConfig: own} }
		same := engine.NewRegistry[*config.Common, config.EngineConfig, *starter.Config](wrap)
		operations, common, err := same.Load(document(ours, `{"count":2}`))
		must(t, err)
		equal(t, "count", common.EngineConfig.(*settings).Count, 2)
		same.RegisterOperations(ours, operations)
		_, err = engine.Get(document(ours, "{}"))
		must(t, err)
	})
}
