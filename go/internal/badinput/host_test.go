// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"syscall"
	"testing"
)

const told = "container creation failed: told to fail: an error of the engine's own"

// A message is told on the standard error stream where the host cannot take it.
func TestAHostsLogPanics(t *testing.T) {
	start{host: "log panics", own: do("CreateContainer", "error"), hosts: true}.run(t).exits(fails).
		says("pinion: error: "+told, "the host's log panics").once("bad: CleanupHost\n")
	start{host: "log panics", own: do("CleanupContainer", "error"), hosts: true}.run(t).exits(works).
		says("pinion: error: container cleanup failed: ", "the host's log panics").once("bad: CleanupHost\n")
	// Stage 1 and the container process have the starter tell their errors.
	start{host: "log panics", own: do("PrepareConfig", "error"), hosts: true}.run(t).exits(fails).
		says("told to fail: an error of the engine's own").once("bad: CleanupHost\n")
}

func TestAHostsLogWaitsForAnotherGoroutine(t *testing.T) {
	start{host: "log waits", own: do("CreateContainer", "error")}.run(t).exits(fails).says("bad: log -", ": "+told)
}

func TestAHostsLogLogs(t *testing.T) {
	start{host: "log logs", own: do("CreateContainer", "error")}.run(t).exits(fails).
		says("pinion: error: from inside of the log: "+told, "bad: log -", ": "+told)
}

// Nobody else can tell it, and nothing is left when somebody loses patience.
func TestAHostsLogBlocks(t *testing.T) {
	start := start{host: "log blocks", own: do("CreateContainer", "error"), hosts: true, abandons: true}
	running := start.begin(t)
	running.until("bad: the log blocks at: " + told)
	running.signal(syscall.SIGKILL)
	running.end().dies(syscall.SIGKILL).once("bad: CleanupContainer\n").once("bad: CleanupHost\n")
}

func TestAHostCannotExplain(t *testing.T) {
	for _, callback := range callbacks {
		t.Run(callback.name, func(t *testing.T) {
			start := callback.doing("error")
			start.host = "explain panics"
			result := start.run(t).exits(callback.code).says("pinion: error: " + callback.prefix).once("bad: CleanupHost\n")
			if callback.inMaster {
				result.says("bad: cleanup: mine true")
			}
		})
	}
}

func TestAHostExplainsByNothing(t *testing.T) {
	start{host: "explain says nothing", own: do("CreateContainer", "error")}.run(t).exits(fails).
		says("pinion: error: container creation failed: an error without a text\n", "bad: cleanup: mine true")
}

func TestTheChannelForTheMainThreadIsClosed(t *testing.T) {
	start{host: "main thread is closed", hosts: true}.run(t).exits(works)
	start{host: "main thread is closed", own: do("CreateContainer", "error"), hosts: true}.run(t).exits(fails).
		says("pinion: error: " + told)
}

func TestWorkOnTheMainThread(t *testing.T) {
	for _, callback := range []string{"PrepareConfig", "CreateContainer"} {
		for _, deed := range []string{"work on the main thread", "exit on the main thread"} {
			t.Run(callback+": "+deed, func(t *testing.T) {
				start{host: "main thread", own: do(callback, deed), hosts: true}.run(t).exits(works).once("bad: CleanupHost\n")
			})
		}
	}
}

// It is the host's own code that fails: the start fails, in words, and what was made is cleaned up.
func TestWorkOnTheMainThreadPanics(t *testing.T) {
	for deed, says := range map[string]string{
		"panic on the main thread": "work panics on the main thread",
		"nil on the main thread":   "nil pointer dereference",
	} {
		for _, callback := range callbacks[:2] {
			t.Run(callback.name+": "+deed, func(t *testing.T) {
				start := callback.doing(deed)
				start.host, start.abandons = "main thread", true
				start.run(t).exits(fails).says("pinion: error: ", says).once("bad: CleanupHost\n")
			})
		}
	}
}
