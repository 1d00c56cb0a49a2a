// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Job servers and MPI launchers hand descriptors down: what the front end got without close-on-exec is the starter's too, at the
// same number, and nothing else is but the configuration.
func TestTheStarterGetsWhatTheCallerLeftOpenAndTheConfiguration(t *testing.T) {
	a, b := temporary(t), temporary(t)
	for name, files := range map[string][]*os.File{
		"none":       nil,
		"one":        {a},
		"two":        {a, b},
		"with a gap": {a, nil, b},
		"not at 3":   {nil, a, b},
	} {
		for _, front := range []frontEnd{{}, {ByDescriptor: true}, {Exec: true}, {Exec: true, ByDescriptor: true}} {
			front.Orders = newReport(t)
			result := front.start(t, "", files...)
			want := result.Inherited
			if front.ByDescriptor {
				want[result.report.Sealed.Descriptor] = "/memfd:engine-config (deleted)"
			}
			if len(want) < len(files)-1 {
				t.Fatalf("%s: the front end itself got %v only", name, want)
			}
			equal(t, result.report.Inherited, want)
			equal(t, result.Error, "")
			// What a run opened for itself is closed.
			equal(t, result.After, result.Before)
			if t.Failed() {
				t.Fatalf("%s, %+v", name, front)
			}
		}
	}
}

func TestOtherProgramsDoNotGetTheConfiguration(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, front := range []frontEnd{
		{ByDescriptor: true, Exec: true, Starter: empty, Again: 2000},
		{ByDescriptor: true, Again: 10},
	} {
		front.Streams = []int{3, 3, 3}
		equal(t, front.start(t, "", null).Met, "")
	}
}

func TestWithClosedStreamsTheConfigurationIsNoStream(t *testing.T) {
	for _, replaces := range []bool{false, true} {
		front := frontEnd{ByDescriptor: true, Exec: replaces, Close: []int{0, 1, 2}, Orders: newReport(t)}
		result := front.start(t, "")
		equal(t, result.Error, "")
		equal(t, result.report.Document, sized(8).text())
		equal(t, result.report.Sealed.Descriptor >= 3, true)
	}
}
