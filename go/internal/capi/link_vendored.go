// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build pinion_vendored

package capi

// The archive and its header lie in this folder, where include/vendor.sh puts them.

// #cgo CFLAGS: -I${SRCDIR}
// #cgo LDFLAGS: ${SRCDIR}/libpinion.a -lutil -lrt -lpthread -lm -ldl
import "C"
