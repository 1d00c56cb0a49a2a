#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs into an empty folder, builds programs with nothing but pkg-config and what is there, runs them, and takes all away again.
# TAP. FOLDER is where `make build` put the library.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
count=0 failures=0
prefix=$work/prefix

# check "what holds" COMMAND...: what the command says is shown if it fails.
check() {
	what=$1
	shift
	count=$((count + 1))
	if "$@" >"$work/said" 2>&1; then
		echo "ok $count - $what"
	else
		failures=$((failures + 1))
		echo "not ok $count - $what"
		sed 's/^/#   /; 20q' "$work/said"
	fi
}
fails() { ! "$@"; }
# Whether a command says nothing on its standard error stream.
quiet() {
	said=$("$@" 2>&1 >/dev/null)
	if [ -n "$said" ]; then
		echo "$said"
		return 1
	fi
}
is_empty() { test -z "$(ls -A "$1")" || { find "$1"; return 1; }; }
make_() { ${MAKE:-make} --no-print-directory -s "$@"; }

# Nothing is written when something is missing: here a version of the sources that was never built.
cp -r include docs Makefile Cargo.toml "$work"/ && mkdir "$work/source" && mv "$work/include" "$work/docs" "$work/Makefile" "$work/Cargo.toml" "$work/source/"
mkdir "$work/nothing"
check "an installation of what was not built fails" fails make_ -C "$work/source" install PREFIX="$work/nothing/prefix"
check "... and writes nothing" is_empty "$work/nothing"
check "a relative prefix is refused" fails make_ install PREFIX=relative DESTDIR="$work/nothing"
check "a prefix with a blank is refused" fails make_ install PREFIX="/a b" DESTDIR="$work/nothing"
check "... and nothing is written" is_empty "$work/nothing"

# Something that was there before stays.
mkdir -p "$prefix/bin" "$prefix/share"
umask 077
check "installs, whatever the umask" make_ install PREFIX="$prefix"
check "... once more over itself" make_ install PREFIX="$prefix"
umask 022
modes() {
	find "$prefix" -mindepth 1 ! -type l -printf '%m %y %p\n' | sort -k3 >"$work/modes"
	while read -r mode type path; do
		case $type$path in
		d* | f*/bin/* | f*.so.*) want=755 ;;
		*) want=644 ;;
		esac
		[ "$mode" = "$want" ] || echo "$mode $path, not $want"
	done <"$work/modes"
}
check "files have mode 644, directories and programs 755" test -z "$(modes)"
check "everything belongs to who installed" test -z "$(find "$prefix" ! -user "$(id -u)" -o ! -group "$(id -g)")"
names() { find "$prefix" ! -type d | sed "s|^$prefix/||" | LC_ALL=C sort; }
cat >"$work/expected" <<'END'
bin/pinion
bin/pinion-starter
include/pinion.h
lib/libpinion.a
lib/libpinion.so
lib/libpinion.so.0
lib/libpinion.so.VERSION
lib/pinion/directories
lib/pinion/shared/libpinion-link.a
lib/pinion/shared/libpinion-link.so
lib/pinion/static/libpinion-link.a
lib/pkgconfig/pinion-shared.pc
lib/pkgconfig/pinion.pc
share/bash-completion/completions/pinion
share/fish/vendor_completions.d/pinion.fish
share/man/man1/pinion.1
share/man/man3/pinion.3
share/man/man8/pinion-starter.8
share/zsh/site-functions/_pinion
END
version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
sed -i "s/VERSION/$version/" "$work/expected"
names >"$work/names"
check "these files and no others" diff -u "$work/expected" "$work/names"
check "no link leads out of the prefix" test -z "$(find "$prefix" -type l -printf '%l\n' | grep '^/')"
check "no link leads nowhere" test -z "$(find "$prefix" -xtype l)"

# Programs, by nothing but pkg-config.
unset PKG_CONFIG_LIBDIR CPATH LIBRARY_PATH LD_LIBRARY_PATH
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
check "pkg-config is content with both packages" pkg-config --validate pinion pinion-shared
check "... and names this version" test "$(pkg-config --modversion pinion)" = "$version"
build() {
	how=$1 source=$2 output=$3
	shift 3
	# shellcheck disable=SC2046,SC2086 # words
	"${CC:-cc}" -O2 -Wall -Wextra -Werror "$source" -o "$work/$output" "$@" $(pkg-config --cflags --libs $how pinion)
}
needs() { readelf -dW "$1" | grep -q 'NEEDED.*libpinion\.so\.0'; }
for name in linking hello hello_starter probe; do
	source=c-tests/$name.c
	check "$name builds with --libs" build "" "$source" "$name-shared"
	check "... and needs libpinion.so.0" needs "$work/$name-shared"
	check "$name builds with --libs --static" build --static "$source" "$name-archive"
	check "... and needs no libpinion.so" fails needs "$work/$name-archive"
	check "... also behind another package's -L for the same folder" build --static "$source" "$name-archive" "-L$prefix/lib"
	check "... and needs no libpinion.so then" fails needs "$work/$name-archive"
	check "$name builds with -static" build --static "$source" "$name-static" -static
	check "$name builds with -static-pie" build --static "$source" "$name-pie" -static-pie
done
check "the shared program runs" env LD_LIBRARY_PATH="$prefix/lib" "$work/linking-shared"
check "... not without the library" fails "$work/linking-shared"
for kind in archive static pie; do check "the $kind program runs" "$work/linking-$kind"; done
for kind in shared archive static pie; do
	# Executed by nobody it has nothing to do, and says so.
	LD_LIBRARY_PATH=$prefix/lib "$work/probe-$kind" >"$work/said" 2>&1 </dev/null
	check "probe ($kind) starts, and misses its launcher" test "$?" = 255
done
for kind in archive static pie; do
	check "hello ($kind) starts a container with a starter in C" "$work/hello-$kind" "$work/hello_starter-$kind" /bin/true
done
check "pinion starts a container with the starter that was installed" env -u PINION_STARTER "$prefix/bin/pinion" run -- true
check "... whose exit code comes back" test "$("$prefix/bin/pinion" run -- sh -c 'exit 7'; echo $?)" = 7

# Manual pages and completions.
for page in man1/pinion.1 man3/pinion.3 man8/pinion-starter.8; do
	check "$page is a manual page" quiet man --warnings -l -E UTF-8 -Tutf8 -Z "$prefix/share/man/$page"
done
missing() { while read -r name; do grep -q "^\.B .*[ *]$name(" "$prefix/share/man/man3/pinion.3" || echo "$name"; done <include/pinion.symbols; }
check "pinion(3) has every function" test -z "$(missing)"
check "bash takes its completions" bash -n "$prefix/share/bash-completion/completions/pinion"

# The other way of a packager: staged under another root.
check "installs below DESTDIR" make_ install PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu DESTDIR="$work/stage"
check "... where nothing knows of it" fails grep -rqF "$work" "$work/stage"
staged() { PKG_CONFIG_PATH=$work/stage/usr/lib/x86_64-linux-gnu/pkgconfig PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable="$1" pinion; }
check "... libdir is where it will be" test "$(staged libdir)" = /usr/lib/x86_64-linux-gnu
check "... includedir too" test "$(staged includedir)" = /usr/include
check "... and all of it goes, DESTDIR too" make_ uninstall PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu DESTDIR="$work/stage"
check "... as it came" test ! -e "$work/stage"

# The setuid starter. The folder of this test is in /tmp, whose sticky bit keeps others from exchanging what is root's.
suid=$prefix/bin/pinion-starter-suid
as_user() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
if [ "$(id -u)" = 0 ]; then
	check "a user cannot install the setuid starter" fails as_user env PREFIX="$prefix" "$work/source/include/install.sh" install-setuid target/release "$version"
	check "... and nothing is written" test ! -e "$suid"
	chmod 775 "$prefix/bin"
	check "it is not installed where others may write" fails make_ install-setuid PREFIX="$prefix"
	check "... and nothing is written" test ! -e "$suid"
	chmod 755 "$prefix/bin"
	check "installs the setuid starter" make_ install-setuid PREFIX="$prefix"
	check "... once more over itself" make_ install-setuid PREFIX="$prefix"
	check "... root's, with mode 4755" test "$(stat -c '%u %g %a' "$suid")" = "0 0 4755"
	check "a user starts a container with it" test "$(cd / && as_user "$prefix/bin/pinion" run --setuid -- id -u)" = 1000
	check "takes it away" make_ uninstall-setuid PREFIX="$prefix"
	check "... and that alone" test ! -e "$suid" -a -e "$prefix/bin/pinion-starter"
	check "installs it again" make_ install-setuid PREFIX="$prefix"
	check "not where nothing else is installed" fails make_ install-setuid PREFIX="$work/elsewhere"
	check "... and nothing is written" test ! -e "$work/elsewhere"
	check "below DESTDIR" make_ install PREFIX=/usr DESTDIR="$work/package"
	check "... as well" make_ install-setuid PREFIX=/usr DESTDIR="$work/package"
	check "... root's, with mode 4755" test "$(stat -c '%u %g %a' "$work/package/usr/bin/pinion-starter-suid")" = "0 0 4755"
	check "... and all of it goes" make_ uninstall PREFIX=/usr DESTDIR="$work/package"
	check "... as it came" test ! -e "$work/package"
else
	check "a user cannot install the setuid starter" fails make_ install-setuid PREFIX="$prefix"
	echo "# left out: installing it needs root"
fi

echo mine >"$prefix/lib/pinion/mine"
check "uninstalls" make_ uninstall PREFIX="$prefix"
check "... but not what somebody else has put there" test "$(find "$prefix" -type f)" = "$prefix/lib/pinion/mine"
rm -r "${prefix:?}/lib"
check "... and leaves nothing but the two directories that were there" \
	test "$(cd "$prefix" && find . | sort | tr '\n' ' ')" = ". ./bin ./share "
check "a second time is no error" make_ uninstall PREFIX="$prefix"
rm -r "${prefix:?}"
check "into a folder that is not there" make_ install PREFIX="$prefix"
check "... and out of it" make_ uninstall PREFIX="$prefix"
check "leaves nothing, not even the folder" test ! -e "$prefix"

echo "1..$count"
[ "$failures" -eq 0 ]
