// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExecReplacesTheProgram(t *testing.T) {
	for _, byDescriptor := range []bool{false, true} {
		result := frontEnd{Exec: true, ByDescriptor: byDescriptor, Size: 500_000}.start(t, "")
		var given report
		// Streams that no option gives stay the program's: the report came on its standard output.
		if err := json.Unmarshal([]byte(result.output), &given); err != nil {
			t.Fatalf("%v: %q; %s", err, result.output, result.Error)
		}
		equal(t, given.Arguments, []string{orders{}.name()})
		equal(t, given.Sum, sum(sized(500_000).text()))
		equal(t, given.Sealed != nil, byDescriptor)
	}
}

func TestExecPutsFilesInPlaceOfTheStreams(t *testing.T) {
	a, b, c := temporary(t), temporary(t), temporary(t)
	for _, closing := range [][]int{nil, {0}, {0, 1, 2}} {
		front := frontEnd{Exec: true, ByDescriptor: true, Streams: []int{3, 4, 5}, Close: closing, Orders: newReport(t)}
		equal(t, front.start(t, "", a, b, c).report.Streams, [3]string{a.Name(), b.Name(), c.Name()})
	}
}

func TestExecSwapsStreams(t *testing.T) {
	a, b := temporary(t), temporary(t)
	front := frontEnd{Exec: true, Streams: []int{1, 0}, Orders: newReport(t)}
	given := front.start(t, "exec 0<&3 1>&4;", a, b).report
	equal(t, given.Streams[:2], []string{b.Name(), a.Name()})
}

func TestAFailedExecChangesNothing(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	a, b, c := temporary(t), temporary(t), temporary(t)
	for _, closing := range [][]int{nil, {0}, {0, 1, 2}} {
		for _, starter := range []string{empty, "/nonexistent"} {
			front := frontEnd{Exec: true, ByDescriptor: true, Starter: starter, Streams: []int{3, 4, 5}, Close: closing,
				CloseOnExec: []int{1}}
			// A soft limit of open files below the hard one: Go's exec lowers its own for the new program.
			result := front.start(t, "ulimit -S -n 256;", a, b, c)
			equal(t, strings.HasPrefix(result.Error, "launch starter "), true)
			equal(t, result.After, result.Before)
		}
	}
}

func TestTheStarterHasTheLimitOfOpenFilesThatTheLauncherGot(t *testing.T) {
	for _, replaces := range []bool{false, true} {
		script, output := temporary(t), temporary(t)
		if _, err := script.WriteAt([]byte("ulimit -S -n"), 0); err != nil {
			t.Fatal(err)
		}
		front := frontEnd{Exec: replaces, Starter: "/bin/sh", Streams: []int{3, 4, 4}}
		equal(t, front.start(t, "ulimit -S -n 256;", script, output).Error, "")
		limit, err := os.ReadFile(output.Name())
		equal(t, string(limit), "256\n")
		equal(t, err, nil)
	}
}

func temporary(t *testing.T) *os.File {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func newReport(t *testing.T) orders {
	t.Helper()
	return orders{Report: filepath.Join(t.TempDir(), "report")}
}
