// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command starter is the starter of a host that has one engine.
package main

import (
	"github.com/pinion-runtime/pinion/go/starter"

	_ "example.test/host/engine"
)

func main() { starter.Main(starter.Host{}) }
