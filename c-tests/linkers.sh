#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Links a program in every way with the library in each FOLDER and runs it:
#   linkers.sh FOLDER...
# A cell of the table counts what worked: alone, before another Rust archive with --gc-sections, and behind it.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
tried=0 worked=0

# way NAME FLAG... links, looks at what the program needs, and runs it.
way() {
	name=$1
	shift
	tried=$((tried + 1)) cell_tried=$((cell_tried + 1))
	program=$work/program
	# shellcheck disable=SC2086 # lists of words
	if ! "$compiler" "-fuse-ld=$linker" $kind_flags -o "$program" "$@" $link >"$work/said" 2>&1; then
		why="does not link"
	elif ! holds_what_it_should >"$work/said" 2>&1; then
		why="is not what was asked for"
	elif ! LD_LIBRARY_PATH=$folder "$program" >"$work/said" 2>&1; then
		why="does not run"
	else
		worked=$((worked + 1)) cell=$((cell + 1))
		return
	fi
	echo "$folder $compiler $linker $kind, $name: $why" >>"$work/failures"
	sed 's/^/    /; 10q' "$work/said" >>"$work/failures"
}

# Whether the program is of its kind, and takes pinion from where it should.
holds_what_it_should() {
	needed=$(readelf -dW "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	readelf -lW "$program" | grep -q INTERP && interpreter=1 || interpreter=0
	echo "needs: $needed (interpreter: $interpreter)"
	case $kind in
	static*) [ -z "$needed" ] && [ "$interpreter" = 0 ] ;;
	archive) ! echo "$needed" | grep -q pinion && [ "$interpreter" = 1 ] ;;
	shared) echo "$needed" | grep -qx 'libpinion\.so\.0' ;;
	esac
}

echo 'int main(void) { return 0; }' >"$work/nothing.c"
cc -fPIE -c "$work/nothing.c" -o "$work/nothing.o" || exit 1
compilers=
for compiler in gcc clang; do
	if command -v "$compiler" >/dev/null; then compilers="$compilers $compiler"; fi
done
rustc --edition 2024 --crate-name neighbour --crate-type staticlib -O -o "$work/libneighbour.a" c-tests/neighbour.rs || exit 1

printf '%-22s %-6s %-5s %7s %11s %8s %7s\n' folder cc ld static static-pie archive shared
for folder in "$@"; do
	PKG_CONFIG_PATH=$folder/pkgconfig
	export PKG_CONFIG_PATH
	# shellcheck disable=SC2046 # words
	for compiler in $compilers; do
		"$compiler" -std=c11 -O2 -Wall -Wextra -Werror -fPIE -ffunction-sections $(pkg-config --cflags pinion) \
			-c c-tests/linking.c -o "$work/alone.o" || exit 1
		"$compiler" -std=c11 -O2 -Wall -Wextra -Werror -fPIE -ffunction-sections $(pkg-config --cflags pinion) -DNEIGHBOUR \
			-c c-tests/linking.c -o "$work/both.o" || exit 1
		for linker in bfd gold lld mold; do
			row=
			for kind in static static-pie archive shared; do
				cell=0 cell_tried=0
				kind_flags=
				case $kind in static*) kind_flags=-$kind ;; esac
				# Debian's gold knows no static-pie: what cannot link nothing at all is left out.
				if ! "$compiler" "-fuse-ld=$linker" $kind_flags -o "$work/program" "$work/nothing.o" 2>/dev/null; then
					row="$row -"
					continue
				fi
				link=$(pkg-config --libs --static pinion)
				[ "$kind" != shared ] || link=$(pkg-config --libs pinion)
				way alone "$work/alone.o"
				way "another Rust archive before it" "$work/both.o" "$work/libneighbour.a"
				link="$link $work/libneighbour.a"
				way "--gc-sections, another Rust archive behind it" -Wl,--gc-sections "$work/both.o"
				row="$row $cell/$cell_tried"
			done
			# shellcheck disable=SC2086 # words
			printf '%-22s %-6s %-5s %7s %11s %8s %7s\n' "$folder" "$compiler" "$linker" $row
		done
	done
done
echo "$worked of $tried programs were linked and ran"
if [ -f "$work/failures" ]; then
	cat "$work/failures" >&2
	echo "see include/library.sh for how the archive is made, include/pinion.pc.in for how it is found" >&2
	exit 1
fi
