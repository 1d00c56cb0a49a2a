#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The header alone, in every language that it is for. TAP; PKG_CONFIG_PATH names the library.
set -u
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
count=0 failures=0

# runs NAME COMPILER ARGUMENT...: compiles without a warning, links and runs.
runs() {
	name=$1
	shift
	count=$((count + 1))
	# shellcheck disable=SC2046 # words
	if "$@" -Wall -Wextra -Wconversion -Wshadow -Werror -pedantic-errors -o "$work/program" $(pkg-config --cflags --libs --static pinion) \
		>"$work/said" 2>&1 && "$work/program" >>"$work/said" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		failures=$((failures + 1))
		sed 's/^/#   /; 20q' "$work/said"
	fi
}

for standard in c99 gnu99 c11 c17 gnu17 c2x; do runs "the header in $standard" cc "-std=$standard" header_c.c; done
for standard in c++11 c++17 c++20; do runs "the header in $standard" c++ "-std=$standard" header_cxx.cc; done
runs "the header twice in a unit, in two units" cc -std=c11 header_twice.c header_unit.c
echo "1..$count"
[ "$failures" -eq 0 ]
