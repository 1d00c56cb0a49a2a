// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"errors"
	"runtime"

	"github.com/pinion-runtime/pinion/go/engine"
)

func init() {
	cases["a Go engine found by C"] = foundByC
	cases["C in place of Go"] = takenFromGo
	cases["Go in place of C"] = takenFromC
	cases["in use while it is replaced"] = replacedInUse
}

// foundByC lets C call an engine in Go, whose error comes back through C.
func foundByC(r *run) {
	const said = "peer was asked about 42: an error of the Go engine's own"
	for during, text := range map[string]string{"": said, "C calls peer": "C calls peer: " + said} {
		err := r.get(map[string]string{"Peer": during}).PostStartHost(background)
		r.wrote("PostStartHost prepared=no",
			`peer: {"engineName":"peer","containerID":"from C","engineConfig":{"Text":"asked"},"plugin":null}`)
		r.is("peer called by C", err, errPeer, text)
		r.equal("text", err.Error(), text)
	}
}

// take lets C register an engine under a name, in place of what has it.
func (r *run) take(name string) {
	if err := r.get(map[string]string{"Take": name}).PostStartHost(background); err != nil {
		r.errorf("let C take %q: %v", name, err)
	}
	r.wrote("PostStartHost prepared=no")
}

// isGo looks whose engine has the name.
func (r *run) isGo(name string) {
	made, err := engine.Get([]byte(`{"engineName":"` + name + `"}`))
	if err != nil {
		r.errorf("get %q: %v", name, err)
		return
	}
	if err := made.PostStartProcess(background, 7); !errors.Is(err, errPeer) || err.Error()[:len(name)] != name {
		r.errorf("%q is not the engine in Go: %v", name, err)
	}
}

func (r *run) isC(name string) *engine.Engine {
	made := r.getNamed(name, nil)
	if err := made.CleanupHost(background); err != nil {
		r.errorf("call %q: %v", name, err)
	}
	r.wrote("CleanupHost prepared=no")
	return made
}

// finish gives the name to an engine in Go that stays, at which the engine in C that had it is destroyed.
func (r *run) finish(name string) {
	engine.RegisterOperations(name, &peer{name: name})
	r.isGo(name)
	// That look was not at the core's registry.
	if err := engine.RegistrationError(); err != nil {
		r.errorf("registration: %v", err)
	}
}

func takenFromGo(r *run) {
	engine.RegisterOperations("shared", &peer{name: "shared"})
	r.isGo("shared")
	r.take("shared")
	runtime.KeepAlive(r.isC("shared"))
	r.finish("shared")
	// Where it is in use until the garbage is collected.
	r.destroyed("shared")
}

func takenFromC(r *run) {
	r.take("shared")
	r.finish("shared")
	r.wrote("destroyed shared")
	r.take("shared")
	// Its own successor of the same language.
	r.take("shared")
	r.wrote("destroyed shared")
	r.finish("shared")
	r.wrote("destroyed shared")
	r.wroteNothing()
}

// replacedInUse calls an engine whose name another one has taken.
func replacedInUse(r *run) {
	r.take("shared")
	made := r.isC("shared")
	r.finish("shared")
	r.wroteNothing()
	if err := made.PostStartProcess(background, 1); err != nil {
		r.errorf("call what was replaced: %v", err)
	}
	r.wrote("PostStartProcess of a process prepared=no")
	runtime.KeepAlive(made)
	r.destroyed("shared")
}

// destroyed waits for the garbage collector to let an engine go, which is told once.
func (r *run) destroyed(name string) {
	collected := make(chan struct{})
	go func() {
		r.wrote("destroyed " + name)
		close(collected)
	}()
	for {
		select {
		case <-collected:
			r.wroteNothing()
			return
		default:
			runtime.GC()
		}
	}
}
