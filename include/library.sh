#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Makes out of what cargo left in CARGO a library in FOLDER that programs can be linked with, without installing anything:
#   library.sh CARGO FOLDER VERSION
# FOLDER/libpinion.a                  one object that exports what the shared library exports and nothing else
# FOLDER/libpinion.build              which build the archive is: its pinion_build()
# FOLDER/libpinion.so, libpinion.so.0 the shared library, by its SONAME too
# FOLDER/pkgconfig                    for PKG_CONFIG_PATH; FOLDER/link is what its files point to
set -eu
cd "$(dirname "$0")/.."
cargo=$1 folder=$2 version=$3
mkdir -p "$folder/link/shared" "$folder/link/static" "$folder/pkgconfig"
work=$(mktemp -d "$folder/.library.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# cargo's archive shows all of the standard library, for which two Rust archives in one program clash, and carries LLVM's bitcode
# and DWARF. Groups are dissolved: of several DW.ref.rust_eh_personality a linker keeps one, maybe one that is local to here.
nm -D --defined-only "$cargo/libpinion.so" | sed -n 's/.* /-u /p' >"$work/roots"
[ -s "$work/roots" ] || { echo "$cargo/libpinion.so exports nothing" >&2; exit 1; }
ld -r --gc-sections --force-group-allocation "@$work/roots" "$cargo/libpinion.a" -o "$work/pinion.o"
objcopy --wildcard --keep-global-symbol='pinion_*' --strip-debug \
	--remove-section=.llvmbc --remove-section=.llvmcmd --remove-section=.comment "$work/pinion.o"
# A program asks for it by pinion_build, and compares it with the word that its compiler got from pkg-config.
build=$(sha256sum "$work/pinion.o" | cut -c1-16)
for byte in $(echo "$build" | sed 's/../0x& /g'); do printf '%b' "\\0$(printf %o "$byte")"; done >"$work/bytes"
objcopy --update-section .pinion_build="$work/bytes" "$work/pinion.o"
echo "0x$build" >"$work/libpinion.build"
ar rcsD "$work/libpinion.a" "$work/pinion.o"
# Renamed over what was there, which a program may have open.
cp "$cargo/libpinion.so" "$work/libpinion.so"
mv "$work/libpinion.a" "$work/libpinion.so" "$work/libpinion.build" "$folder"
ln -sf libpinion.so "$folder/libpinion.so.0"

ln -sf ../../libpinion.a "$folder/link/static/libpinion-link.a"
ln -sf ../../libpinion.a "$folder/link/shared/libpinion-link.a"
ln -sf ../../libpinion.so "$folder/link/shared/libpinion-link.so"
folder=$(cd "$folder" && pwd)
for name in pinion pinion-shared; do
	sed -e "s|@includedir@|$PWD/include|; s|@libdir@|$folder|; s|@linkdir@|$folder/link|; s|@version@|$version|; s|@build@|0x$build|" \
		-e '/^#/d; /^prefix=/d' "include/$name.pc.in" >"$folder/pkgconfig/$name.pc"
done
