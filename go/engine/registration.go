// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"

	"github.com/pinion-runtime/pinion/go/engine/ops"
	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// registration is an engine as it was registered. The core drives it as a [hook.Engine], without its types.
type registration[C, E, S any] struct {
	HostOperations[C, E, S]
	name string
	wrap func(E) C
}

// register makes operations known, or that they are none.
func register[C, E, S any](name string, operations HostOperations[C, E, S], wrap func(E) C) {
	switch {
	case operations == nil:
		known.registerEngine(name, nil, fmt.Errorf("engine %q was registered without operations", name))
	case wrap == nil:
		known.registerEngine(name, nil, fmt.Errorf("engine %q was registered in a registry without a function that makes %s",
			name, typeName(reflect.TypeFor[C]())))
	default:
		known.registerEngine(name, &registration[C, E, S]{operations, name, wrap}, nil)
	}
}

// find returns the registration of a name, or nil where Go has none.
func find[C, E, S any](name string) (*registration[C, E, S], error) {
	engine, err := known.engine(name)
	if err != nil || engine == nil {
		return nil, err
	}
	own, ok := engine.(*registration[C, E, S])
	if !ok {
		return nil, fmt.Errorf("engine %q is registered with other types: %s, not %s", name,
			engine.(interface{ types() string }).types(), (*registration[C, E, S])(nil).types())
	}
	return own, nil
}

func (r *registration[C, E, S]) types() string {
	return fmt.Sprintf("(%s, %s, %s)",
		typeName(reflect.TypeFor[C]()), typeName(reflect.TypeFor[E]()), typeName(reflect.TypeFor[S]()))
}

// typeName names a type with its whole package path: a host's types have the names of ours, in packages of the same names.
func typeName(t reflect.Type) string {
	switch {
	case t == nil:
		return "nil"
	case t.Kind() == reflect.Pointer && t.Name() == "":
		return "*" + typeName(t.Elem())
	case t.PkgPath() != "":
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}

// load makes the configuration of a whole document, up to InitConfig.
func (r *registration[C, E, S]) load(bytes []byte) (C, error) {
	document, err := r.document()
	if err == nil {
		err = document.Decode(bytes)
	}
	if err != nil {
		var none C
		return none, err
	}
	document.Init()
	return document.common, nil
}

// document makes an empty configuration. What the engine cannot see being filled is refused: it would run with zero values.
func (r *registration[C, E, S]) document() (*document[C, E, S], error) {
	own := r.HostOperations.Config()
	if isNil(own) {
		return nil, fmt.Errorf("engine %q: Config returned nil: there is no object to read the configuration into", r.name)
	}
	common := r.wrap(own)
	if reflect.ValueOf(common).Kind() != reflect.Pointer || isNil(common) {
		return nil, fmt.Errorf("engine %q: make the configuration around the engine's own: the registry's function returned %s, "+
			"where a pointer is needed", r.name, describe(common))
	}
	return &document[C, E, S]{r, common}, nil
}

func describe(value any) string {
	if isNil(value) {
		return fmt.Sprintf("a nil %T", value)
	}
	return fmt.Sprintf("a %T", value)
}

func isNil(value any) bool {
	if value == nil {
		return true
	}
	pointer := reflect.ValueOf(value)
	return pointer.Kind() == reflect.Pointer && pointer.IsNil()
}

// Config is as [hook.Engine] has it, in place of the engine's own.
func (r *registration[C, E, S]) Config() (hook.Document, error) {
	// A nil document would not be a nil interface.
	document, err := r.document()
	if err != nil {
		return nil, err
	}
	return document, nil
}

// PrepareConfig is as [hook.Engine] has it, in place of the engine's own.
func (r *registration[C, E, S]) PrepareConfig(starter any) error {
	own, ok := starter.(S)
	if !ok {
		return fmt.Errorf("engine %q: PrepareConfig takes the starter configuration %s, not %s", r.name,
			typeName(reflect.TypeFor[S]()), typeName(reflect.TypeOf(starter)))
	}
	return r.HostOperations.PrepareConfig(own)
}

// Registered is as [hook.Engine] has it.
func (r *registration[C, E, S]) Registered() any {
	return r.HostOperations
}

// HasPreStartProcess is as [hook.Engine] has it. The callback is looked for when the core asks, as late as can be: a
// wrapper may get what it wraps after it was registered.
func (r *registration[C, E, S]) HasPreStartProcess() bool {
	_, has := ops.Find[ops.PreStarter](r.HostOperations)
	return has
}

// PreStartProcess is as [hook.Engine] has it.
func (r *registration[C, E, S]) PreStartProcess(ctx context.Context, pid int, master net.Conn, fatal chan error) error {
	preStarter, has := ops.Find[ops.PreStarter](r.HostOperations)
	if !has {
		return fmt.Errorf("engine %q: PreStartProcess: %w", r.name, errors.ErrUnsupported)
	}
	return preStarter.PreStartProcess(ctx, pid, master, fatal)
}

// document is one configuration of an engine: the very object that Config and wrap made is filled, initialised and written.
type document[C, E, S any] struct {
	engine *registration[C, E, S]
	common C
}

// Decode is as [hook.Document] has it.
func (d *document[C, E, S]) Decode(bytes []byte) error {
	if err := json.Unmarshal(bytes, d.common); err != nil {
		return fmt.Errorf("engine %q: read its configuration: %w", d.engine.name, err)
	}
	return nil
}

// Init is as [hook.Document] has it.
func (d *document[C, E, S]) Init() {
	d.engine.InitConfig(d.common)
}

// Encode is as [hook.Document] has it.
func (d *document[C, E, S]) Encode() ([]byte, error) {
	bytes, err := json.Marshal(d.common)
	if err != nil {
		return nil, fmt.Errorf("engine %q: write its configuration: %w", d.engine.name, err)
	}
	return bytes, nil
}
