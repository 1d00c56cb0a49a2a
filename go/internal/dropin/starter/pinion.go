// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build !dropin_plain && !dropin_level1

// Command starter is the drop-in's starter: the host's own, or pinion's.
package main

import (
	_ "github.com/pinion-runtime/pinion/go/internal/dropin/sandbox" // registers the engine
	"github.com/pinion-runtime/pinion/go/starter"
)

func main() {
	starter.Main(starter.Host{})
}
