// SPDX-License-Identifier: Apache-2.0 OR MIT

package mixed

import (
	"os/exec"
	"strings"
	"testing"
)

// An engine in C in a Go program that is no starter. The cases are in mixedfront.
func TestAnEngineInCIsCalledByGo(t *testing.T) {
	list, err := output(program("mixedfront"))
	must(t, err)
	for name := range strings.Lines(list) {
		name = strings.TrimSpace(name)
		t.Run(name, func(t *testing.T) {
			status, said := follow(t, exec.Command(program("mixedfront"), name)).end()
			exits(t, 0, status, said)
		})
	}
}
