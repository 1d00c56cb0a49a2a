// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import "testing"

// os.Exit cannot be seen from inside: whoever waits for the process names the callback.
func TestOsExitIsNamedByWhoeverWaits(t *testing.T) {
	const help = "a callback returns an error and does not end its process"
	for name, wanted := range map[string]struct {
		code int
		says string
	}{
		"PrepareConfig":   {fails, "PrepareConfig: stage1 ended without a decision: exit code 3"},
		"Declare":         {fails, "PrepareConfig: stage1 ended without a decision: exit code 3"},
		"InitConfig in 4": {fails, "PrepareConfig: stage1 ended without a decision: exit code 3"},
		"PostStartHost":   {fails, "host post start process failed: PostStartHost: post-start-host ended without an answer"},
		"InitConfig in 1": {fails, "host post start process failed: PostStartHost: post-start-host ended without an answer"},
		"CleanupHost":     {works, "host cleanup failed: CleanupHost: cleanup-spare ended without an answer"},
	} {
		for _, deed := range []string{"exit", "exit 0"} {
			if deed == "exit 0" && wanted.code == fails {
				wanted.says = wanted.says[:len(wanted.says)-1]
			}
			t.Run(name+": "+deed, func(t *testing.T) {
				start{own: do(name, deed), hosts: true}.run(t).exits(wanted.code).
					says("pinion: error: "+wanted.says, help, "bad: CleanupHost\n")
			})
		}
	}
	start{engine: "config exits"}.run(t).exits(fails).says("PrepareConfig: stage1 ended without a decision: exit code 3", help)
}

// Nobody waits for master: its end is the starter's, and everything ends with it.
func TestOsExitInMasterIsTheStartersEnd(t *testing.T) {
	for _, callback := range callbacks {
		if !callback.inMaster && callback.name != "CleanupContainer" {
			continue
		}
		t.Run(callback.name, func(t *testing.T) {
			start := callback.doing("exit")
			start.abandons = true
			start.run(t).exits(3).once("bad: CleanupHost\n")
		})
	}
}

func TestOsExitInStartProcessIsTheContainersEnd(t *testing.T) {
	start{own: do("StartProcess", "exit"), hosts: true}.run(t).exits(3).
		once("bad: CleanupContainer\n").once("bad: CleanupHost\n")
}

// It is not StartProcess, which alone may end the container in this way: a start that never began must not look like a success.
func TestOsExitInInitConfigOfTheContainerProcessIsNoContainersEnd(t *testing.T) {
	for _, deed := range []string{"exit", "exit 0"} {
		t.Run(deed, func(t *testing.T) {
			start{own: do("InitConfig in 8", deed), hosts: true}.run(t).exits(fails).once("bad: CleanupContainer\n")
		})
	}
}
