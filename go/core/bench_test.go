// SPDX-License-Identifier: Apache-2.0 OR MIT

package core_test

import (
	"testing"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/internal/enginesuite"
)

func BenchmarkRegister(b *testing.B) { enginesuite.BenchmarkRegister(b) }
func BenchmarkGet(b *testing.B)      { enginesuite.BenchmarkGet(b) }

// declaring is an engine that says nothing of itself.
type declaring struct{ engine.Operations }

func (declaring) Declare(*capi.Declaration) {}

// BenchmarkDeclareGo has the core ask an engine in Go what it says of itself.
func BenchmarkDeclareGo(b *testing.B) {
	declare(b, enginesuite.Registered(b, func(e engine.Operations) engine.Operations { return declaring{e} }))
}

// BenchmarkDeclareC has it ask one in C, where one is linked: what the other takes longer is the way into Go and back.
func BenchmarkDeclareC(b *testing.B) {
	declare(b, []byte(`{"engineName":"bench-c"}`))
}

func declare(b *testing.B, document []byte) {
	found, err := capi.Core{}.Get(document)
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		found.HasPreStartProcess()
	}
}
