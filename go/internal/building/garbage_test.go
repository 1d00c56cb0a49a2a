// SPDX-License-Identifier: Apache-2.0 OR MIT

package building

import (
	"slices"
	"strings"
	"testing"
)

// The launcher turns the collector off. Here it runs all the time, checks itself and overwrites what it frees, while the engine
// holds descriptors and connections in every callback and leaves open files in its garbage. What the bindings hold too briefly,
// close twice or leave open in the container makes another result of one of the runs.
func TestGarbageCollectionTakesNothingThatIsHeld(t *testing.T) {
	const runs = 30
	want := []string{
		"CleanupContainer: 16 kept",
		// The processes on the host have the configuration that the launcher gave.
		"CleanupHost: 0 kept",
		"CreateContainer: 16 kept",
		"MonitorContainer, after its end: 16 kept",
		"MonitorContainer: 16 kept",
		"PostStartHost: 0 kept",
		"PostStartProcess: 16 kept",
		"PreStartProcess, after question: 16 kept",
		"PreStartProcess: 16 kept",
		"PrepareConfig: 16 kept",
		"StartProcess, after answer: 16 kept",
		"StartProcess: 16 kept",
	}
	h := newHost(t)
	program := h.build(t, "./cmd/starter")
	// The shell looks into its folder of descriptors by one more, which is gone when it looks for that.
	shell := []string{"/bin/sh", "-c", `read -r word; for file in /proc/self/fd/*; do
		if [ -e "$file" ]; then list="$list ${file##*/}"; fi; done; echo "container: $word, descriptors$list"; exit 7`}
	// Whoever runs the tests may leave some open in every program.
	elsewhere := bounded(t, shell...)
	elsewhere.Stdin = strings.NewReader("go\n")
	_, there := end(t, elsewhere)
	want = append(want, strings.TrimSpace(there))
	for run := range runs {
		status, said := start(t, program, "holding", shell,
			"GOGC=1", "GODEBUG=gccheckmark=1,clobberfree=1", "POST_START_HOST=1", "CLEANUP_HOST=1")
		exits(t, status, exitCode, said)
		if is := slices.Sorted(strings.SplitSeq(strings.TrimSpace(said), "\n")); !slices.Equal(is, want) {
			t.Fatalf("run %d of %d said\n%s\nnot\n%s", run+1, runs, strings.Join(is, "\n"), strings.Join(want, "\n"))
		}
	}
}
