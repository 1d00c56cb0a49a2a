// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import "testing"

func TestTheRPCConnectionEndsInTheMiddle(t *testing.T) {
	const server = "pinion: error: serve RPC requests: serve rpc of bad: "
	for deed, wanted := range map[string]struct {
		code int
		says []string
	}{
		"close before the calls": {fails, []string{"container creation failed: write unix @->@: use of closed network connection"}},
		"close in a request":     {fails, []string{server + "unexpected EOF"}},
		"write no gob":           {fails, []string{server}},
		"close in a reply":       {works, nil},
		"hang up":                {works, nil},
		"close twice":            {works, []string{"bad: close: <nil>\n", "bad: close again: an error true\n"}},
		"call HangUp":            {works, []string{"bad: HangUp: unexpected EOF\n"}},
		"call Exit":              {fails, []string{"prepare the container: the RPC server was ended by one of its methods"}},
	} {
		t.Run(deed, func(t *testing.T) {
			start{own: do("CreateContainer", deed), hosts: true}.run(t).exits(wanted.code).says(wanted.says...).
				once("bad: CleanupContainer\n").once("bad: CleanupHost\n")
		})
	}
}

// The server has nobody left to tell it to.
func TestAMethodShutsTheCoresSocketsDown(t *testing.T) {
	for range 5 {
		start{own: do("CreateContainer", "call HangUp of the core's")}.run(t).exits(fails).says("pinion: error: ")
	}
}

func TestTheClientClosesWhileAMethodRuns(t *testing.T) {
	start{own: do("CreateContainer", "close in a call")}.run(t).
		exits(works).says("bad: linger: <nil>")
}

func TestMethodsThatMisbehaveAreErrorsOfTheirCalls(t *testing.T) {
	for deed, says := range map[string]string{
		"call Panic":    "bad: Panic: Panic panicked: a method panics\n",
		"call Function": "bad: Function: rpc: gob error encoding body: gob NewTypeObject can't handle type: func()\n",
		"call Collect":  "bad: Collect: <nil>\n",
	} {
		t.Run(deed, func(t *testing.T) { start{own: do("CreateContainer", deed)}.run(t).exits(works).says(says) })
	}
}

func TestMethodsThatDoNotFit(t *testing.T) {
	start{own: do("CreateContainer", "call what does not fit")}.run(t).exits(works).says(
		`bad: "bad.TooMany": rpc: can't find method bad.TooMany`+"\n",
		`bad: "bad.NoPointer": rpc: can't find method bad.NoPointer`+"\n",
		`bad: "bad.NoError": rpc: can't find method bad.NoError`+"\n",
		`bad: "bad.Nope": rpc: can't find method bad.Nope`+"\n",
		`bad: "good.Next": rpc: can't find service good.Next`+"\n",
		`bad: "": rpc: service/method request ill-formed: `+"\n",
		`bad: "x": rpc: service/method request ill-formed: x`+"\n",
		`bad: ".": rpc: can't find service .`+"\n")
}

func TestTheConnectionToMasterIsClosedTwice(t *testing.T) {
	start{own: do("StartProcess", "shim")}.run(t).exits(works).
		says("bad: close: <nil>\n", "bad: close again: <nil>\n", "bad: write then: an error true\n", "bad: PostStartProcess\n")
	start{own: do("StartProcess", "close twice")}.run(t).exits(works)
	start{own: do("StartProcess", "shim that fails")}.run(t).exits(fails).says("pinion: error: an error of the engine's own\n")
	callbacks[3].doing("close twice").run(t).exits(works).says("bad: close: <nil>\n", "bad: close again: an error true\n")
}

// What ops.PreStarter promises: an error that is sent on the channel fails the container, also after the return. CleanupContainer
// gets that very error.
func TestAnErrorOnTheFatalChannelFailsTheContainer(t *testing.T) {
	for _, deed := range []string{"send an error", "send an error later", "send many errors"} {
		t.Run(deed, func(t *testing.T) {
			callbacks[3].doing(deed).run(t).exits(fails).once("bad: CleanupContainer\n").
				says("pinion: error: pre start process failed: an error of the engine's own\n", "bad: cleanup: mine true")
		})
	}
}

func TestNoErrorOnTheFatalChannelChangesNothing(t *testing.T) {
	for _, deed := range []string{"send nil", "close the channel"} {
		t.Run(deed, func(t *testing.T) {
			callbacks[3].doing(deed).run(t).exits(works).without("pre start process failed", "bad: signal:")
		})
	}
}
