// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine_test

import (
	"bytes"
	"log"
	"os"
	"testing"

	"github.com/pinion-runtime/pinion/go/internal/enginesuite"
)

// TestWithoutCore runs what holds with a core and without one. Nothing may be printed by it, by net/rpc for example.
func TestWithoutCore(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	enginesuite.Run(t)
	if printed.Len() > 0 {
		t.Errorf("printed: %s", &printed)
	}
}
