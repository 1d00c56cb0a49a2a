// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"testing"
)

// failures are runs in which something fails. The container's program waits for a line that does not come.
var failures = []scenario{
	failing("PrepareConfig", "error", transcript{"run: order": "PrepareConfig, CleanupHost", "CleanupHost: process": "stage 1"}),
	failing("PrepareConfig", "panic", transcript{"run: order": "PrepareConfig, CleanupHost"}),
	failing("CreateContainer", "error", transcript{
		"run: order":               "PrepareConfig, CreateContainer, monitored, CleanupContainer, CleanupHost",
		"CleanupContainer: fatal":  "container creation failed: CreateContainer: told to fail",
		"CleanupContainer: told":   "true",
		"CleanupContainer: status": "0x9"}),
	failing("CreateContainer", "panic", transcript{
		"CleanupContainer: fatal": "container creation failed: CreateContainer panicked: CreateContainer was told to panic"}),
	failing("PreStartProcess", "error", transcript{
		"CleanupContainer: fatal": "pre start process failed: PreStartProcess: told to fail", "CleanupContainer: told": "true"}),
	failing("PreStartProcess", "panic", nil),
	failing("PreStartProcess later", "error", transcript{"CleanupContainer: told": "true"}),
	failing("StartProcess", "error", transcript{"CleanupContainer: fatal": "<nil>", "CleanupContainer: status": "0xff00",
		"run: standard error says told to fail": "true"}),
	failing("StartProcess", "panic", nil),
	failing("PostStartHost", "error", transcript{"CleanupContainer: fatal": "...host post start process failed: "}),
	failing("PostStartHost", "panic", nil),
	failing("PostStartProcess", "error", transcript{
		"CleanupContainer: fatal": "post start process failed: PostStartProcess: told to fail"}),
	failing("PostStartProcess", "panic", nil),
	failing("MonitorContainer", "error", transcript{"CleanupContainer: fatal": "...MonitorContainer: told to fail",
		"CleanupContainer: status": "0x9"}),
	failing("MonitorContainer", "panic", nil),
	{
		name: lateError,
		prepare: func(r *run) {
			r.fail("PostStartProcess late", "error")
			r.shell("read -r line; exit 3")
		},
		want: transcript{"run: end": endedFailed, "CleanupContainer: status": "0x300",
			"CleanupContainer: fatal": "post start process failed: PostStartProcess: told to fail"},
	},
	{
		name:    "CleanupContainer fails",
		prepare: func(r *run) { r.fail("CleanupContainer", "error") },
		want:    transcript{"run: end": endedWell, "run: order": allCallbacks, "run: standard error says told to fail": "true"},
	},
	{
		name:    "CleanupHost fails",
		prepare: func(r *run) { r.fail("CleanupHost", "error") },
		want:    transcript{"run: end": endedWell, "run: order": allCallbacks},
	},
	{
		name:    "the container's program is not there",
		prepare: func(r *run) { r.config.Spec.Process.Args = []string{"/nothing"} },
		during:  func(*run) {},
		want:    transcript{"run: end": endedFailed, "CleanupContainer: fatal": "<nil>", "CleanupContainer: status": "0xff00"},
	},
	{
		name:    "there is no engine of that name",
		prepare: func(r *run) { r.order.Engine = "nobody" },
		during:  func(*run) {},
		want:    transcript{"run: end": endedFailed, "run: order": ""},
	},
	{
		name: "a namespace to join is not there",
		prepare: func(r *run) {
			for i := range r.config.Spec.Linux.Namespaces {
				if one := &r.config.Spec.Linux.Namespaces[i]; one.Type == "network" {
					one.Path = "/proc/nothing"
				}
			}
		},
		during: func(*run) {},
		want:   transcript{"run: end": endedFailed, "run: order": "PrepareConfig, CleanupHost"},
	},
}

// failing is a run that fails in one callback.
func failing(callback, how string, want transcript) scenario {
	all := transcript{"run: end": endedFailed}
	for key, value := range want {
		all[key] = value
	}
	return scenario{name: callback + ", " + how, prepare: func(r *run) { r.fail(callback, how) }, during: func(*run) {}, want: all}
}

func TestTheVariantsFailInTheSameWay(t *testing.T) { playAll(t, failures) }
