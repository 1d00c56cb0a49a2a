// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package core puts the core underneath the pure Go packages of this module: import it blank. From then on, and for what was
// registered before, the registry is the core's: engines in C, Rust and Go find each other, and RPC is served by the core.
package core

import (
	"fmt"
	"os"

	_ "github.com/pinion-runtime/pinion/go/engine" // waits for the core
	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/internal/hook"
)

func init() {
	err := capi.CheckABI()
	if err == nil {
		err = hook.Attach(capi.Core{})
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "pinion: error: %v\n", err)
		os.Exit(255)
	}
}

// Version returns the version of the core that the program runs with, as three numbers with full stops between them.
func Version() string { return capi.Version() }
