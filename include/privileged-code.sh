#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Counts the lines of code, without comments, of the functions that docs/threat-model.md lists as run with root's saved id: rows `| when | file | functions |`
# under "Code that runs with root's saved id". Fails above LIMIT lines, and where a listed function is not there any more. Of
# functions with one name in one file all count.
#   privileged-code.sh [LIMIT]
set -eu
cd "$(dirname "$0")/.."
limit=${1:-1000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n '/^## Code that runs with root/,/^## Classes/p' docs/threat-model.md | sed -n 's/^| [^|]* | `\([^`]*\)` | \(.*\) |$/\1 \2/p' |
	tr -d '`,' >"$work/rows"
while read -r file functions; do
	for name in $functions; do echo "$file $name"; done
done <"$work/rows" | LC_ALL=C sort -u >"$work/listed"
[ -s "$work/listed" ] || { echo "privileged-code: docs/threat-model.md lists nothing" >&2; exit 1; }

while read -r file name; do
	# As rustfmt writes it, a function ends with a brace as far in as it begins, or on its own line.
	lines=$([ ! -f "rust/$file" ] || awk -v name="$name" '
		!inside && $0 ~ "^ *(pub(\\([a-z]+\\))? )?(const )?fn " name "[(<]" {
			match($0, /^ */)
			end = substr($0, 1, RLENGTH) "}"
			inside = 1
			if ($0 ~ /}$/) { inside = 0; lines++ }
		}
		inside && !/^ *(\/\/|$)/ { lines++ }
		$0 == end { inside = 0 }
		END { print lines + 0 }
	' "rust/$file")
	printf '%6d %s %s\n' "${lines:-0}" "$file" "$name"
done <"$work/listed" >"$work/counted"
sort -k2,2 -k1,1nr "$work/counted"
total=$(awk '{ total += $1 } END { print total }' "$work/counted")
echo "$total lines, at most $limit"
if grep '^ *0 ' "$work/counted" >&2; then
	echo "privileged-code: these functions of docs/threat-model.md are not there any more" >&2
	exit 1
fi
if [ "$total" -gt "$limit" ]; then
	echo "privileged-code: more than $limit lines: let a process drop earlier, or do less before" >&2
	exit 1
fi
