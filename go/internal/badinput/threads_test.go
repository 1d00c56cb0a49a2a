// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import "testing"

// Each is done in every callback of one start.
func TestCallbacksMayLeaveTheirThreadAsTheyLike(t *testing.T) {
	for _, deed := range []string{"lock the thread", "unlock the thread", "goroutines", "run a child"} {
		t.Run(deed, func(t *testing.T) {
			result := start{own: own{"Every": deed, "PreStart": true}, hosts: true}.run(t).exits(works)
			for _, callback := range callbacks {
				result.once("bad: " + callback.name + "\n")
			}
		})
	}
}

// In stage 1 and StartProcess the callback runs on the main thread, whose goroutine the starter locked.
func TestCallbacksMayLockTheThreadBesideWorkOnTheMainOne(t *testing.T) {
	for _, deed := range []string{"lock the thread", "unlock the thread"} {
		t.Run(deed, func(t *testing.T) {
			start{host: "main thread", own: own{"Every": deed, "PreStart": true}, hosts: true}.run(t).exits(works)
		})
	}
}

func TestGarbageIsCollectedDuringEachCallback(t *testing.T) {
	for what, do := range map[string]map[string]string{
		"in the callback": nil,
		"all the time":    {"InitConfig": "collect garbage for ever"},
	} {
		t.Run(what, func(t *testing.T) {
			result := start{own: own{"Do": do, "Every": "collect garbage", "PreStart": true}, hosts: true}.run(t).exits(works).
				says("bad: Collect: a finalizer ran\n")
			for _, callback := range callbacks {
				result.once("bad: " + callback.name + ": a finalizer ran\n")
			}
		})
	}
}
