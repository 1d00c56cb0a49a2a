#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Puts the library that pkg-config finds where the build tag pinion_vendored of the Go bindings looks for it:
#   vendor.sh FOLDER
# FOLDER is go/internal/capi of this module in a host's own tree, after `go mod vendor` for example. The header's words name the build
# of the archive: the go command looks into headers, and so a program with another archive is built anew.
set -eu
[ -d "${1:-}" ] || { echo "vendor: there is no folder '${1:-}': go mod vendor goes first" >&2; exit 1; }
libdir=$(pkg-config --variable=libdir pinion)
includedir=$(pkg-config --variable=includedir pinion)
build=$(pkg-config --cflags pinion | sed -n 's/.*-DPINION_BUILD=\(0x[0-9a-f]*\).*/\1/p')
[ -n "$build" ] || { echo "vendor: pkg-config does not say which build $libdir/libpinion.a is" >&2; exit 1; }
cp "$libdir/libpinion.a" "$1/libpinion.a"
{ cat "$includedir/pinion.h" && printf '\n#define PINION_BUILD %s\n' "$build"; } >"$1/pinion.h"
