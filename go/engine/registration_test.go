// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// These tests drive a registration as the core does, which cannot be done through the exported names.

type ownConfig struct {
	Image string `json:"image"`
}

// asked is what an engine asks of a starter configuration that may be of any type.
type asked interface{ GetIsSUID() bool }

type suid bool

func (s suid) GetIsSUID() bool { return bool(s) }

// sample is an engine whose PrepareConfig takes S.
type sample[S any] struct {
	own     ownConfig
	common  *config.Common
	starter S
}

func (s *sample[S]) Config() config.EngineConfig { return &s.own }

func (s *sample[S]) InitConfig(common *config.Common) { s.common = common }

func (s *sample[S]) PrepareConfig(starter S) error {
	s.starter = starter
	s.own.Image = "prepared"
	return nil
}

func (*sample[S]) CreateContainer(context.Context, int, net.Conn) error { return nil }

func (*sample[S]) StartProcess(net.Conn) error { return errors.New("start") }

func (*sample[S]) PostStartProcess(context.Context, int) error { return nil }

func (*sample[S]) MonitorContainer(int, chan os.Signal) (syscall.WaitStatus, error) { return 7, nil }

func (*sample[S]) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }

func (*sample[S]) PostStartHost(context.Context) error { return nil }

func (*sample[S]) CleanupHost(context.Context) error { return nil }

// registered registers an engine and returns it as the core gets it.
func registered[S any](t *testing.T, operations OperationsFor[S]) hook.Engine {
	t.Helper()
	RegisterOperationsFor(t.Name(), operations)
	engine, err := known.engine(t.Name())
	if err != nil || engine == nil {
		t.Fatalf("engine: %v, error: %v", engine, err)
	}
	return engine
}

func TestCoreFillsAndWritesTheVeryObject(t *testing.T) {
	own := new(sample[*starter.Config])
	engine := registered(t, OperationsFor[*starter.Config](own))
	document, err := engine.Config()
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Decode([]byte(`{"engineName":"x","containerID":"c","engineConfig":{"image":"a"}}`)); err != nil {
		t.Fatal(err)
	}
	if own.common != nil {
		t.Error("InitConfig was called before Init")
	}
	document.Init()
	if own.own.Image != "a" || own.common == nil || own.common.EngineConfig != any(&own.own) {
		t.Errorf("image %q, common %+v", own.own.Image, own.common)
	}
	config := new(starter.Config)
	if err := engine.PrepareConfig(config); err != nil || own.starter != config {
		t.Errorf("prepare: %v, with %p, not %p", err, own.starter, config)
	}
	own.common.ContainerID = "d"
	written, err := document.Encode()
	want := `{"engineName":"x","containerID":"d","engineConfig":{"image":"prepared"},"plugin":null}`
	if err != nil || string(written) != want {
		t.Errorf("written: %s, error: %v", written, err)
	}
}

func TestCoreGetsTheCallbacksAsTheyAre(t *testing.T) {
	engine := registered(t, OperationsFor[*starter.Config](new(sample[*starter.Config])))
	if err := engine.StartProcess(nil); err == nil || err.Error() != "start" {
		t.Errorf("start process: %v", err)
	}
	if status, err := engine.MonitorContainer(1, nil); status != 7 || err != nil {
		t.Errorf("monitor: %v, %v", status, err)
	}
}

func TestPrepareConfigNamesBothTypes(t *testing.T) {
	engine := registered(t, OperationsFor[*starter.Config](new(sample[*starter.Config])))
	for text, config := range map[string]any{
		"not *github.com/pinion-runtime/pinion/go/engine.ownConfig": new(ownConfig),
		"not nil": nil,
	} {
		err := engine.PrepareConfig(config)
		want := "takes the starter configuration *github.com/pinion-runtime/pinion/go/engine/config/starter.Config, " + text
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestStarterConfigurationOfAnInterfaceType(t *testing.T) {
	own := new(sample[asked])
	engine := registered(t, OperationsFor[asked](own))
	if err := engine.PrepareConfig(suid(true)); err != nil || !own.starter.GetIsSUID() {
		t.Errorf("prepare: %v", err)
	}
	if err := engine.PrepareConfig(new(starter.Config)); err != nil {
		t.Errorf("prepare with the core's: %v", err)
	}
}

func TestErrorsOfADocument(t *testing.T) {
	engine := registered(t, OperationsFor[*starter.Config](new(sample[*starter.Config])))
	document, err := engine.Config()
	if err != nil {
		t.Fatal(err)
	}
	err = document.Decode([]byte(`{"engineConfig":{"image":5}}`))
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) || wrong.Field != "engineConfig.image" {
		t.Errorf("decode: %v", err)
	}
	document.Init()
	known := engine.(*registration[*config.Common, config.EngineConfig, *starter.Config])
	known.HostOperations.(*sample[*starter.Config]).common.EngineConfig = make(chan int)
	_, err = document.Encode()
	if err == nil || !strings.Contains(err.Error(), "write its configuration: json: unsupported type") {
		t.Errorf("encode: %v", err)
	}
}

// nothing is an engine without a configuration object.
type nothing struct{ sample[*starter.Config] }

func (nothing) Config() config.EngineConfig { return nil }

func TestNoDocumentBesideAnError(t *testing.T) {
	document, err := registered(t, OperationsFor[*starter.Config](new(nothing))).Config()
	if document != nil || err == nil {
		t.Errorf("document: %v, error: %v", document, err)
	}
}

// lazy is a wrapper that gets what it wraps after it was registered.
type lazy struct{ Operations }

func (l *lazy) Unwrap() Operations { return l.Operations }

type withPreStart struct{ sample[*starter.Config] }

func (*withPreStart) PreStartProcess(context.Context, int, net.Conn, chan error) error {
	return errors.New("pre-start")
}

func TestPreStartOfALateWrapper(t *testing.T) {
	wrapper := new(lazy)
	engine := registered(t, Operations(wrapper))
	if engine.HasPreStartProcess() {
		t.Error("an empty wrapper has the callback")
	}
	if err := engine.PreStartProcess(t.Context(), 1, nil, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("pre-start process of an engine without: %v", err)
	}
	wrapper.Operations = new(withPreStart)
	if !engine.HasPreStartProcess() {
		t.Error("the callback is lost")
	}
	if err := engine.PreStartProcess(t.Context(), 1, nil, nil); err == nil || err.Error() != "pre-start" {
		t.Errorf("pre-start process: %v", err)
	}
}

func TestForgetRemovesThatRegistrationOnly(t *testing.T) {
	RegisterOperations(t.Name(), new(sample[*starter.Config]))
	first := known.engines[t.Name()]
	RegisterOperations(t.Name(), new(sample[*starter.Config]))
	second := known.engines[t.Name()]
	known.forget(t.Name(), first)
	if engine, err := known.engine(t.Name()); engine != second.value || err != nil {
		t.Errorf("engine: %v, error: %v", engine, err)
	}
	known.forget(t.Name(), second)
	if engine, err := known.engine(t.Name()); engine != nil || err != nil {
		t.Errorf("engine: %v, error: %v", engine, err)
	}
}

func TestEmptyRegistry(t *testing.T) {
	before := known.engines
	known.engines = map[string]*entry[hook.Engine]{}
	t.Cleanup(func() { known.engines = before })
	_, err := Get([]byte(`{"engineName":"x"}`))
	if err == nil || err.Error() != `engine "x" is not found: no engine is registered` {
		t.Errorf("error: %v", err)
	}
	RegisterOperations("b", new(sample[*starter.Config]))
	RegisterOperations("broken", nil)
	RegisterOperations("a", new(sample[*starter.Config]))
	_, err = Get([]byte(`{"engineName":"x"}`))
	if err == nil || err.Error() != `engine "x" is not found: registered: "a", "b"` {
		t.Errorf("error: %v", err)
	}
}
