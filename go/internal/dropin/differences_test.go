// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// difference is one that is meant.
type difference struct {
	// run, variant and key are patterns as package path has them; key is one of the transcript's.
	run, variant, key string
	// plain and other are what the two of them show; empty for whatever that is.
	plain, other string
	why          string
}

// differences are all that are meant.
var differences = []difference{
	{run: "*", variant: "everything*", key: "*Host: environment",
		why: "the processes on the host have none of the launcher's either: what they execute is to be no starter"},
	{run: "*", variant: "everything*", key: "*Host: session", plain: "the caller's", other: "its own",
		why: "what a terminal sends to its foreground group is not to end the processes on the host"},
	{run: "*", variant: "everything*", key: "*Host: process group", plain: "the caller's", other: "its own", why: "as above"},
	{run: "root with a user namespace", variant: "everything", key: "run: master is the starter", plain: "false", other: "true",
		why: "the plain starter has threads, and cannot enter a user namespace itself"},
	{run: "root with a user namespace", variant: "everything", key: "*: parent", plain: "starter", other: "caller",
		why: "as above: its master is a child of the starter"},
	{run: "root with a user namespace", variant: "everything", key: "*: parent", plain: "starter", other: "master", why: "as above"},
	{run: "built-in RPC methods", variant: "everything", key: "RPC values: one thread", plain: "false", other: "true",
		why: "the core serves them without starting Go"},
	{run: "PostStartHost, *", variant: "everything", key: "CleanupContainer: fatal", why: "the error's text comes to master"},
	{run: "MonitorContainer, *", variant: "everything", key: "CleanupContainer: fatal",
		why: "an error of the monitor has a prefix too"},
	{run: "*", variant: "everything", key: "context: of CreateContainer",
		plain: "not cancelled", other: "context canceled", why: "contexts are cancelled"},
}

// lateError is a run whose container ends by itself before something fails.
const lateError = "PostStartProcess fails when the container has ended"

const waitingSignal = "a signal while CreateContainer takes its time"

// used has those that a run showed.
var used = map[int]bool{}

// unused are those that none of the runs showed.
func unused() (found []difference) {
	for i, one := range differences {
		if !used[i] {
			found = append(found, one)
		}
	}
	return found
}

// compare says each difference between a variant and the plain one that is not meant, and returns how many values were compared.
func compare(t *testing.T, run string, v *variant, plain, other transcript) int {
	t.Helper()
	keys := map[string]bool{}
	for _, one := range []transcript{plain, other} {
		for key := range one {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		callback, _, _ := strings.Cut(key, ": ")
		if was := callback + ": process"; callback != "run" && (plain[was] == "") != (other[was] == "") {
			// One of the two did not call it: that is said once.
			if key != was {
				continue
			}
		}
		if plain[key] != other[key] && !meant(run, v, key, plain[key], other[key]) {
			t.Errorf("%s, %s:\nplain: %q\n%s: %q", run, key, plain[key], v.name, other[key])
		}
	}
	return len(keys)
}

func meant(run string, v *variant, key, plain, other string) bool {
	for i, one := range differences {
		if matches(one.run, run) && matches(one.variant, v.name) && matches(one.key, key) &&
			(one.plain == "" || one.plain == plain) && (one.other == "" || one.other == other) {
			used[i] = true
			return true
		}
	}
	return false
}

// matches takes a pattern that is broken for one that never matches: the table's line is then said to be unused.
func matches(pattern, text string) bool {
	is, _ := path.Match(pattern, text)
	return is
}
