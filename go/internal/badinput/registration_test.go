// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import "testing"

const tooLate = "registration after the lifecycle has begun"

// What was there before goes on: the container runs.
func TestRegistrationAfterAStartIsRefused(t *testing.T) {
	for _, callback := range []string{"PrepareConfig", "CreateContainer", "MonitorContainer", "StartProcess", "CleanupContainer"} {
		for _, deed := range []string{"register", "register elsewhere"} {
			t.Run(callback+": "+deed, func(t *testing.T) {
				start{own: do(callback, deed)}.run(t).exits(works).says(
					`bad: `+callback+`: methods: `, `register RPC methods of "late": `+tooLate,
					`bad: `+callback+`: own methods: `, `register RPC methods of "bad": `+tooLate)
			})
		}
	}
}

// What engine.RegisterOperations promises: RegistrationError and Get report what the core refuses.
func TestARefusedRegistrationOfAnEngineIsReported(t *testing.T) {
	result := start{own: do("CreateContainer", "register")}.run(t).exits(works)
	const late, bad = `register engine "late": ` + tooLate, `register engine "bad": ` + tooLate
	result.says("bad: CreateContainer: operations: "+late, "bad: CreateContainer: get: "+late, bad)
}

// The refused engine of the running one's name does not take its place: nothing of it is lost in Go either.
func TestARefusedRegistrationLosesNoEngine(t *testing.T) {
	start{own: do("CreateContainer", "register its own name")}.run(t).exits(works).
		says("bad: CreateContainer: its own engine afterwards: *main.badEngine")
}

// wrongRegistrations are what hosts register in their init functions, by argv[0].
var wrongRegistrations = map[string]string{
	"registers nil":                `engine "late" was registered without operations`,
	"registers no name":            `register engine "": the name is empty`,
	"registers NUL":                `register engine "a\x00b": the name has a NUL`,
	"registers methods of NUL":     `register RPC methods of "a\x00b": the name has a NUL`,
	"registers methods of no name": `register RPC methods of "": the name is empty`,
}

func TestAWrongRegistrationFailsTheStart(t *testing.T) {
	for host, says := range wrongRegistrations {
		t.Run(host, func(t *testing.T) { start{host: host}.run(t).exits(fails).says("pinion: error: " + says + "\n") })
	}
}

// No callback was called: none is to be blamed.
func TestAWrongRegistrationIsNoCallbacksFault(t *testing.T) {
	start{host: "registers nil", hosts: true}.run(t).exits(fails).once("was registered without operations").
		without("PrepareConfig", "CleanupHost")
}

func TestAWrapperThatCannotBeUnwrapped(t *testing.T) {
	start{host: "registers what panics"}.run(t).exits(fails).says(`engine "late"`, "Unwrap panics")
}

func TestANameNeedsNoUTF8(t *testing.T) {
	start{host: "registers invalid UTF-8"}.run(t).exits(works)
	start{document: []byte("{\"engineName\":\"\xff\"}")}.run(t).exits(fails).says(`engine "`, `" is not found`)
}
