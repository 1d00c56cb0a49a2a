// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build pinion_shared

package capi

// #cgo pkg-config: pinion
import "C"
