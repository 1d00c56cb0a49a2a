#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# What the C interface costs: a call into C and back, by the clock and in instructions; a container started by a starter in C beside
# the same in Rust; what the archive adds to a static program; how long the shared library takes to load.
# Usage: abi.sh FOLDER-OF-THE-PROGRAMS; RUNS counts the starts of each (default 900).
set -eu
tree=$(cd "$(dirname "$0")/../.." && pwd)
programs=$(cd "$1" && pwd)
runs=${RUNS:-900}
rounds=90
calls=2000000
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PKG_CONFIG_PATH="$programs/pkgconfig"

compile() { # OUTPUT SOURCE FLAG...
	output=$1
	source=$2
	shift 2
	# shellcheck disable=SC2046 # lists of words
	cc -std=gnu99 -O2 -o "$folder/$output" "$source" $(pkg-config --cflags pinion) "$@"
}

# shellcheck disable=SC2046 # a list of words
archive() { pkg-config --libs --static pinion; }

# shellcheck source=SCRIPTDIR/pairs.sh
. "$tree/rust/benches/pairs.sh"

# shellcheck disable=SC2046 # a list of words
compile bench_abi "$tree/c-tests/bench_abi.c" $(archive)

nanoseconds() {
	for _ in 1 2 3 4 5 6 7; do taskset -c 0 "$folder/bench_abi" "$1" $calls; done | median
}

# Instructions of one call: the difference of two runs, so that the program's own beginning does not count.
collected() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$folder/bench_abi" "$1" "$2" 2>&1 | sed -n 's/.*Collected *: *//p'
}
instructions() {
	echo "$(collected "$1" 11000) $(collected "$1" 1000)" | awk '{ print ($1 - $2) / 10000 }'
}

echo "one call             ns  instructions"
for way in empty indirect guard table context; do
	printf '%-10s %12s %13s\n' "$way" "$(nanoseconds $way)" "$(instructions $way)"
done | tee "$folder/calls"
awk '{ ns[$1] = $2; n[$1] = $3 }
	END {
		printf "table / (indirect + guard): %.2f by the clock, %.2f in instructions\n",
			(ns["table"] - ns["empty"]) / (ns["indirect"] + ns["guard"] - 2 * ns["empty"]),
			(n["table"] - n["empty"]) / (n["indirect"] + n["guard"] - 2 * n["empty"])
	}' "$folder/calls"

# The same engine in both languages, static, over the same configuration.
# shellcheck disable=SC2046 # a list of words
compile probe "$tree/c-tests/probe.c" -static $(archive | sed 's/-lgcc_s/-lgcc_eh/')
strip "$folder/probe"
# Both as an installation leaves them. strip writes in small pieces, and so small are the pieces of the page cache then: each child of a
# fork takes more page faults for the same text, 5 % of a start.
cp "$folder/probe" "$folder/c-starter"
cp "$programs/examples/starter" "$folder/rust-starter"
sync
if [ "$(id -u)" -eq 0 ]; then
	config='{"engineName":"probe","containerID":"bench","engineConfig":{"create":["pid","mount","ipc","uts"],"propagation":"rprivate","exec":["/bin/true"]}}'
	launch="env -i ENGINE_CONFIG_CHUNKS=1 'ENGINE_CONFIG1=$config'"
	pair "$launch $folder/c-starter" "$launch $folder/rust-starter" c rust
	echo "$(median <"$folder/c") $(median <"$folder/rust")" |
		awk '{ printf "a start: C %.3f ms, Rust %.3f ms, C / Rust %.3f\n", $1 * 1000, $2 * 1000, $1 / $2 }'
else
	echo "left out: the starters of the comparison start as root" >&2
fi

printf 'int main(void) { return 0; }\n' >"$folder/nothing.c"
compile nothing "$folder/nothing.c" -static -s
compile alone "$folder/nothing.c" -s
# shellcheck disable=SC2046 # a list of words
compile loads "$folder/nothing.c" -s -Wl,--no-as-needed $(pkg-config --libs pinion) -Wl,-rpath,"$folder"
cp "$programs/libpinion.so" "$folder/libpinion.so.0"
echo "$(stat -c %s "$folder/probe") $(stat -c %s "$folder/nothing")" |
	awk '{ printf "a whole static starter: %d kB, %d kB more than an empty static program\n", $1 / 1000, ($1 - $2) / 1000 }'
pair "$folder/loads" "$folder/alone" with without
echo "$(median <"$folder/with") $(median <"$folder/without")" |
	awk '{ printf "a dynamic program: %.3f ms with the shared library, %.3f ms without, difference %.3f ms\n", $1 * 1000, $2 * 1000, ($1 - $2) * 1000 }'
