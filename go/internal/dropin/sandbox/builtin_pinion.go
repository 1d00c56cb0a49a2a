// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build !dropin_plain && !dropin_level1

package sandbox

// registerBuiltin: pinion's core serves these methods.
func registerBuiltin() {}
