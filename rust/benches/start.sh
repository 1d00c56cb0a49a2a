#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A start from exec to exit, in new PID, mount, IPC and UTS namespaces over the same busybox root: pinion beside crun, runc, bwrap and
# the floor, each peer paired with pinion in turn; then the other flows, each paired with an attached start by root. Prints medians in
# milliseconds and the ratio of the two.
# Usage: start.sh FOLDER-OF-THE-PROGRAMS; RUNS counts the runs of each (default 600).
set -eu
programs=$(cd "$1" && pwd)
runs=${RUNS:-600}
rounds=20

if [ "$(id -u)" -ne 0 ]; then
	echo "left out: the peers start the bundle as root" >&2
	exit 0
fi
# The peers want a mount namespace of their own with a plain cgroup2 at /sys/fs/cgroup.
if [ "${PINION_BENCH_INSIDE:-}" != 1 ]; then
	PINION_BENCH_INSIDE=1 exec unshare -m --propagation private "$0" "$@"
fi
mount -t cgroup2 none /sys/fs/cgroup

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/bundle/rootfs
mkdir -p "$root/bin" "$root/proc" "$root/dev"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/true"
cat >"$folder/bundle/config.json" <<'EOF'
{
  "ociVersion": "1.0.2",
  "process": { "args": ["/bin/true"], "cwd": "/", "env": ["PATH=/bin"], "user": { "uid": 0, "gid": 0 }, "noNewPrivileges": true },
  "root": { "path": "rootfs" },
  "hostname": "bench",
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] }
  ],
  "linux": { "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }] }
}
EOF

# As an installation writes them: a linker leaves its output in the page cache in pieces that are slower to map.
mkdir "$folder/programs"
cp "$programs/pinion" "$programs/pinion-starter" "$programs/floor" "$folder/programs"
sync
pinion="$folder/programs/pinion run --bundle $folder/bundle"

# shellcheck source=SCRIPTDIR/pairs.sh
. "$(dirname "$0")/pairs.sh"

# beside NAME COMMAND: a peer, in turn with pinion.
beside() {
	name=$1
	peer=$2
	if ! sh -c "$peer" >"$folder/out" 2>&1; then
		printf '%-6s left out: it does not start here: %s\n' "$name" "$(head -1 "$folder/out")"
		return
	fi
	pair "$pinion" "$peer" ours theirs
	echo "$name $(median <"$folder/ours") $(median <"$folder/theirs")" |
		awk '{ printf "%-6s %7.3f ms   pinion %7.3f ms   pinion / %s %.2f\n", $1, $3 * 1000, $2 * 1000, $1, $2 / $3 }'
}

beside floor "$folder/programs/floor $root /bin/true"
beside bwrap "bwrap --unshare-pid --unshare-ipc --unshare-uts --hostname bench --bind $root / --proc /proc --dev /dev /bin/true"
beside crun "crun --root $folder/crun --cgroup-manager=disabled run --bundle $folder/bundle bench"
beside runc "runc --root $folder/runc run --bundle $folder/bundle bench"

# The other flows, with the same programs.
user=65533
chmod 755 "$folder"
cp "$programs/pinion-starter" "$folder/programs/pinion-starter-suid"
chmod 4755 "$folder/programs/pinion-starter-suid"
mkdir "$folder/own"
ln -s ../bundle/rootfs "$folder/own/rootfs"
sed "s/\"uid\": 0, \"gid\": 0/\"uid\": $user, \"gid\": $user/" "$folder/bundle/config.json" >"$folder/own/config.json"
mkdir -p /run/pinion
mount -t tmpfs -o mode=700 none /run/pinion

# flow NAME BOUND COMMAND [RUNNER [PREPARATION]]: in turn with an attached start by root.
flow() {
	if ! ${4:-} sh -c "$3" >"$folder/out" 2>&1; then
		printf '%-9s left out: it does not start here: %s\n' "$1" "$(head -1 "$folder/out")"
		return
	fi
	pair "$pinion" "$3" ours theirs "${4:-}" "${5:-}"
	echo "$1 $(median <"$folder/ours") $(median <"$folder/theirs") $2" |
		awk '{ printf "%-9s %7.3f ms   attached, root %7.3f ms   ratio %.2f (at most %s)\n", $1, $3 * 1000, $2 * 1000, $3 / $2, $4 }'
}

flow setuid 1.15 "$folder/programs/pinion run --setuid --bundle $folder/own" "setpriv --clear-groups --reuid $user --regid $user"
# The one before has gone when the next is started. One that has gone so soon that nobody finds it is none to wait for.
flow instance 1.15 "$folder/programs/pinion start bench --bundle $folder/bundle" '' "sh -c '$folder/programs/pinion wait bench || true'"
"$folder/programs/pinion" start exec --bundle "$folder/bundle" /bin/busybox sleep 3600
flow exec 0.8 "$folder/programs/pinion exec exec /bin/true"
"$folder/programs/pinion" stop --timeout 0 exec

# What the privilege contract costs: the same start with a starter that does not look at what its processes have around callbacks.
mkdir "$folder/unenforced"
cp "$programs/pinion" "$folder/unenforced"
cp "$programs/unenforced" "$folder/unenforced/pinion-starter"
sync
pair "$pinion" "$folder/unenforced/pinion run --bundle $folder/bundle" ours theirs
echo "$(median <"$folder/ours") $(median <"$folder/theirs")" |
	awk '{ printf "enforcement %7.3f ms with %7.3f ms without  ratio %.2f (at most 1.05)\n", $1 * 1000, $2 * 1000, $1 / $2 }'
