#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The programs of c-tests under AddressSanitizer with LeakSanitizer, under UndefinedBehaviorSanitizer and under valgrind, each after it
# has found what was planted for it:
#   sanitize.sh FOLDER PROGRAM...    FOLDER has a library that was built for tests
set -u
cd "$(dirname "$0")/.." || exit 1
folder=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
PKG_CONFIG_PATH=$folder/pkgconfig
ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99
PINION_STRICT=1
export PKG_CONFIG_PATH ASAN_OPTIONS UBSAN_OPTIONS PINION_STRICT
failures=0

fail() {
	failures=$((failures + 1))
	echo "$1" >&2
}

# build PROGRAM FLAG...
build() {
	name=$1
	shift
	# shellcheck disable=SC2046 # words
	cc -std=c11 -D_GNU_SOURCE -DPINION_FAULT -g -O1 -fno-omit-frame-pointer -Wall -Wextra -Werror -pthread "c-tests/$name.c" -o "$work/$name" "$@" \
		$(pkg-config --cflags --libs --static pinion)
}

# found KIND TEXT COMMAND...: whether a planted mistake ends the command with 99 and is named.
found() {
	kind=$1 text=$2
	shift 2
	"$@" >"$work/said" 2>&1
	code=$?
	if [ "$code" != 99 ] || ! grep -q "$text" "$work/said"; then
		fail "a planted $kind was not found (exit code $code): $*"
		sed 's/^/    /; 10q' "$work/said" >&2
	fi
}
clean() {
	"$@" >"$work/said" 2>&1 || { fail "a program without a mistake fails: $*"; sed 's/^/    /; 10q' "$work/said" >&2; }
}

# A program is run as prove does it, and all that it says is looked at for reports of children, whose exit codes somebody else gets.
run_all() {
	way=$1
	shift
	for name in "$@"; do
		"$under" "$work/$name" >"$work/$name.out" 2>&1
		code=$?
		if [ "$code" != 0 ] || grep -qE '^not ok|ERROR: (Address|Leak)Sanitizer|runtime error:' "$work/$name.out"; then
			fail "$way: $name (exit code $code)"
			grep -vE '^ok' "$work/$name.out" | sed 's/^/    /; 40q' >&2
		else
			echo "$way: $name: $(grep -c '^ok' "$work/$name.out") checks"
		fi
	done
}
under="env"

build planted || exit 1
# The sanitizers of the next steps are not in an ordinary build, nor in the library.
if nm "$work/planted" "$folder/libpinion.a" | grep -qE '__(asan|ubsan)_'; then fail "there is a sanitizer in the ordinary build"; fi

for sanitizer in address undefined; do
	build planted "-fsanitize=$sanitizer" -fno-sanitize-recover=all || exit 1
	case $sanitizer in
	address)
		nm -D "$work/planted" | grep -q __asan_init || fail "AddressSanitizer is not in the program"
		found overflow heap-buffer-overflow "$work/planted" overflow
		found leak 'LeakSanitizer: detected memory leaks' "$work/planted" leak
		;;
	undefined)
		nm -D "$work/planted" | grep -q __ubsan_handle || fail "UndefinedBehaviorSanitizer is not in the program"
		found "signed overflow" 'signed integer overflow' "$work/planted" undefined
		;;
	esac
	clean "$work/planted"
	for name in "$@"; do build "$name" "-fsanitize=$sanitizer" -fno-sanitize-recover=all || exit 1; done
	run_all "$sanitizer" "$@"
done

# What pinion keeps for as long as the process lives, engines and the table of objects, is still reachable at its end and no leak. Nothing
# is suppressed. Children end by _exit or by a program that they execute, and hold what their parent holds: they are silent, but their
# exit codes are not. An open descriptor is no error to valgrind: it is read from its report.
cat >"$work/valgrind" <<END
#!/bin/sh
valgrind --quiet --fair-sched=try --leak-check=full --show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect,possible --track-fds=yes \
	--child-silent-after-fork=yes --error-exitcode=99 --log-file="$work/log" "\$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
code=\$?
cat "$work/log" >&2
if awk '/Open (file descriptor|AF_|.* socket)/ { open = \$0; next } open != "" { if (\$0 !~ /inherited from parent/) found = 1; open = "" } END { exit !found }' "$work/log"; then
	exit 99
fi
exit \$code
END
chmod +x "$work/valgrind"
under=$work/valgrind
build planted || exit 1
found leak 'definitely lost' "$under" "$work/planted" leak
found overflow 'Invalid write' "$under" "$work/planted" overflow
found "open descriptor" 'Open file descriptor' "$under" "$work/planted" fd
clean "$under" "$work/planted"
for name in "$@"; do build "$name" || exit 1; done
run_all valgrind "$@"

[ "$failures" -eq 0 ] || { echo "$failures failures" >&2; exit 1; }
echo "nothing found but what was planted"
