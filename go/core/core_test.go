// SPDX-License-Identifier: Apache-2.0 OR MIT

package core_test

import (
	"strings"
	"testing"

	"github.com/pinion-runtime/pinion/go/core"
	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/internal/enginesuite"
)

// TestWithCore runs what holds with a core and without one.
func TestWithCore(t *testing.T) {
	enginesuite.Run(t)
}

func TestVersionIsThreeNumbers(t *testing.T) {
	if parts := strings.Split(core.Version(), "."); len(parts) != 3 {
		t.Errorf("version %q", core.Version())
	}
}

// TestNothingIsLeft runs the suite and looks for objects of the core that nobody freed.
func TestNothingIsLeft(t *testing.T) {
	before := capi.ObjectCount()
	enginesuite.Run(t)
	if after := capi.ObjectCount(); after != before {
		t.Errorf("%d objects of the core were left", after-before)
	}
}
