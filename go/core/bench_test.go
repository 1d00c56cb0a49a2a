// SPDX-License-Identifier: Apache-2.0 OR MIT

package core_test

import (
	"testing"

	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/internal/enginesuite"
)

func BenchmarkRegister(b *testing.B) { enginesuite.BenchmarkRegister(b) }
func BenchmarkGet(b *testing.B)      { enginesuite.BenchmarkGet(b) }

// BenchmarkCall is a call into the core that does nothing there.
func BenchmarkCall(b *testing.B) {
	for b.Loop() {
		capi.CurrentRole()
	}
}

// BenchmarkCallback is a call into the core that calls a Go engine, and back: what it takes longer than BenchmarkCall is the
// callback, with the core's checks around it.
func BenchmarkCallback(b *testing.B) {
	found, err := capi.Core{}.Get(enginesuite.Registered(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		found.HasPreStartProcess()
	}
}
