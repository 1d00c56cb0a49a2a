#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs what `make build` made, or takes it away again:
#   [PREFIX=/usr/local] [LIBDIR=$PREFIX/lib] [DESTDIR=] install.sh VERB FOLDER VERSION
# VERB is install, uninstall, install-setuid (the starter a second time, as a setuid-root program) or uninstall-setuid. Uninstalling
# takes that away, too.
# The directories that an installation makes are listed in LIBDIR/pinion/directories, so that they can go with it.
set -eu
cd "$(dirname "$0")/.."
verb=$1 folder=$2 version=$3
PREFIX=${PREFIX:-/usr/local}
LIBDIR=${LIBDIR:-$PREFIX/lib}
DESTDIR=${DESTDIR:-}
link=$LIBDIR/pinion
made=$link/directories

# What, as which mode, where.
files="
$folder/pinion 755 $PREFIX/bin/pinion
$folder/pinion-starter 755 $PREFIX/bin/pinion-starter
include/pinion.h 644 $PREFIX/include/pinion.h
$folder/libpinion.a 644 $LIBDIR/libpinion.a
$folder/libpinion.so 755 $LIBDIR/libpinion.so.$version
docs/man/pinion.1 644 $PREFIX/share/man/man1/pinion.1
$folder/pinion.3 644 $PREFIX/share/man/man3/pinion.3
docs/man/pinion-starter.8 644 $PREFIX/share/man/man8/pinion-starter.8
docs/completions/pinion.bash 644 $PREFIX/share/bash-completion/completions/pinion
docs/completions/_pinion 644 $PREFIX/share/zsh/site-functions/_pinion
docs/completions/pinion.fish 644 $PREFIX/share/fish/vendor_completions.d/pinion.fish"
# These point to where they are, so a DESTDIR can be moved.
links="
libpinion.so.$version $LIBDIR/libpinion.so.0
libpinion.so.0 $LIBDIR/libpinion.so
../../libpinion.a $link/static/libpinion-link.a
../../libpinion.a $link/shared/libpinion-link.a
../../libpinion.so.0 $link/shared/libpinion-link.so"
setuid=$PREFIX/bin/pinion-starter-suid
# Rendered here.
packages="pinion pinion-shared"

fail() {
	echo "install: $1" >&2
	exit 1
}

# The directory of a file, and those above it as far as they are missing.
directory() {
	if [ -d "$DESTDIR$1" ]; then return; fi
	[ -z "$1" ] || directory "${1%/*}"
	mkdir "$DESTDIR$1"
	echo "$1/" >>"$work/made"
}

install_all() {
	echo "$files" | while read -r from mode _; do
		[ -z "$mode" ] || [ -f "$from" ] || fail "there is no $from, and nothing was written: make build"
	done
	[ ! -f "$DESTDIR$made" ] || cat "$DESTDIR$made" >"$work/made"
	if [ -n "$DESTDIR" ] && [ ! -d "$DESTDIR" ]; then mkdir -p "${DESTDIR%/*}"; fi
	echo "$files" | while read -r from mode to; do
		if [ -z "$mode" ]; then continue; fi
		directory "${to%/*}"
		install -m "$mode" "$from" "$DESTDIR$to"
	done
	echo "$links" | while read -r target to; do
		if [ -z "$target" ]; then continue; fi
		directory "${to%/*}"
		ln -sfn "$target" "$DESTDIR$to"
	done
	directory "$LIBDIR/pkgconfig"
	for name in $packages; do
		sed -e "s|@prefix@|$PREFIX|; s|@version@|$version|; s|@build@|$(cat "$folder/libpinion.build")|; /^#/d" \
			-e "s|@includedir@|\${prefix}/include|; s|@libdir@|$libdir|; s|@linkdir@|\${libdir}/pinion|" \
			"include/$name.pc.in" >"$work/$name.pc"
		install -m 644 "$work/$name.pc" "$DESTDIR$LIBDIR/pkgconfig/$name.pc"
	done
	install -m 644 "$work/made" "$DESTDIR$made"
}

# Whoever could write to a directory on the way could put another program there. In one with the sticky bit nobody can exchange what
# is root's.
is_roots() {
	case $(stat -L -c '%u %A' "$1") in
	'0 d'????[!w]??[!w]? | '0 d'????????[tT]) ;;
	*) fail "others than root may write to $1, and put another setuid program there: chown root $1; chmod go-w $1" ;;
	esac
	[ "$1" = / ] || is_roots "$(dirname "$1")"
}

# A package is built as root or under fakeroot, which says that it is, and has the owner and the mode of this file in its own list.
install_setuid() {
	[ "$(id -u)" = 0 ] || fail "a setuid-root program takes root: sudo make install-setuid; for a package, fakeroot with DESTDIR"
	[ -f "$folder/pinion-starter" ] || fail "there is no $folder/pinion-starter, and nothing was written: make build"
	[ -f "$DESTDIR$PREFIX/bin/pinion" ] || fail "there is no $DESTDIR$PREFIX/bin/pinion, which would start it: make install"
	[ -n "$DESTDIR" ] || is_roots "$PREFIX/bin"
	install -o 0 -g 0 -m 4755 "$folder/pinion-starter" "$DESTDIR$setuid"
	case $(findmnt -n -o OPTIONS -T "$DESTDIR$setuid" 2>/dev/null) in
	*nosuid*) echo "install: $PREFIX/bin is mounted nosuid, where $setuid starts nothing" >&2 ;;
	esac
}

uninstall_all() {
	[ ! -f "$DESTDIR$made" ] || cat "$DESTDIR$made" >"$work/made"
	echo "$files$links" | sed 's/.* //' | while read -r to; do
		if [ -n "$to" ]; then rm -f "$DESTDIR$to"; fi
	done
	for name in $packages; do rm -f "$DESTDIR$LIBDIR/pkgconfig/$name.pc"; done
	rm -f "$DESTDIR$made" "$DESTDIR$setuid"
	# What somebody else has put something into stays.
	sort -r "$work/made" | while read -r directory; do
		if [ -n "$DESTDIR" ] || [ "$directory" != / ]; then
			rmdir "$DESTDIR$directory" 2>/dev/null || true
		fi
	done
}

for path in "$PREFIX" "$LIBDIR" "${DESTDIR:-/}"; do
	case $path in
	*[!A-Za-z0-9_./+~@:,=-]*) fail "a blank or odd character in $path, which pkg-config could not pass on" ;;
	/*) ;;
	*) fail "PREFIX, LIBDIR and DESTDIR have to be absolute: $path" ;;
	esac
done
libdir=$LIBDIR
case $LIBDIR in "$PREFIX"/*) libdir="\${prefix}/${LIBDIR#"$PREFIX"/}" ;; esac

umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
: >"$work/made"
case $verb in
install) install_all ;;
uninstall) uninstall_all ;;
install-setuid) install_setuid ;;
uninstall-setuid) rm -f "$DESTDIR$setuid" ;;
*) fail "unknown verb $verb" ;;
esac
