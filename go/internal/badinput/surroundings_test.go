// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"strings"
	"testing"
)

// changes are what a callback leaves otherwise than it was. StartProcess may.
var changes = map[string]string{
	"change the directory":     ` changed the working directory from inode `,
	"change the group":         " changed the group ids from [0, 0, 0] to [0, 1, 0]",
	"change the user":          " changed the user ids from [0, 0, 0] to [0, 1, 0], and the effective capabilities from ",
	"change one thread's user": " changed the user ids from [0, 0, 0] to [0, 1, 0], and the effective capabilities from ",
	"block all signals":        " changed the blocked signals from 0x",
}

func TestWhatACallbackChangesIsItsError(t *testing.T) {
	for _, callback := range callbacks {
		for deed, says := range changes {
			// What MonitorContainer changes for the whole process another callback is blamed for, which ends before it does: with another
			// user id, if only of its thread, the process is dumpable no more (credentials(7)).
			if callback.name == "StartProcess" || callback.name == "MonitorContainer" && deed != "block all signals" {
				continue
			}
			t.Run(callback.name+": "+deed, func(t *testing.T) {
				start := callback.doing(deed)
				if callback.code == fails && callback.name != "MonitorContainer" {
					// Its end would come before the look at what PostStartProcess has changed.
					start.own["Args"] = []string{"/bin/sleep", "1000"}
				}
				start.run(t).exits(callback.code).
					says("pinion: error: "+callback.prefix+callback.name+says, "a callback leaves its process as it was when it returns").
					once("bad: CleanupHost\n")
			})
		}
	}
}

func TestStartProcessMayChangeItsProcess(t *testing.T) {
	for _, deed := range []string{"change the directory", "change the umask", "block all signals", "close the core's descriptors"} {
		t.Run(deed, func(t *testing.T) { start{own: do("StartProcess", deed), hosts: true}.run(t).exits(works) })
	}
}

// A process of several threads has no moment to look at it; master says so at the end.
func TestTheUmaskIsToldInMaster(t *testing.T) {
	for _, callback := range callbacks {
		result := callback.doing("change the umask").run(t).exits(works)
		if callback.inMaster || callback.name == "CleanupContainer" {
			result.says("pinion: warning: CreateContainer, MonitorContainer or another callback of master changed the umask from ")
		}
	}
}

// Whoever waits for the process says so: that it closed its connection, or that it ended, if it has by then.
func TestACallbackClosesTheCoresDescriptors(t *testing.T) {
	for _, deed := range []string{"close all descriptors", "close the core's descriptors"} {
		for _, callback := range callbacks {
			says := map[string]string{
				"PrepareConfig": "PrepareConfig: stage1 ",
				"PostStartHost": "PostStartHost: post-start-host ",
				"CleanupHost":   "CleanupHost: cleanup-spare ",
			}[callback.name]
			if says == "" {
				continue
			}
			t.Run(callback.name+": "+deed, func(t *testing.T) {
				start := callback.doing(deed)
				// Go's runtime cannot live without its poller, and a core with debug assertions aborts over a descriptor that is gone, unless
				// it is killed before.
				start.loud = true
				start.run(t).exits(callback.code).says("pinion: error: "+callback.prefix+says, " without a")
			})
		}
	}
}

// Exactly once is what the engine was promised. What is closed behind the core's back ends stage 1 in some way, aborted by Rust's own check of descriptors for one.
func TestCleanupHostRunsOnceWhenPrepareConfigClosesEverything(t *testing.T) {
	for range 5 {
		start{own: do("PrepareConfig", "close all descriptors"), hosts: true, loud: true}.run(t).once("bad: CleanupHost\n")
	}
}

// In master nobody is left to say so: it ends in some way, and everything with it.
func TestACallbackOfMasterClosesEveryDescriptor(t *testing.T) {
	for _, callback := range callbacks {
		if !callback.inMaster && callback.name != "CleanupContainer" {
			continue
		}
		for _, deed := range []string{"close all descriptors", "close the core's descriptors"} {
			t.Run(callback.name+": "+deed, func(t *testing.T) {
				start := callback.doing(deed)
				start.abandons, start.loud = true, true
				result := start.run(t).once("bad: CleanupHost\n")
				if result.status.Exited() && result.status.ExitStatus() == 0 {
					t.Errorf("it succeeded: %s", result.said)
				}
			})
		}
	}
}

// A program that a callback starts is one like any other.
func TestChildrenOfACallbackHaveNoBlockedSignals(t *testing.T) {
	for _, callback := range callbacks {
		t.Run(callback.name, func(t *testing.T) {
			callback.doing("tell a child's signals").run(t).exits(works).
				says("bad: " + callback.name + ": child: SigBlk: 0000000000000000\n")
		})
	}
}

func TestChildrenOfInitFunctionsHaveNothingOfTheStarters(t *testing.T) {
	result := start{host: "forks in init", hosts: true}.run(t).exits(works)
	own := map[string]bool{}
	for _, target := range descriptors(t) {
		own[target] = true
	}
	for line := range strings.Lines(result.said) {
		if _, target, found := strings.Cut(line, " -> "); found && !own[strings.TrimSpace(target)] {
			if !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "/proc/") {
				t.Errorf("a child has %s", line)
			}
		}
	}
}

// The processes on the host are made before the environment is emptied, and must not hand it on.
func TestChildrenOfInitFunctionsAreNoStarters(t *testing.T) {
	result := start{host: "forks in init", hosts: true}.run(t).exits(works)
	for _, role := range []string{"1", "2", "4", "5", "7", "8"} {
		result.line("bad: init of "+role+": itself: ", "exit status 255")
	}
}
