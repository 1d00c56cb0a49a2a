// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"runtime"
	"strings"
	"testing"
)

// errorCase is an error that a callback ends with.
type errorCase struct {
	deed string
	// says is what is said of it. A panic is told with the callback's name in front.
	says   string
	panics bool
	// broken says that the error's own text cannot be had: only what it panicked with is told.
	broken bool
	// hidden says that errors.Is does not find the engine's own error in it.
	hidden bool
}

// panicNil is what this release of Go says of a nil panic.
var panicNil = new(runtime.PanicNilError).Error()

var errorCases = []errorCase{
	{deed: "error", says: "told to fail: an error of the engine's own\n"},
	{deed: "error of 1 MiB", says: "long " + strings.Repeat("x", 1000)},
	{deed: "error of 1 MiB of \\x01", says: "control " + strings.Repeat(`\u{1}`, 600)},
	{deed: "error with NULs", says: `before\u{0}after: an error of the engine's own` + "\n"},
	{deed: "error of bytes", says: "before\uFFFDafter: an error of the engine's own\n"},
	{deed: "error without text", says: "an error without a text\n", hidden: true},
	{deed: "panic", says: "on purpose\n", panics: true, hidden: true},
	{deed: "panic nil", says: panicNil, panics: true, hidden: true},
	{deed: "panic error", says: "panicked with: an error of the engine's own\n", panics: true},
	{deed: "panic of 1 MiB", says: strings.Repeat("x", 1000), panics: true, hidden: true},
}

// brokenCases are errors that panic themselves when they are asked for something.
var brokenCases = []errorCase{
	{deed: "error that panics", says: "an error's text panics", broken: true, hidden: true},
	// Its text can be had: that is what people are told.
	{deed: "error whose As panics", says: "an error of the engine's own", broken: true, hidden: true},
	{deed: "error that is nil", says: "nil pointer dereference", broken: true, hidden: true},
	{deed: "panic error that panics", says: "an error's text panics", broken: true, hidden: true},
}

// test ends the callback with the error.
func (e errorCase) test(t *testing.T, callback callback) {
	says := []string{"pinion: error: " + callback.prefix + e.says}
	switch {
	case e.panics:
		says = []string{"pinion: error: " + callback.prefix + callback.name + " panicked: " + e.says}
	case e.broken:
		says = []string{"pinion: error: " + callback.prefix, e.says}
	}
	result := callback.doing(e.deed).run(t).exits(callback.code).once("bad: CleanupHost\n").says(says...)
	if !callback.inMaster {
		return
	}
	result.once("bad: CleanupContainer\n")
	if !e.hidden {
		result.says("bad: cleanup: mine true")
	}
}

func TestErrorsOfEachCallbackAreToldAndKeepTheirIdentity(t *testing.T) {
	for _, callback := range callbacks {
		for _, e := range errorCases {
			t.Run(callback.name+": "+e.deed, func(t *testing.T) { e.test(t, callback) })
		}
	}
}

func TestErrorsThatPanicWhenTheyAreToldArePanics(t *testing.T) {
	for _, callback := range callbacks {
		for _, e := range brokenCases {
			t.Run(callback.name+": "+e.deed, func(t *testing.T) { e.test(t, callback) })
		}
	}
}

// The variable gives the meaning back that a nil panic had before Go 1.21: nothing is recovered then, as by runtime.Goexit.
func TestANilPanicWithoutGosErrorForIt(t *testing.T) {
	start := start{own: do("CreateContainer", "panic nil"), env: []string{"GODEBUG=panicnil=1"}, hosts: true, abandons: true}
	start.run(t).exits(fails).says("CreateContainer called runtime.Goexit").once("bad: CleanupHost\n")
}

func TestAPanicsStackIsToldAtLevelDebug(t *testing.T) {
	start := start{own: do("CreateContainer", "panic"), env: []string{"PINION_MESSAGELEVEL=5"}, loud: true}
	start.run(t).exits(fails).says("pinion: debug: CreateContainer panicked: on purpose\ngoroutine ", "errors.go:",
		"pinion: error: container creation failed: CreateContainer panicked: on purpose")
}

func TestCallbacksThatOnlyPrepareMayPanic(t *testing.T) {
	for what, start := range map[string]start{
		"Config panicked: Config panics":                              {engine: "config panics"},
		"Config panicked: runtime error: invalid memory address":      {engine: "typed nil"},
		"decoding the configuration panicked: UnmarshalJSON panics":   {engine: "unmarshal panics"},
		"InitConfig panicked: on purpose":                             {own: do("InitConfig", "panic")},
		"InitConfig panicked: " + panicNil:                            {own: do("InitConfig", "panic nil")},
		"Declare panicked: on purpose":                                {own: do("Declare", "panic")},
		`engine "nil config": Config returned nil: there is no`:       {engine: "nil config"},
		`engine "typed nil config": Config returned nil: there is no`: {engine: "typed nil config"},
	} {
		t.Run(what, func(t *testing.T) { start.run(t).exits(fails).says("pinion: error: " + what) })
	}
}

// The roles' numbers: post-start-host 1, cleanup-host 2, stage 1 4, master 5, RPC server 7, stage 2 8.
func TestInitConfigMayPanicInEachProcess(t *testing.T) {
	for role, code := range map[string]int{"1": fails, "2": works, "4": fails, "5": fails, "8": fails} {
		t.Run(role, func(t *testing.T) {
			start{own: do("InitConfig in "+role, "panic"), hosts: true}.run(t).exits(code).
				says("pinion: error: ", "InitConfig panicked: on purpose")
		})
	}
}
