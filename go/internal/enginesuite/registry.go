// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
)

func testNotFound(t *testing.T) {
	first, second := newName(), newName()
	engine.RegisterOperations(second, new(shell))
	engine.RegisterOperations(first, new(shell))
	e, err := engine.Get(document("nobody", "{}"))
	refused(t, err, `engine "nobody" is not found`, fmt.Sprintf("%q", first), fmt.Sprintf("%q", second))
	if e != nil {
		t.Error("an engine beside the error")
	}
}

func testCase(t *testing.T) {
	name := newName()
	engine.RegisterOperations(name, new(shell))
	_, err := engine.Get(document("S"+name[1:], "{}"))
	refused(t, err, "is not found")
}

func testSecondWins(t *testing.T) {
	name, first, second := newName(), new(shell), new(shell)
	engine.RegisterOperations(name, first)
	before, err := engine.Get(document(name, `{"image":"a"}`))
	must(t, err)
	engine.RegisterOperations(name, second)
	after, err := engine.Get(document(name, `{"image":"b"}`))
	must(t, err)
	equal(t, "operations before", before.Operations, engine.Operations(first))
	equal(t, "operations after", after.Operations, engine.Operations(second))
	equal(t, "the image that the first one has", first.own.Image, "a")
	must(t, before.PrepareConfig(nil))
	equal(t, "the first one goes on with its own", before.EngineConfig, any(first.own))
}

func testFailures(t *testing.T) {
	t.Run("nil operations", func(t *testing.T) {
		name := newName()
		engine.RegisterOperations(name, nil)
		want := fmt.Sprintf("engine %q was registered without operations", name)
		_, err := engine.Get(document(name, "{}"))
		refused(t, err, want)
		refused(t, engine.RegistrationError(), want)

		engine.RegisterOperations(name, new(shell))
		_, err = engine.Get(document(name, "{}"))
		must(t, err)
	})
	t.Run("names", func(t *testing.T) {
		engine.RegisterOperations("", new(shell))
		refused(t, engine.RegistrationError(), `register engine "": the name is empty`)
		engine.RegisterOperations("a\x00b", new(shell))
		want := `register engine "a\x00b": the name has a NUL`
		refused(t, engine.RegistrationError(), want)
		_, err := engine.Get([]byte(`{"engineName":"a\u0000b"}`))
		refused(t, err, want)
		engine.RegisterRPCMethods("", new(Arithmetic))
		refused(t, engine.RegistrationError(), `register RPC methods of "": the name is empty`)
		engine.RegisterRPCMethods("a\x00b", new(Arithmetic))
		refused(t, engine.RegistrationError(), `register RPC methods of "a\x00b": the name has a NUL`)
	})
}

func testNilConfig(t *testing.T) {
	for _, answer := range []config.EngineConfig{nil, (*settings)(nil)} {
		name := newName()
		engine.RegisterOperations(name, &answering{answer: answer})
		_, err := engine.Get(document(name, "{}"))
		refused(t, err, fmt.Sprintf("engine %q: Config returned nil", name))
	}
}

// testConcurrentRegistry is for the race detector too.
func testConcurrentRegistry(t *testing.T) {
	shared := newName()
	engine.RegisterOperations(shared, new(holder))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				name := newName()
				engine.RegisterOperations(name, new(holder))
				engine.RegisterOperations(shared, new(holder))
				engine.RegisterRPCMethods(shared, new(Arithmetic))
				for _, each := range []string{name, shared} {
					e, err := engine.Get(document(each, `{"count":1}`))
					if err != nil {
						t.Error(err)
						return
					}
					equal(t, "count", e.EngineConfig.(*settings).Count, 1)
				}
				_, err := engine.Get(document("nobody", "{}"))
				refused(t, err, shared)
			}
		})
	}
	all.Wait()
}

// holder is an engine that keeps nothing, so that one may be got by several goroutines at once.
type holder struct{ shell }

func (*holder) Config() config.EngineConfig { return new(settings) }

func (*holder) InitConfig(*config.Common) {}
