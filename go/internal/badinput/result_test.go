// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"strings"
	"syscall"
	"testing"
)

// works is what a start does where nothing is wrong.
const works = 7

// fails is the exit code of a set-up that failed.
const fails = 255

func (r *result) exits(code int) *result {
	r.t.Helper()
	if !r.status.Exited() || r.status.ExitStatus() != code {
		r.t.Errorf("ended with %#x, not with exit code %d: %s", int(r.status), code, r.short())
	}
	return r
}

func (r *result) dies(of syscall.Signal) *result {
	r.t.Helper()
	if !r.status.Signaled() || r.status.Signal() != of {
		r.t.Errorf("ended with %#x, not by signal %v: %s", int(r.status), of, r.short())
	}
	return r
}

// says checks that all of these were said.
func (r *result) says(parts ...string) *result {
	r.t.Helper()
	for _, part := range parts {
		if !strings.Contains(r.said, part) {
			r.t.Errorf("nothing says %q: %s", part, r.short())
		}
	}
	return r
}

// of is the same result for a part of a test.
func (r *result) of(t *testing.T) *result {
	return &result{t, r.status, r.said}
}

// line checks what the line says that begins so.
func (r *result) line(begin, says string) *result {
	r.t.Helper()
	_, rest, found := strings.Cut("\n"+r.said, "\n"+begin)
	line, _, _ := strings.Cut(rest, "\n")
	if !found || !strings.Contains(line, says) {
		r.t.Errorf("%q goes on with %q, and does not say %q: %s", begin, line, says, r.short())
	}
	return r
}

// without checks that none of these was said.
func (r *result) without(parts ...string) *result {
	r.t.Helper()
	for _, part := range parts {
		if strings.Contains(r.said, part) {
			r.t.Errorf("something says %q: %s", part, r.short())
		}
	}
	return r
}

// once checks that a line was said, and once only.
func (r *result) once(part string) *result {
	r.t.Helper()
	if count := strings.Count(r.said, part); count != 1 {
		r.t.Errorf("%q was said %d times: %s", part, count, r.short())
	}
	return r
}

// short is what was said, as far as a reader wants to see it.
func (r *result) short() string {
	const most = 3000
	if len(r.said) > most {
		return r.said[:most] + "..."
	}
	return r.said
}
