// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine_test

import (
	"testing"

	"github.com/pinion-runtime/pinion/go/internal/enginesuite"
)

func BenchmarkRegister(b *testing.B) { enginesuite.BenchmarkRegister(b) }
func BenchmarkGet(b *testing.B)      { enginesuite.BenchmarkGet(b) }
