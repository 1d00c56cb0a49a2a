// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"fmt"
	"net"
	"runtime/cgo"
	"strings"
	"sync/atomic"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// Core is the registry and the RPC server of the core, for package core alone.
type Core struct{}

// Register makes an engine known to the core, in place of one of the same name.
func (Core) Register(name string, engine hook.Engine, gone func()) error {
	has, err := hasPreStartProcess(engine)
	if err != nil {
		return fmt.Errorf("register engine %q: %w", name, err)
	}
	own := cgo.NewHandle(&registration{name: name, engine: engine, gone: gone})
	return lift(C.pinion_go_replace(view(name), C.uintptr_t(own), C.bool(has)))
}

// hasPreStartProcess asks the engine's own method Unwrap.
func hasPreStartProcess(engine hook.Engine) (has bool, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("look for PreStartProcess behind it: %v", panicked)
		}
	}()
	return engine.HasPreStartProcess(), nil
}

// RegisterMethods makes RPC methods known, in place of others.
func (Core) RegisterMethods(name string, methods []hook.Method, unfit []string) error {
	for _, text := range unfit {
		Log(levelDebug, fmt.Sprintf("RPC methods of %q: %s", name, text))
	}
	var set *C.pinion_methods
	if err := lift(C.pinion_methods_new(&set)); err != nil {
		return err
	}
	for _, method := range methods {
		handle := cgo.NewHandle(method)
		if err := lift(C.pinion_go_add_method(set, view(method.Name()), C.uintptr_t(handle))); err != nil {
			C.pinion_methods_free(set)
			return err
		}
	}
	return lift(C.pinion_replace_rpc_methods(view(name), set))
}

// registered is the core's to read at any time, without a call.
var registered = (*uint64)(&C.pinion_go_registered)

// feed is called before the core looks at its registry.
var feed func(hook.Core)

// SetFeeder lets the core ask for what was registered in Go.
func (Core) SetFeeder(to func(hook.Core)) error {
	feed = to
	return lift(C.pinion_go_set_feeder())
}

// Registered says that there is something new to ask for.
func (Core) Registered() { atomic.AddUint64(registered, 1) }

//export pinionGoFeed
func pinionGoFeed() { feed(Core{}) }

// Names lists the engines of every language, sorted.
func (Core) Names() []string {
	var bytes *C.pinion_bytes
	if err := lift(C.pinion_names(&bytes)); err != nil {
		return nil
	}
	names := strings.Split(string(taken(bytes)), "\x00")
	return names[:len(names)-1]
}

// Get makes an engine of another language ready.
func (Core) Get(document []byte) (hook.Found, error) {
	raw, err := get(document)
	if err != nil {
		return nil, err
	}
	return newFound(raw), nil
}

func get(document []byte) (*C.pinion_engine, error) {
	var raw *C.pinion_engine
	err := lift(C.pinion_get(viewOf(document), &raw))
	return raw, err
}

// Serve serves an engine's methods, its own before the built-in ones, until the peer closes the connection.
func (Core) Serve(name string, connection net.Conn) error {
	return serve(name, connection)
}
