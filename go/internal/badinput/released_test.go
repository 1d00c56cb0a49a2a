// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import "testing"

// setters are the starter configuration's that return an error.
var setters = []string{"KeepFileDescriptor", "Write", "AddUIDMappings", "AddGIDMappings", "SetNewUIDMapPath", "SetNewGIDMapPath",
	"SetNsPath", "SetNsPathFromSpec", "SetTimeouts", "NoteMount", "NoteFile", "NoteDirectory", "Release"}

// silent are those whose error is PrepareConfig's.
var silent = []string{"SetInstance", "SetNoNewPrivs", "SetMasterPropagateMount", "SetNamespaceJoinOnly",
	"SetBringLoopbackInterface", "SetMountPropagation", "SetWorkingDirectoryFd", "SetImageFd", "SetNvCCLICaps", "SetHybridWorkflow",
	"SetAllowSetgroups",
	"SetNoSetgroups", "SetNativeRPC", "SetNsFlags", "SetNsFlagsFromSpec", "SetCapabilities", "SetTargetUID", "SetTargetGID"}

const released = "starter configuration: used after its release"

func TestAfterReleaseEverySetterIsAnError(t *testing.T) {
	result := start{own: do("PrepareConfig", "release and call setters"), hosts: true}.run(t).exits(works)
	for _, setter := range setters {
		result.says("bad: after Release: " + setter + ": " + released + "\n")
	}
}

func TestAfterReleaseASilentSetterFailsPrepareConfig(t *testing.T) {
	for _, setter := range silent {
		t.Run(setter, func(t *testing.T) {
			start{own: do("PrepareConfig", "release and "+setter)}.run(t).exits(fails).once("pinion: error: " + released + "\n")
		})
	}
}

func TestAfterReleaseGettersAreNeutral(t *testing.T) {
	start{own: do("PrepareConfig", "release and call getters")}.run(t).exits(works).
		says(`bad: after Release: suid false, pid 0, image -1, document ""`)
}

// The core's object is gone by then. CleanupHost is called in the same process where PrepareConfig failed, MarshalJSON always.
func TestAfterPrepareConfigEverySetterIsAnError(t *testing.T) {
	for when, do := range map[string]map[string]string{
		"MarshalJSON": {"PrepareConfig": "keep for MarshalJSON"},
		"CleanupHost": {"PrepareConfig": "keep and fail", "CleanupHost": "use what was kept"},
	} {
		t.Run(when, func(t *testing.T) {
			result := start{own: own{"Do": do}, hosts: true}.run(t)
			result.says(`bad: ` + when + `: suid false, pid 0, image -1, document ""`)
			for _, setter := range setters {
				result.says("bad: " + when + ": " + setter + ": the pinion_config given was freed before\n")
			}
		})
	}
}

// Master is another process: what stage 1 kept in a variable is not there.
func TestAStarterConfigurationKeptForCreateContainer(t *testing.T) {
	start{own: own{"Do": map[string]string{"PrepareConfig": "keep", "CreateContainer": "use what was kept"}}}.run(t).exits(fails).
		says("container creation failed: CreateContainer panicked: runtime error: invalid memory address or nil pointer dereference")
}

func TestAnotherGoroutineCannotUseTheStarterConfiguration(t *testing.T) {
	const foreign = "the pinion_config given belongs to the thread of the callback that got it\n"
	result := start{own: do("PrepareConfig", "call setters elsewhere")}.run(t).exits(fails).says("pinion: error: " + foreign)
	for _, setter := range setters {
		result.says("bad: elsewhere: " + setter + ": " + foreign)
	}
}

func TestNamesThatNothingCanHave(t *testing.T) {
	result := start{own: do("PrepareConfig", "use bad names"), hosts: true}.run(t).exits(works)
	for call, says := range map[string]string{
		"SetNsPath of nothing":        `namespace "" is unknown`,
		"SetNsPath of NUL":            `namespace "pid\0" is unknown`,
		"SetNsPath to nothing":        "join pid namespace: the path is empty",
		"SetNsPath to NUL":            "join pid namespace: the path has a NUL",
		"SetNsPath to bytes":          `"/tmp/\xff": no UTF-8`,
		"SetNsPath to a long one":     "the path has 4096 bytes, at most 4095 are possible",
		"SetNsPathFromSpec of NUL":    `namespace "p\0id" is unknown`,
		"SetNsPathFromSpec of a word": `namespace "word" is unknown`,
		"SetNsPathFromSpec to NUL":    "join pid namespace: the path has a NUL",
	} {
		t.Run(call, func(t *testing.T) { result.of(t).line("bad: "+call+": ", says) })
	}
}

// What cannot be undone is refused when it is noted, and not at the end of the run.
func TestPlacesThatCannotBeNoted(t *testing.T) {
	result := start{own: do("PrepareConfig", "use bad names"), hosts: true}.run(t)
	for _, call := range []string{"NoteMount of nothing", "NoteMount of NUL", "NoteFile of NUL", "NoteDirectory of a relative"} {
		t.Run(call, func(t *testing.T) { result.of(t).without("bad: " + call + ": <nil>") })
	}
}

func TestNamesOfSilentSetters(t *testing.T) {
	for call, says := range map[string]string{
		"SetCapabilities of nothing":   `capability set "" is unknown`,
		"SetCapabilities of NUL":       `capability set "effective\0" is unknown`,
		"SetCapabilities of a word":    `capability set "word" is unknown`,
		"SetCapabilities to nothing":   `effective capabilities: capability "" is unknown`,
		"SetCapabilities to NUL":       `effective capabilities: capability "CAP_CHOWN\0" is unknown`,
		"SetCapabilities to bytes":     "no UTF-8",
		"SetMountPropagation to NUL":   `"private\0"`,
		"SetNsFlagsFromSpec to NUL":    `namespace "\0" is unknown`,
		"SetNsFlagsFromSpec to no one": `namespace "" is unknown`,
		"SetNsFlags to too much":       "bits that are no CLONE_NEW*",
		"SetTargetUID to -1":           "-1",
		"SetTargetGID to 2^40":         "1099511627776",
		"SetImageFd to -1":             "-1",
		"SetImageFd to 2^32":           "descriptor 4294967296: no descriptor has this number",
		"SetWorkingDirectoryFd to 999": "descriptor 999: bad file descriptor",
	} {
		t.Run(call, func(t *testing.T) {
			start{own: do("PrepareConfig", call)}.run(t).exits(fails).once("pinion: error: ").says(says)
		})
	}
}
