# SPDX-License-Identifier: Apache-2.0 OR MIT
# For the benches: medians, and two commands in turn. Whoever reads this in has set folder, runs and rounds.

# The median of the numbers on standard input.
median() {
	sort -n | awk '{ t[NR] = $1 } END { print (NR % 2) ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
}

# pair COMMAND OTHER FILE OTHER-FILE [RUNNER [PREPARATION]]: runs the two a few at a time and each of them first in every other round,
# so that a drift of the machine's speed meets both; their times go into the files, and the processor's time of each few, per run, into
# FILE.cpu. Each run of the other one is measured by a process
# that the RUNNER starts, and comes after the PREPARATION.
pair() {
	for file in "$3" "$4"; do
		: >"$folder/$file"
		: >"$folder/$file.cpu"
	done
	round=0
	while [ $round -lt "$rounds" ]; do
		round=$((round + 1))
		[ $((round % 2)) -eq 1 ] || measure "$4" "$2" "${5:-}" "${6:-}"
		measure "$3" "$1"
		[ $((round % 2)) -eq 0 ] || measure "$4" "$2" "${5:-}" "${6:-}"
	done
}

# measure FILE COMMAND [RUNNER [PREPARATION]]
measure() {
	: >"$folder/json"
	chmod 666 "$folder/json"
	# shellcheck disable=SC2086 # the runner is words
	${3:-} hyperfine -N -w 1 -r $((runs / rounds)) ${4:+--prepare "$4"} --export-json "$folder/json" "$2" >/dev/null 2>&1
	jq -r '.results[0].times[]' "$folder/json" >>"$folder/$1"
	jq -r '.results[0] | .user + .system' "$folder/json" >>"$folder/$1.cpu"
}
