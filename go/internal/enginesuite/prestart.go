// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"errors"
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/ops"
)

// wrapper hides all but the ten callbacks of what it wraps.
type wrapper struct{ engine.Operations }

func (w *wrapper) Unwrap() any { return w.Operations }

// ownWrapper unwraps to a type of its own.
type ownWrapper struct{ engine.Operations }

func (w *ownWrapper) Unwrap() engine.Operations { return w.Operations }

func testPreStart(t *testing.T) {
	failure := errors.New("not yet")
	bare := &eager{preStart: preStart{failure}}
	for what, test := range map[string]struct {
		operations engine.Operations
		found      bool
	}{
		"an engine without it":       {new(shell), false},
		"an engine with it":          {bare, true},
		"a wrapper":                  {&wrapper{bare}, true},
		"a wrapper of its own type":  {&ownWrapper{bare}, true},
		"two wrappers":               {&ownWrapper{&wrapper{bare}}, true},
		"a wrapper around one of it": {&wrapper{new(shell)}, false},
	} {
		name := newName()
		engine.RegisterOperations(name, test.operations)
		e, err := engine.Get(document(name, "{}"))
		must(t, err)
		found, _ := ops.Find[ops.PreStarter](e.Operations)
		if (found != nil) != test.found {
			t.Errorf("%s: found: %v, not %v", what, found != nil, test.found)
		}
		if found != nil {
			equal(t, what, found.PreStartProcess(t.Context(), 1, nil, nil), failure)
		}
	}
}
