// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package enginesuite has the tests of package engine's behaviour that hold with a core and without one: package engine's
// own tests run it over the pure state, package core's over the core.
package enginesuite

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// Run runs the suite. It may be run more than once in a process: each test registers names of its own.
func Run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"config's object is filled, initialised and written", testIdentity},
		{"each get has a common of its own", testFresh},
		{"documents are read by encoding/json's rules", testJSONRules},
		{"documents that are refused", testRefused},
		{"a wrong type says its path", testPath},
		{"at most 64 MiB", testLimit},
		{"not found says what there is", testNotFound},
		{"names are case-sensitive", testCase},
		{"the second registration wins", testSecondWins},
		{"registrations that fail", testFailures},
		{"config returns nil", testNilConfig},
		{"many goroutines register and get", testConcurrentRegistry},
		{"a starter configuration of a host's own", testOwnStarter},
		{"the optional callback is found through wrappers", testPreStart},
		{"a host with types of its own", testHost},
		{"a host's adapter keeps the optional callback", testHostAdapter},
		{"a host's function that makes no configuration", testHostWrap},
		{"one registry for all types", testOneRegistry},
		{"rpc", testRPC},
	} {
		t.Run(test.name, test.run)
	}
}

var names atomic.Int64

// newName makes a name that no engine has.
func newName() string {
	return fmt.Sprintf("suite-%d", names.Add(1))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that an error says all of these.
func refused(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, but one with %q was expected", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error %q does not say %q", err, text)
		}
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, not %v", what, got, want)
	}
}
