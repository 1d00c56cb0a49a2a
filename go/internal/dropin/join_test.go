// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/pinion-runtime/pinion/go/internal/dropin/sandbox"
)

// TestTheVariantsJoinAContainer has a second run join the first one's namespaces, whose shim stays meanwhile.
func TestTheVariantsJoinAContainer(t *testing.T) {
	joinAll(t, scenario{name: "join", during: (*run).release, want: wantJoined})
}

func TestTheVariantsPassSignalsOnWhenTheyJoin(t *testing.T) {
	joinAll(t, scenario{
		name:    "join, and a signal",
		prepare: func(r *run) { r.shell("echo ready >&3; read -r line") },
		during: func(r *run) {
			r.awaitReady("ready")
			r.kill(r.front.Process.Pid, syscall.SIGTERM)
		},
		want: transcript{"run: end": endedTerm},
	})
}

func joinAll(t *testing.T, second scenario) {
	t.Helper()
	var plain, plainTarget transcript
	for _, v := range variants {
		target, joined := joinOnce(t, v, second)
		if plain == nil {
			plain, plainTarget = joined, target
			second.check(t, joined)
			continue
		}
		compare(t, "the container that is joined", v, plainTarget, target)
		compare(t, second.name, v, plain, joined)
	}
}

var wantJoined = transcript{
	"run: end":                              endedWell,
	"run: order":                            "PrepareConfig, join checks, StartProcess",
	"join checks: target's parent":          "the target's master",
	"join checks: target's comm":            "dropin-shim",
	"join checks: target's arguments":       "dropin-shim",
	"join checks: target's root for a user": "Permission denied",
	"join checks: master's root for a user": "Permission denied",
	"StartProcess: pid namespace":           "the target's",
	"StartProcess: mnt namespace":           "the target's",
	"StartProcess: net namespace":           "host",
}

func joinOnce(t *testing.T, v *variant, joining scenario) (target, joined transcript) {
	t.Helper()
	first := newRun(t, v)
	first.config.Shim = "dropin-shim"
	first.start()
	first.until("PostStartProcess")
	text, err := os.ReadFile(first.config.Record)
	first.must(err)
	var record sandbox.Record
	first.must(json.Unmarshal(text, &record))

	second := newRun(t, v)
	second.order.PostStartHost, second.order.CleanupHost = false, false
	second.config.Target = record.Process
	second.target = names{fmt.Sprint(record.Process): "the target", fmt.Sprint(record.Master): "the target's master"}
	for _, kind := range []string{"pid", "mnt", "uts", "ipc"} {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", record.Process, kind))
		second.must(err)
		second.targetNamespaces = append(second.targetNamespaces, kind+link)
	}
	if joining.prepare != nil {
		joining.prepare(second)
	}
	second.start()
	joining.during(second)
	second.finish()
	first.release()
	first.finish()
	if t.Failed() {
		t.Logf("%s:\n%s%s%s%s", v.name, first.stdout, first.stderr, second.stdout, second.stderr)
	}
	return first.transcript(), second.transcript()
}
