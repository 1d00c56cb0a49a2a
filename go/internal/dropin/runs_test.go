// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// scenario is a run that each variant goes through.
type scenario struct {
	name string
	// prepare changes a run before it starts.
	prepare func(*run)
	// during is done between start and end; nil lets the container's program go on when PostStartProcess was called.
	during func(*run)
	// want is what the plain variant has to show, so that all of them together cannot be wrong.
	want transcript
	// mixed has the host's own front end launch the starter of everything as well.
	mixed bool
	// without has patterns of what is not compared.
	without []string
}

func TestTheVariantsDoTheSame(t *testing.T) { playAll(t, scenarios) }

// playAll has each variant go through each scenario, and compares.
func playAll(t *testing.T, all []scenario) {
	t.Helper()
	values := 0
	for _, one := range all {
		t.Run(one.name, func(t *testing.T) {
			var plain transcript
			chosen := variants
			if one.mixed {
				chosen = append(slices.Clone(chosen), mixed)
			}
			for _, v := range chosen {
				shown := one.play(t, v)
				if plain == nil {
					plain = shown
					one.check(t, plain)
					continue
				}
				values += compare(t, one.name, v, plain, shown)
			}
		})
	}
	t.Logf("%d values compared in %d scenarios", values, len(all))
}

func (s scenario) play(t *testing.T, v *variant) transcript {
	t.Helper()
	r := newRun(t, v)
	if s.prepare != nil {
		s.prepare(r)
	}
	r.start()
	if s.during != nil {
		s.during(r)
	} else {
		r.until("PostStartProcess")
		r.release()
	}
	r.finish()
	if t.Failed() || testing.Verbose() {
		t.Logf("%s: %s\n%s%s", v.name, describe(r.status), r.stdout, r.stderr)
	}
	shown := r.transcript()
	for _, pattern := range s.without {
		maps.DeleteFunc(shown, func(key, _ string) bool { return matches(pattern, key) })
	}
	return shown
}

func (s scenario) check(t *testing.T, shown transcript) {
	t.Helper()
	for key, value := range s.want {
		if got := shown[key]; got != value && !(strings.HasPrefix(value, "...") && strings.Contains(got, value[3:])) {
			t.Errorf("%s, %s: %q, where %q is wanted", s.name, key, got, value)
		}
	}
}
