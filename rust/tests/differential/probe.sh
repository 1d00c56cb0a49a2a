# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs as a container's program and prints everything that it sees of itself, in sections. `$$` is the program
# itself; /proc/self would be one of the tools. Arguments: more paths to look at.
section() { echo "== $1"; }
look() { # type, mode, owner, device number, target of a link
	stat -c '%F %a %u:%g %t:%T' "$1" | { read -r line; echo "$1 $line $(readlink "$1")"; }
}

mask=$(umask)
umask 022
section credentials
id
grep -E '^(Uid|Gid|Groups|Cap[A-Za-z]*|NoNewPrivs|Seccomp|Seccomp_filters|SigBlk|SigIgn):' /proc/$$/status | tr -s '\t ' ' '

section maps
for file in uid_map gid_map setgroups; do
	echo "$file $(tr -s ' \n' ' ' < /proc/$$/$file)"
done

section mounts
cat /proc/$$/mountinfo

section limits
tr -s ' ' < /proc/$$/limits

section environment
tr '\0' '\n' < /proc/$$/environ

section arguments
tr '\0' '\n' < /proc/$$/cmdline

section directory
readlink /proc/$$/cwd
look .

section names
hostname
cat /proc/sys/kernel/domainname

section namespaces
for kind in cgroup ipc mnt net pid user uts; do
	readlink /proc/$$/ns/$kind
done

section processes
[ $$ = 1 ] && echo first
echo "oom_score_adj $(cat /proc/$$/oom_score_adj)"

section descriptors
for fd in /proc/$$/fd/*; do
	# The shell has its script open beside the ones that it got. No substitution: that would be one more.
	echo "${fd##*/}"
	readlink "$fd"
done

section umask
echo "$mask"

section network
ip -o link show 2> /dev/null | sed 's/ *link.*//'

section devices
find /dev | while read -r path; do look "$path"; done

section root
find / -xdev | while read -r path; do look "$path"; done

section covered
for path in /proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats \
	/proc/sched_debug /proc/scsi /sys/firmware /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger "$@"; do
	[ -e "$path" ] || continue
	if [ -d "$path" ]; then what="$(find "$path" -maxdepth 1 | wc -l) names"; else what="$(head -c 1 "$path" 2> /dev/null | wc -c) bytes"; fi
	[ -w "$path" ] && what="$what, writable"
	case $path in
	/proc/*) echo "$path $what" ;;
	*) echo "$(look "$path") $what" ;;
	esac
done

section writable
for path in / /dev /dev/shm /proc /sys "$@"; do
	[ -d "$path" ] || continue
	if { echo x > "$path/probe-was-here"; } 2> /dev/null; then
		look "$path/probe-was-here"
		rm "$path/probe-was-here"
	else
		echo "$path not"
	fi
done

section null
echo gone > /dev/null && echo written
section end
