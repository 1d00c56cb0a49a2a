// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build !pinion_vendored

package boot

// #cgo pkg-config: pinion
import "C"
