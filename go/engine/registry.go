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
	"github.com/pinion-runtime/pinion/go/internal/reflectrpc"
)

// known is the process's registry. It is a package variable so that it is there before any package that registers is
// initialised.
var known = registry{engines: shelf[hook.Engine]{}, methods: shelf[service]{}}

func init() {
	hook.OnCore(known.attach)
}

// registry has what is registered in Go, by name. The core is given it when somebody looks there: a call into C takes longer than
// everything else in here.
type registry struct {
	// handing lets one at a time hand over. It is held while the core is called, which may call forget meanwhile: that one
	// does not take it.
	handing sync.Mutex
	// mutex guards the rest, and is held for look-ups only.
	mutex   sync.Mutex
	engines shelf[hook.Engine]
	methods shelf[service]
	// waiting is what the core has not been given yet, in the order of registration.
	waiting []func(hook.Core)
	// late are the registrations after the lifecycle has begun, which change nothing.
	late []error
}

type shelf[T any] map[string]*entry[T]

// entry is one registration.
type entry[T any] struct {
	value T
	// err says that the registration failed, and why.
	err error
	// waits says that the core has not been given it.
	waits bool
}

// service is a value with RPC methods, and those of its methods that net/rpc would serve.
type service struct {
	receiver any
	methods  []hook.Method
	unfit    []string
}

// put adds an entry in place of one of the same name; what says of which kind. hand is to be called with the core later, once for
// a name that waits.
func put[T any](r *registry, on shelf[T], what, name string, added *entry[T], hand func(core hook.Core, e *entry[T]) error) {
	added.err = cmp.Or(checkName(what, name), added.err)
	r.mutex.Lock()
	before := on[name]
	if hook.Begun() {
		added.err = fmt.Errorf("register %s %q: registration after the lifecycle has begun", what, name)
		if before == nil {
			on[name] = added
		} else {
			r.late = append(r.late, added.err)
		}
		r.mutex.Unlock()
		return
	}
	on[name] = added
	added.waits = added.err == nil
	if added.waits && (before == nil || !before.waits) {
		r.waiting = append(r.waiting, func(core hook.Core) {
			r.mutex.Lock()
			last := on[name]
			due := last != nil && last.waits
			if due {
				last.waits = false
			}
			r.mutex.Unlock()
			if !due {
				return
			}
			if err := hand(core, last); err != nil {
				r.mutex.Lock()
				last.err = err
				r.mutex.Unlock()
			}
		})
	}
	r.mutex.Unlock()
	if core := hook.Current(); core != nil {
		core.Registered()
	}
}

// registerEngine makes an engine known, or why it is none: that takes the name too, since what was asked for is not there.
func (r *registry) registerEngine(name string, engine hook.Engine, err error) {
	added := &entry[hook.Engine]{value: engine, err: err}
	put(r, r.engines, "engine", name, added, func(core hook.Core, e *entry[hook.Engine]) error {
		return core.Register(name, e.value, func() { r.forget(name, e) })
	})
}

func (r *registry) registerMethods(name string, receiver any) {
	// A nil pointer is a receiver as good as any.
	if receiver == nil {
		return
	}
	found, unfit := reflectrpc.New(receiver)
	methods := make([]hook.Method, len(found))
	for i, method := range found {
		methods[i] = method
	}
	added := &entry[service]{value: service{receiver, methods, unfit}}
	put(r, r.methods, "RPC methods of", name, added, func(core hook.Core, e *entry[service]) error {
		return core.RegisterMethods(name, e.value.methods, e.value.unfit)
	})
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

// attach lets the core ask for what was registered, before there was one and from now on.
func (r *registry) attach(core hook.Core) error {
	if err := core.SetFeeder(r.feed); err != nil {
		return err
	}
	core.Registered()
	return nil
}

// feed hands over what the core has not been given yet.
func (r *registry) feed(core hook.Core) {
	r.handing.Lock()
	defer r.handing.Unlock()
	r.mutex.Lock()
	waiting := r.waiting
	r.waiting = nil
	r.mutex.Unlock()
	for _, hand := range waiting {
		hand(core)
	}
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
		return e.value.receiver
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
	if core := hook.Current(); core != nil {
		// It looks at its registry, and is given what it has not got.
		core.Names()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	failed := slices.Clone(r.late)
	for _, name := range slices.Sorted(maps.Keys(r.engines)) {
		failed = append(failed, r.engines[name].err)
	}
	for _, name := range slices.Sorted(maps.Keys(r.methods)) {
		failed = append(failed, r.methods[name].err)
	}
	return errors.Join(failed...)
}
