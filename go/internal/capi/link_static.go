// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build !pinion_shared && !pinion_vendored

package capi

// The archive is the default: a starter that has privileges must not search for libraries.

// #cgo pkg-config: --static pinion
import "C"
