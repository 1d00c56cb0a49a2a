#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Private memory (Private_Clean + Private_Dirty of smaps_rollup) of the runtime's own processes, a container, while ten containers run,
# after sync: pinion's beside conmon's and bwrap's. Usage: memory.sh FOLDER-OF-THE-PROGRAMS
set -eu
programs=$(cd "$1" && pwd)
count=10
folder=$(mktemp -d)
started=
stop() {
	for child in $started; do kill -KILL "$child" 2>/dev/null || true; done
	rm -rf "$folder"
}
trap stop EXIT

# What a runtime leaves behind for conmon: a payload, and its pid in the file that is asked for.
cat >"$folder/runtime" <<'EOF'
#!/bin/sh
while [ $# -gt 0 ]; do
	[ "$1" = --pid-file ] && file=$2
	shift
done
[ -n "${file:-}" ] || exit 0
sh -c 'echo started; exec sleep 1000' &
echo $! >"$file"
EOF
chmod +x "$folder/runtime"

private() {
	awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print sum + 0 }' "/proc/$1/smaps_rollup"
}

descendants() {
	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do descendants "$child"; done
}

pinion() {
	"$programs/pinion" run -- sh -c 'echo started; exec sleep 1000'
}
bwrap_() {
	bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev sh -c 'echo started; exec sleep 1000'
}
conmon_() {
	mkdir "$folder/$1.bundle"
	conmon --sync -c "$1" -u "$1" -n "$1" -b "$folder/$1.bundle" -p "$folder/$1.pid" -r "$folder/runtime" -l passthrough
}

# Starts ten, waits for the line of each payload, and adds up the processes that are no payload.
measure() {
	name=$1
	start=$2
	heads=
	i=0
	while [ $i -lt $count ]; do
		i=$((i + 1))
		mkfifo "$folder/$name.$i"
		"$start" "$name.$i" >"$folder/$name.$i" 2>/dev/null &
		heads="$heads $!"
		read -r _ <"$folder/$name.$i" || {
			printf '%-7s left out: it does not start here\n' "$name"
			return
		}
	done
	started="$started $heads"
	sync
	total=0
	processes=0
	for head in $heads; do
		# The first is the shell that started it, unless it executed the program at once.
		for pid in $(descendants "$head"); do
			case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
			sleep* | *memory.sh*) continue ;;
			esac
			total=$((total + $(private "$pid")))
			processes=$((processes + 1))
		done
	done
	echo "$name $total $processes $count" | awk '{ printf "%-7s %7.1f kB a container, in %d processes\n", $1, $2 / $4, $3 }'
	for head in $heads; do
		for pid in $(descendants "$head"); do kill -KILL "$pid" 2>/dev/null || true; done
	done
}

measure pinion pinion
measure bwrap bwrap_
measure conmon conmon_
