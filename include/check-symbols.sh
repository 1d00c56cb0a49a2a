#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Compares the library in FOLDER with include/pinion.symbols and include/pinion.abi, and looks at what a loader and a linker see of it:
#   check-symbols.sh FOLDER
#   check-symbols.sh FOLDER write    writes the two files anew
set -u
cd "$(dirname "$0")/.." || exit 1
folder=$1
shared=$folder/libpinion.so archive=$folder/libpinion.a
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failures=0
LC_ALL=C
export LC_ALL

# check "what holds" COMMAND...: what the command says is shown if it fails.
check() {
	what=$1
	shift
	if "$@" >"$work/said" 2>&1; then
		echo "ok - $what"
	else
		failures=$((failures + 1))
		echo "not ok - $what"
		sed 's/^/    /; 20q' "$work/said"
	fi
}
fails() { ! "$@"; }
# is TEXT COMMAND...: whether a command says just that.
is() {
	expected=$1
	shift
	got=$("$@")
	[ "$got" = "$expected" ] || { echo "expected: $expected"; echo "got: $got"; return 1; }
}

# The interface as a library in C whose functions do nothing: its debugging information has C's types alone, whatever the compiler of
# the real one does. $1 is the folder of the header, $2 becomes the library.
header_library() {
	header=$(cd "$1" && pwd)
	echo '#include "pinion.h"' >"$work/names.c"
	gcc -std=gnu11 -I"$header" -aux-info "$work/names" -fsyntax-only "$work/names.c" || return 1
	{
		cat "$work/names.c"
		sed -n 's|^/\* [^ ]*pinion\.h:[0-9]*:.*\*/ extern \(.* \**pinion_.*\);$|\1 { __builtin_trap(); }|p' "$work/names"
	} >"$work/library.c"
	(cd "$work" && gcc -std=gnu11 -g -O0 -w -shared -fPIC -Wl,-soname,libpinion.so.0 -I"$header" library.c -o "$2")
}
describe() { abidw --no-architecture --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --type-id-style hash "$1"; }
same_interface() { abidiff --no-architecture --no-show-locs include/pinion.abi "$1"; }

exports() { nm -D --defined-only "$shared" | sed 's/.* //' | sort; }
globals() { nm -g --defined-only "$archive" | sed -n 's/.* . //p' | sort; }

exports >"$work/exports"
globals >"$work/globals"
header_library include "$work/interface.so" || { echo "include/pinion.h does not compile" >&2; exit 1; }
if [ "${2:-}" = write ]; then
	cp "$work/exports" include/pinion.symbols
	describe "$work/interface.so" >include/pinion.abi
	exit 0
fi

again="what is added goes into it by 'make header'; what is gone or changed breaks programs: see docs/abi.md"
check "the shared library exports what include/pinion.symbols lists ($again)" diff -u include/pinion.symbols "$work/exports"
check "the archive's global symbols are the same" diff -u include/pinion.symbols "$work/globals"
nm -D --defined-only "$work/interface.so" | sed -n 's/.* T //p' | sort >"$work/declared"
check "the header declares them all" diff -u include/pinion.symbols "$work/declared"
check "all are pinion_*" fails grep -vx 'pinion_[a-z0-9_]*' include/pinion.symbols

# Types and functions.
check "the header's types and functions are those of include/pinion.abi ($again)" same_interface "$work/interface.so"
mkdir "$work/changed"
# The tool's exit code has a bit for a change, 4, and one for a change that breaks, 8; others are its own troubles.
changed_is_seen() {
	header_library "$work/changed" "$work/changed.so" || return 1
	cmp -s include/pinion.h "$work/changed/pinion.h" && { echo "the change did not change anything: adapt include/check-symbols.sh"; return 1; }
	same_interface "$work/changed.so"
	code=$?
	case $code in
	4 | 12) ;;
	*)
		echo "abidiff ended with $code"
		return 1
		;;
	esac
}
sed '/^uint32_t pinion_abi_version(void);$/d' include/pinion.h >"$work/changed/pinion.h"
check "... a function that is gone would be seen" changed_is_seen
sed '/^typedef struct pinion_declaration {$/,/^}/s/int32_t monitor;/int64_t monitor;/' include/pinion.h >"$work/changed/pinion.h"
check "... a field of another size would be seen" changed_is_seen
sed '/^typedef struct pinion_operations {$/,/^}/s/^    size_t size;$/    size_t size; void *more;/' include/pinion.h >"$work/changed/pinion.h"
check "... a callback between two others would be seen" changed_is_seen
sed 's/^uint32_t pinion_abi_version(void);$/uint64_t pinion_abi_version(void);/' include/pinion.h >"$work/changed/pinion.h"
check "... another result would be seen" changed_is_seen

# What a loader sees.
dynamic() { readelf -dW "$shared" | sed -n "s/.*($1) *//p" | sed 's/.*\[\(.*\)\]/\1/; s/ (bytes)$//'; }
needed() { dynamic NEEDED | sort | tr '\n' ' '; }
segment() { readelf -lW "$shared" | sed -n "s/^ *$1 *0x.* \([R ][W ][E ]\) .*/\1/p"; }
check "the SONAME is libpinion.so.0 (Makefile)" is libpinion.so.0 dynamic SONAME
check "it needs nothing but glibc" is "ld-linux-x86-64.so.2 libc.so.6 " needed
check "no executable stack" is "RW " segment GNU_STACK
check "read-only after relocation" is "R  " segment GNU_RELRO
check "... all of it" grep -q 'NOW' <<-END
	$(dynamic FLAGS) $(dynamic FLAGS_1)
END
check "no text relocations" is "" dynamic TEXTREL
check "no search path" is "" dynamic 'R.*PATH'
# frame_dummy and __do_global_dtors_aux are the C compiler's, ARGV_INIT_ARRAY (priority 99) is how Rust's standard library gets the
# arguments of the program.
check "no constructors but the C compiler's and the one of Rust's standard library" is 16 dynamic INIT_ARRAYSZ
check "no destructors but the C compiler's" is 8 dynamic FINI_ARRAYSZ

# What a linker sees.
sections() { readelf -SW "$archive" | sed -n 's/^ *\[ *[0-9]*\] //p' | sed 's/ .*//' | grep -E "$1" | sort | tr '\n' ' '; }
check "one constructor in the archive: that of Rust's standard library" is ".init_array.00099 .rela.init_array.00099 " \
	sections '\.(init_array|fini_array|preinit_array|ctors|dtors)'
check "... of one entry" grep -q ' 000008 ' <<-END
	$(readelf -SW "$archive" | grep ' \.init_array')
END
check "no executable stack asked for" is "" sh -c "readelf -SW '$archive' | grep '\.note\.GNU-stack.* X '"
check "no groups, no debugging information, no bitcode" is "" sections '^(\.group|\.debug_.*|\.llvm.*)$'
check "one object" is pinion.o ar t "$archive"
for file in "$shared" "$archive"; do
	check "nothing of the command or of the bundled engine in $file" fails grep -qaE 'clap_builder|oci_spec' "$file"
done

# The native libraries: what rustc says, but for the unwinder and what build.rs cannot know, is in include/pinion.pc.in.
natives() {
	echo '#![no_std]' >"$work/empty.rs"
	echo 'extern crate std;' >>"$work/empty.rs"
	rustc --crate-type staticlib --print native-static-libs -o "$work/empty.a" "$work/empty.rs" 2>&1 | sed -n 's/.*native-static-libs: //p'
}
check "rustc's native libraries are the ones that include/pinion.pc.in was written for" \
	is "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc" natives
private() { sed -n 's/^Libs\.private: -L[^ ]* //p' include/pinion.pc.in; }
check "... and all but the unwinder stand there" is "-lutil -lrt -lpthread -lm -ldl -lc" private

# Weight: all of the archive is one object, without what nothing refers to, so that is what a program gets of it.
own() { size "$archive" | awk 'NR == 2 { print $1 + $2 }'; }
light() {
	[ "$(own)" -le 1500000 ] || { echo "$(own) bytes: what has come in? nm -S -C --size-sort $archive"; return 1; }
}
check "a program gets at most 1,500,000 bytes of the archive" light
{
	echo 'extern char'
	sed '$!s/$/[],/; $s/$/[];/' include/pinion.symbols
	echo 'char *const all[] = {'
	sed 's/$/,/' include/pinion.symbols
	echo '}; int main(int count, char **arguments) { (void)arguments; return all[count % 100] == 0; }'
} >"$work/all.c"
echo 'int main(void) { return 0; }' >"$work/none.c"
# shellcheck disable=SC2046 # words
gcc -static -s "$work/none.c" -o "$work/none" &&
	gcc -static -s "$work/all.c" -o "$work/all" $(PKG_CONFIG_PATH=$folder/pkgconfig pkg-config --libs --static pinion) &&
	echo "# it gets $(own) bytes; with what that needs of glibc a static one grows by $(($(stat -c %s "$work/all") - $(stat -c %s "$work/none"))); the shared library has $(stat -c %s "$shared")"

[ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }
