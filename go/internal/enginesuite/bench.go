// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
)

const small = `{"image":"/images/one.sif","count":3,"env":{"HOME":"/home/user","PATH":"/usr/bin:/bin"}}`

// Registered registers an engine, as wrap makes it, and returns a document for it.
func Registered(b *testing.B, wrap func(engine.Operations) engine.Operations) []byte {
	b.Helper()
	name := newName()
	engine.RegisterOperations(name, wrap(new(shell)))
	if err := engine.RegistrationError(); err != nil {
		b.Fatal(err)
	}
	return document(name, small)
}

// BenchmarkRegister registers one engine again and again.
func BenchmarkRegister(b *testing.B) {
	name := newName()
	operations := new(shell)
	for b.Loop() {
		engine.RegisterOperations(name, operations)
	}
}

// BenchmarkGet makes an engine ready.
func BenchmarkGet(b *testing.B) {
	text := Registered(b, func(same engine.Operations) engine.Operations { return same })
	for b.Loop() {
		if _, err := engine.Get(text); err != nil {
			b.Fatal(err)
		}
	}
}
