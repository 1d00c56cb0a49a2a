// SPDX-License-Identifier: Apache-2.0 OR MIT

package mixed

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// starters are those that have the engine in C: one in Go, which has an engine in Go besides, and one in C.
var starters = []string{"mixedstarter", "cstarter"}

// inEach runs a test with each starter, and a log for the engine.
func inEach(t *testing.T, test func(t *testing.T, starter, log string)) {
	t.Helper()
	for _, starter := range starters {
		t.Run(starter, func(t *testing.T) { test(t, starter, filepath.Join(t.TempDir(), "log")) })
	}
}

// lines are those of a log, without InitConfig's: how many processes look at the configuration is the core's affair.
func lines(t *testing.T, log string) []string {
	t.Helper()
	text, err := os.ReadFile(log)
	must(t, err)
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
		return line == "InitConfig of one"
	})
}

func saysInOrder(t *testing.T, is []string, want ...string) {
	t.Helper()
	if !slices.Equal(is, want) {
		t.Errorf("the engine wrote\n%s\nnot\n%s", strings.Join(is, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnEngineInCRunsAContainer(t *testing.T) {
	inEach(t, func(t *testing.T, starter, log string) {
		gate := filepath.Join(t.TempDir(), "gate")
		must(t, syscall.Mkfifo(gate, 0o600))
		script := "read -r line <" + gate + "; [ $line = go ] || exit 1; exit 7"
		status, said := begin(t, starter, "mixed-c", map[string]any{"Log": log, "Script": script, "Gate": gate}).end()
		exits(t, 7, status, said)
		if said != "" {
			t.Errorf("said %q", said)
		}
		is := lines(t, log)
		// It is called beside the others.
		const monitor = "MonitorContainer of a process prepared=yes"
		if at := slices.Index(is, monitor); at < slices.Index(is, "Declare") || at > slices.Index(is, "ended 0x700") {
			t.Errorf("%q is line %d of %q", monitor, at, is)
		} else {
			is = slices.Delete(is, at, at+1)
		}
		saysInOrder(t, is,
			// The processes on the host have what the launcher gave.
			"PrepareConfig prepared=no",
			"Declare",
			"CreateContainer of a process prepared=yes",
			"StartProcess prepared=yes",
			"PreStartProcess of a process prepared=yes",
			"PostStartHost prepared=no",
			"PostStartProcess of a process prepared=yes",
			"ended 0x700",
			"status 0x700",
			"CleanupContainer prepared=yes",
			"CleanupHost prepared=no",
		)
	})
}

func TestAnErrorOfCEndsTheRun(t *testing.T) {
	inEach(t, func(t *testing.T, starter, log string) {
		status, said := begin(t, starter, "mixed-c", map[string]any{"Log": log, "Script": "exit 7", "Fail": "CreateContainer"}).end()
		exits(t, 255, status, said)
		if want := "pinion: error: container creation failed: CreateContainer fails in C\n"; said != want {
			t.Errorf("said %q, not %q", said, want)
		}
		// The monitor learns of the cancellation, or of the container's end by it.
		is := slices.DeleteFunc(lines(t, log), func(line string) bool {
			return strings.HasPrefix(line, "MonitorContainer") || line == "ended 0x9"
		})
		saysInOrder(t, is,
			"PrepareConfig prepared=no",
			"Declare",
			"CreateContainer of a process prepared=yes",
			"fatal 5, errno 2: container creation failed: CreateContainer fails in C",
			"status 0x9",
			"CleanupContainer prepared=yes",
			"CleanupHost prepared=no",
		)
	})
}

// The error cancels the context, at which the other callbacks return errors too: those are not what ended the run.
func TestAnErrorOfLaterWorkInCEndsTheRun(t *testing.T) {
	const runs = 10
	inEach(t, func(t *testing.T, starter, log string) {
		for range runs {
			status, said := begin(t, starter, "mixed-c", map[string]any{"Log": log, "Script": trapping, "Fail": "later"}).end()
			exits(t, 255, status, said)
			holds(t, said, "pinion: error: pre start process failed: the C engine fails later\n")
			holds(t, strings.Join(lines(t, log), "\n"), "fatal 5, errno 2: pre start process failed: the C engine fails later")
			must(t, os.Remove(log))
		}
	})
}

func TestAnErrorOfPrepareConfigInCIsCleanedUpInStage1(t *testing.T) {
	inEach(t, func(t *testing.T, starter, log string) {
		status, said := begin(t, starter, "mixed-c", map[string]any{"Log": log, "Fail": "PrepareConfig"}).end()
		exits(t, 255, status, said)
		if want := "pinion: error: PrepareConfig fails in C\n"; said != want {
			t.Errorf("said %q, not %q", said, want)
		}
		saysInOrder(t, lines(t, log), "PrepareConfig prepared=no", "CleanupHost prepared=yes")
	})
}

// trapping is a script that tells of one signal and ends with 5 on another. It waits on an input that has no end.
const trapping = "trap 'echo one' USR1; trap 'exit 5' TERM; echo ready; while :; do read -r line; done"

// passesSignals sends both to the starter.
func passesSignals(t *testing.T, r *running) {
	t.Helper()
	r.until("ready")
	r.signal(syscall.SIGUSR1)
	r.until("one")
	r.signal(syscall.SIGTERM)
	status, said := r.end()
	exits(t, 5, status, said)
}

func TestSignalsReachAMonitorInC(t *testing.T) {
	inEach(t, func(t *testing.T, starter, log string) {
		passesSignals(t, begin(t, starter, "mixed-c", map[string]any{"Log": log, "Script": trapping}))
		is := slices.DeleteFunc(lines(t, log), func(line string) bool { return !strings.HasPrefix(line, "signal") })
		saysInOrder(t, is, "signal 10", "signal 15")
	})
}

// A signal that Go's threads take is the monitor's too, whichever language that is in.
func TestSignalsReachTheMonitorOfAnEngineInGo(t *testing.T) {
	for name, inRust := range map[string]bool{"in Go": false, "in Rust": true} {
		t.Run(name, func(t *testing.T) {
			passesSignals(t, begin(t, "mixedstarter", "mixed-go", map[string]any{"CoreMonitors": inRust, "Script": trapping}))
		})
	}
}

func TestAnInitShimInCEndsTheContainer(t *testing.T) {
	inEach(t, func(t *testing.T, starter, log string) {
		status, said := begin(t, starter, "mixed-c", map[string]any{"Log": log}).end()
		exits(t, 3, status, said)
		holds(t, strings.Join(lines(t, log), "\n"), "status 0x300")
	})
}

func TestAConfigurationThatCRefuses(t *testing.T) {
	inEach(t, func(t *testing.T, starter, log string) {
		status, said := begin(t, starter, "mixed-c", map[string]any{"Log": `back\slash`}).end()
		exits(t, 255, status, said)
		holds(t, said, `engineConfig: expected an object of texts without escapes`)
	})
}
