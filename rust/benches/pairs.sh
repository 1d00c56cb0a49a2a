# SPDX-License-Identifier: Apache-2.0 OR MIT
# For the benches: medians, and two commands in turn. Whoever reads this in has set folder, runs and rounds.

# The median of the numbers on standard input.
median() {
	sort -n | awk '{ t[NR] = $1 } END { print (NR % 2) ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
}

# pair COMMAND OTHER FILE OTHER-FILE: runs the two a few at a time and each of them first in every other round, so that a drift of the
# machine's speed meets both; their times go into the files.
pair() {
	: >"$folder/$3"
	: >"$folder/$4"
	round=0
	while [ $round -lt "$rounds" ]; do
		round=$((round + 1))
		if [ $((round % 2)) -eq 1 ]; then
			together "$1" "$2" "$3" "$4"
		else
			together "$2" "$1" "$4" "$3"
		fi
	done
}

together() {
	hyperfine -N -w 1 -r $((runs / rounds)) --export-json "$folder/json" "$1" "$2" >/dev/null 2>&1
	jq -r '.results[0].times[]' "$folder/json" >>"$folder/$3"
	jq -r '.results[1].times[]' "$folder/json" >>"$folder/$4"
}
