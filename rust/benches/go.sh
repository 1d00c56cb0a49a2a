#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# What the Go bindings cost: registering and Get beside pure Go, a callback, a container with an RPC server in the core beside one in
# Go, that server's memory, and what the core adds to a program.
# Usage: go.sh FOLDER-OF-THE-LIBRARY; RUNS counts the starts of each (default 300).
set -eu
tree=$(cd "$(dirname "$0")/../.." && pwd)
programs=$(cd "$1" && pwd)
runs=${RUNS:-300}
rounds=30
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PKG_CONFIG_PATH="$programs/pkgconfig"
cd "$tree/go"
# Go would take an archive that has changed for the one before.
GOFLAGS="$(go env GOFLAGS) '-ldflags=-s -w -X=main.archiveOf=$(cat "$programs/libpinion.build")'"
CGO_CFLAGS="-g -O2 -DPINION_STAMP=$(cat "$programs/libpinion.build")"
export GOFLAGS CGO_CFLAGS

# shellcheck source=SCRIPTDIR/pairs.sh
. "$tree/rust/benches/pairs.sh"

# An engine in C is linked with the benchmarks, to be asked the same by the core as one in Go.
# shellcheck disable=SC2046 # words of a compiler
cc -O2 $(pkg-config --cflags pinion) -c internal/mixed/testdata/bench_engine.c -o "$folder/engine.o"
go test -c -o "$folder/engine.test" ./engine
CGO_LDFLAGS="-g -O2 $folder/engine.o" go test -c -o "$folder/core.test" ./core

# once PACKAGE BENCHMARK: nanoseconds.
once() {
	"$folder/$1.test" -test.run '^$' -test.bench "^Benchmark$2\$" -test.benchtime 100ms |
		sed -n 's|.*[[:space:]]\([0-9.]*\) ns/op.*|\1|p'
}

# both PACKAGE BENCHMARK PACKAGE BENCHMARK: the medians of fifteen turns.
both() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		once "$1" "$2" >>"$folder/first"
		once "$3" "$4" >>"$folder/second"
	done
	echo "$(median <"$folder/first") $(median <"$folder/second")"
	rm "$folder/first" "$folder/second"
}

for what in Register Get; do
	echo "$what $(both engine $what core $what)"
done | awk '{ printf "%s: %d ns in pure Go, %d ns over the core, ratio %.2f\n", $1, $2, $3, $3 / $2 }'
both core DeclareGo core DeclareC |
	awk '{ printf "a callback: %d ns into Go, %d ns into C, the way into Go and back %d ns\n", $1, $2, $1 - $2 }'

go build -o "$folder/starter" ./internal/starting/teststarter
# The page cache keeps a file in pieces as large as those in which it was written.
cp "$folder/starter" "$folder/teststarter"
if [ "$(id -u)" -eq 0 ]; then
	start() { # NATIVE CREATE
		printf "env -i GOGC=off ENGINE_CONFIG_CHUNKS=1 'ENGINE_CONFIG1={\"engineName\":\"test\",\"engineConfig\":{\"Args\":[\"/bin/true\"],\"Native\":%s,\"Create\":\"%s\"}}' %s" \
			"$1" "$2" "$folder/teststarter"
	}
	pair "$(start true '')" "$(start false '')" native go
	# The RPC server's start of Go runs beside master's: with two processors it is their time that is saved, not the clock's.
	for what in '' .cpu; do
		echo "$(median <"$folder/native$what") $(median <"$folder/go$what") ${what:+of a processor}" |
			awk '{ printf "a start: %.2f ms %swith the RPC server in the core, %.2f ms with it in Go, ratio %.2f\n", $1 * 1000,
				$3 ? "of a processor " : "", $2 * 1000, $1 / $2 }'
	done
	for native in true false; do
		sh -c "$(start $native threads)" 2>&1 | sed -n "s/^private dirty/native RPC $native: private dirty/p"
	done
else
	echo "left out: the starters start as root" >&2
fi

mkdir "$folder/plain" "$folder/core"
cat >"$folder/plain/main.go" <<'END'
package main

import (
	_ "net/rpc"
	"os"
	_ "os/user"

	"github.com/pinion-runtime/pinion/go/engine"
)

// A front end.
func main() {
	if _, err := engine.Get([]byte(os.Args[1])); err != nil {
		os.Exit(1)
	}
}
END
sed 's|/go/engine"|/go/engine"\n\t_ "github.com/pinion-runtime/pinion/go/core"|' "$folder/plain/main.go" >"$folder/core/main.go"
for kind in plain core; do
	go build -o "$folder/$kind/program" "$folder/$kind/main.go"
done
echo "$(stat -c %s "$folder/plain/program") $(stat -c %s "$folder/core/program")" |
	awk '{ printf "a program: %d kB with the engine package, %d kB with the core, %d kB more\n", $1 / 1000, $2 / 1000, ($2 - $1) / 1000 }'
