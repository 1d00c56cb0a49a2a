// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestVariablesOfGosRuntimeMayBeOdd(t *testing.T) {
	for _, variables := range [][]string{
		{"GODEBUG="}, {"GODEBUG=,,=,x=y,madvdontneed=junk"}, {"GODEBUG=asyncpreemptoff=1"}, {"GODEBUG=clobberfree=1,gccheckmark=1"},
		{"GODEBUG=cgocheck=1,invalidptr=1"},
		{"GOTRACEBACK=crash"}, {"GOTRACEBACK=none"}, {"GOTRACEBACK=-1"},
		{"GOMAXPROCS=0"}, {"GOMAXPROCS=-1"}, {"GOMAXPROCS=1"}, {"GOMAXPROCS=many"},
		{"GOGC=off"}, {"GOGC=1"}, {"GOGC=-5"}, {"GOGC=junk"}, {"GOMEMLIMIT=1"}, {"GOMEMLIMIT=off"},
		{"PATH="}, {"PATH=/nonexistent", "HOME=/nonexistent"},
	} {
		t.Run(variables[0], func(t *testing.T) {
			start{env: variables, hosts: true}.run(t).exits(works).once("bad: CleanupHost\n").once("bad: StartProcess\n")
		})
	}
}

// No process of a start has the caller's variables: with so many processors Go would begin for a minute.
func TestNoProcessHasVariablesOfTheCaller(t *testing.T) {
	start{env: []string{"GOMAXPROCS=99999"}, hosts: true, limit: 3 * time.Second}.run(t).exits(works).once("bad: CleanupHost\n")
}

// A hostile caller's answer to Go's own variables reaches no exit code.
func TestACrashIsToldInFewWordsWhateverGotracebackSays(t *testing.T) {
	start{own: do("CreateContainer", "panic"), env: []string{"GOTRACEBACK=crash"}}.run(t).exits(fails).
		says("pinion: error: container creation failed: CreateContainer panicked: on purpose")
}

func TestACallerLeavesOddThingsBehind(t *testing.T) {
	for what, caller := range map[string]caller{
		"argc 0":                       {NoArguments: true},
		"SIGCHLD is ignored":           {Ignore: []syscall.Signal{syscall.SIGCHLD}},
		"SIGPIPE and more are ignored": {Ignore: []syscall.Signal{syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT}},
		"all signals are blocked":      {Block: true},
		"all of it":                    {Block: true, NoArguments: true, Ignore: []syscall.Signal{syscall.SIGCHLD, syscall.SIGPIPE}},
	} {
		for _, deed := range []string{"", "run a child"} {
			t.Run(what+": "+deed, func(t *testing.T) {
				result := start{caller: &caller, own: own{"Every": deed, "PreStart": true}, hosts: true}.run(t).exits(works)
				for _, callback := range callbacks {
					result.once("bad: " + callback.name + "\n")
					if deed != "" {
						result.says("bad: " + callback.name + ": child: exit status 5 \n")
					}
				}
			})
		}
	}
}

// Engines of all processes run, though nobody hears them.
func TestACallerClosesStandardStreams(t *testing.T) {
	for closed := range 8 {
		caller := caller{}
		for fd := range 3 {
			if closed&(1<<fd) != 0 {
				caller.Close = append(caller.Close, fd)
			}
		}
		t.Run("closed "+strconv.Itoa(closed), func(t *testing.T) {
			result := start{caller: &caller, own: own{"PreStart": true}, hosts: true}.run(t).exits(works)
			start{caller: &caller, own: do("CreateContainer", "error"), hosts: true}.run(t).exits(fails)
			if closed&4 == 0 {
				result.once("bad: CleanupHost\n")
			}
		})
	}
}

func TestSignalsThatTheCallerBlockedReachMonitorContainer(t *testing.T) {
	for _, kind := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1} {
		t.Run(kind.String(), func(t *testing.T) {
			start := callbacks[2].doing("hang until a signal")
			start.caller = &caller{Block: true, Ignore: []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP}}
			running := start.begin(t)
			running.until("bad: MonitorContainer hangs")
			running.signal(kind)
			running.end().exits(fails).says("container monitoring failed: signal " + kind.String() + " came")
		})
	}
}
