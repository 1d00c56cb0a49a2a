// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"syscall"
	"testing"
	"time"
)

// hanging begins a start in which the callback hangs, and waits until it does.
func (c callback) hanging(t *testing.T, deed string, limit time.Duration) *running {
	t.Helper()
	start := c.doing(deed)
	start.limit = limit
	running := start.begin(t)
	running.until("bad: " + c.name + " hangs")
	return running
}

func TestPrepareConfigHangsUntilTheStarterIsTerminated(t *testing.T) {
	running := callbacks[0].hanging(t, "hang", patience)
	running.signal(syscall.SIGTERM)
	running.end().dies(syscall.SIGTERM).once("bad: CleanupHost\n")
}

// The engine's monitor says that the run is over, whatever the other callbacks wait for.
func TestACallbackHangsUntilMasterIsTerminated(t *testing.T) {
	for _, callback := range callbacks {
		switch callback.name {
		case "PrepareConfig", "MonitorContainer", "PostStartHost", "CleanupContainer", "CleanupHost":
			continue
		}
		deeds := []string{"hang"}
		if callback.inMaster {
			deeds = append(deeds, "hang until cancelled")
		}
		for _, deed := range deeds {
			t.Run(callback.name+": "+deed, func(t *testing.T) {
				running := callback.hanging(t, deed, patience)
				running.signal(syscall.SIGTERM)
				running.end().exits(fails).once("bad: CleanupContainer\n").once("bad: CleanupHost\n").
					says("pinion: error: container monitoring failed: interrupted by signal terminated\n")
			})
		}
	}
}

func TestTheContextOfACallbackThatHangsIsCancelled(t *testing.T) {
	running := start{own: own{"Do": map[string]string{
		"CreateContainer":  "hang until cancelled",
		"CleanupContainer": "await another callback's cancellation",
	}}}.begin(t)
	running.until("bad: CreateContainer hangs")
	running.signal(syscall.SIGTERM)
	running.end().exits(fails).says("bad: CreateContainer: context canceled")
}

func TestMonitorContainerHangsUntilASignal(t *testing.T) {
	running := callbacks[2].hanging(t, "hang until a signal", patience)
	running.signal(syscall.SIGTERM)
	running.end().exits(fails).says("container monitoring failed: signal terminated came").once("bad: CleanupHost\n")
}

// Nobody but MonitorContainer knows what a signal means: one that reads none is ended with the process.
func TestMonitorContainerHangsForEver(t *testing.T) {
	start := callbacks[2].doing("hang")
	start.abandons = true
	running := start.begin(t)
	running.until("bad: MonitorContainer hangs")
	running.signal(syscall.SIGTERM)
	running.signal(syscall.SIGKILL)
	running.end().dies(syscall.SIGKILL).once("bad: CleanupHost\n")
}

func TestPostStartHostHangsForLongerThanTheLimit(t *testing.T) {
	start := callbacks[5].doing("hang")
	start.own["Do"].(map[string]string)["PrepareConfig"] = "limit handshakes to 300 ms"
	start.limit = 2 * time.Second
	start.run(t).exits(fails).says("host post start process failed: wait for post-start-host: no answer within 300 ms")
}
