// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command probe-starter is a starter with the engine of the scenarios.
package main

import (
	_ "github.com/pinion-runtime/pinion/go/internal/probe" // registers the engine
	"github.com/pinion-runtime/pinion/go/starter"
)

func main() {
	starter.Main(starter.Host{})
}
