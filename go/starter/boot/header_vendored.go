// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build pinion_vendored

package boot

// #cgo CFLAGS: -I${SRCDIR}/../../internal/capi
import "C"
