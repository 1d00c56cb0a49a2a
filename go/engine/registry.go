// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// known is the process's registry. It is a package variable so that it is there before any package that registers is
// initialised.
var known = registry{engines: map[string]*entry[hook.Engine]{}, methods: map[string]*entry[any]{}}

func init() {
	hook.OnCore(known.attach)
}

// registry has what is registered in Go, by name.
type registry struct {
	// handing keeps the order of registrations the same here and in the core. It is held while the core is called, which
	// may call forget meanwhile: that one does not take it.
	handing sync.Mutex
	// mutex guards the maps and the entries' errors, and is held for look-ups only.
	mutex   sync.Mutex
	engines map[string]*entry[hook.Engine]
	methods map[string]*entry[any]
}

// entry is one registration.
type entry[T any] struct {
	value T
	// err says that the registration failed, and why.
	err error
	// handed says that the core was given it. Guarded by handing.
	handed bool
}

// registerEngine makes an engine known, or why it is none: that takes the name too, since what was asked for is not there.
func (r *registry) registerEngine(name string, engine hook.Engine, err error) {
	r.handing.Lock()
	defer r.handing.Unlock()
	added := &entry[hook.Engine]{value: engine, err: cmp.Or(checkName("engine", name), err)}
	r.mutex.Lock()
	r.engines[name] = added
	r.mutex.Unlock()
	if core := hook.Current(); core != nil {
		r.handEngine(core, name, added)
	}
}

func (r *registry) registerMethods(name string, receiver any) {
	// A nil pointer is a receiver as good as any.
	if receiver == nil {
		return
	}
	r.handing.Lock()
	defer r.handing.Unlock()
	added := &entry[any]{value: receiver, err: checkName("RPC methods of", name)}
	r.mutex.Lock()
	r.methods[name] = added
	r.mutex.Unlock()
	if core := hook.Current(); core != nil {
		r.handMethods(core, name, added)
	}
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("register %s %q: the name is empty", what, name)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("register %s %q: the name has a NUL", what, name)
	}
	return nil
}

// attach hands over what was registered before there was a core.
func (r *registry) attach(core hook.Core) {
	r.handing.Lock()
	defer r.handing.Unlock()
	r.mutex.Lock()
	engines, methods := maps.Clone(r.engines), maps.Clone(r.methods)
	r.mutex.Unlock()
	for _, name := range slices.Sorted(maps.Keys(engines)) {
		r.handEngine(core, name, engines[name])
	}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		r.handMethods(core, name, methods[name])
	}
}

func (r *registry) handEngine(core hook.Core, name string, e *entry[hook.Engine]) {
	// A registration that runs while the core is attached is handed over by itself, and met by attach again.
	if e.err != nil || e.handed {
		return
	}
	e.handed = true
	r.fail(&e.err, core.Register(name, e.value, func() { r.forget(name, e) }))
}

func (r *registry) handMethods(core hook.Core, name string, e *entry[any]) {
	if e.err != nil || e.handed {
		return
	}
	e.handed = true
	r.fail(&e.err, core.RegisterMethods(name, e.value))
}

func (r *registry) fail(where *error, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	*where = err
}

// forget removes an engine whose name something else has taken in the core, unless that was another engine from here.
func (r *registry) forget(name string, e *entry[hook.Engine]) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.engines[name] == e {
		delete(r.engines, name)
	}
}

// engine returns the engine of a name, or nil where Go has none.
func (r *registry) engine(name string) (hook.Engine, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	e := r.engines[name]
	if e == nil {
		return nil, nil
	}
	return e.value, e.err
}

// has says whether Go has an engine of this name.
func (r *registry) has(name string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.engines[name] != nil
}

// receiver returns the value whose methods an engine serves, or nil.
func (r *registry) receiver(name string) any {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if e := r.methods[name]; e != nil && e.err == nil {
		return e.value
	}
	return nil
}

// names lists the engines that Go has, sorted.
func (r *registry) names() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var names []string
	for name, e := range r.engines {
		if e.err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// failures joins the errors of the registrations, sorted by name.
func (r *registry) failures() error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(r.engines)) {
		failed = append(failed, r.engines[name].err)
	}
	for _, name := range slices.Sorted(maps.Keys(r.methods)) {
		failed = append(failed, r.methods[name].err)
	}
	return errors.Join(failed...)
}
