// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package boot lets a starter's life begin before Go does: its constructor goes through the steps of a start, which make half a
// dozen processes, and Go starts only in those that call an engine. To be imported blank, by a program's main package; package
// go/starter does. Every program with this package begins as a starter, the test program of a package that imports it as well:
// where nothing launched it as one, it says so and ends with 255.
//
// The level of messages is read from the environment variable whose name ends in _MESSAGELEVEL.
package boot

/*
#cgo CFLAGS: -std=gnu99
#include <stdbool.h>

extern bool pinion_boot_ran;
*/
import "C"

import (
	_ "github.com/pinion-runtime/pinion/go/internal/capi" // links the core
)

// Ran says whether the constructor did: a linker may leave out what nothing refers to.
func Ran() bool {
	return bool(C.pinion_boot_ran)
}
