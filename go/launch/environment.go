// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// descriptorVariable names the descriptor of the sealed configuration.
const descriptorVariable = "PINION_CONFIG_FD"

// handover is what the starter gets: variables, and the sealed memory file where the configuration is not in them.
type handover struct {
	variables map[string]string
	sealed    *os.File
}

// handover makes what the starter gets. The caller closes it.
func (c *Command) handover() (*handover, error) {
	variable, level, err := c.host.level()
	if err != nil {
		return nil, err
	}
	variables := map[string]string{
		variable: level,
		// The starter's processes are short-lived, and finalisers of a collector would close descriptors.
		"GOGC": "off",
	}
	for option, on := range map[string]bool{
		"LOAD_OVERLAY_MODULE": c.loadOverlayModule,
		"POST_START_HOST":     c.postStartHost,
		"CLEANUP_HOST":        c.cleanupHost,
	} {
		if on {
			variables[option] = "1"
		}
	}
	if c.host.ByDescriptor {
		sealed, err := seal(c.document)
		return &handover{variables, sealed}, err
	}
	chunks, err := cut(c.document)
	if err == nil {
		err = checkStack(len(c.document))
	}
	maps.Copy(variables, chunks)
	return &handover{variables, nil}, err
}

// name says which descriptor the sealed memory file is in the starter.
func (h *handover) name(number int) {
	h.variables[descriptorVariable] = strconv.Itoa(number)
}

// environment returns the variables as a program gets them, in the order of their names.
func (h *handover) environment() []string {
	lines := make([]string, 0, len(h.variables))
	for _, name := range slices.Sorted(maps.Keys(h.variables)) {
		lines = append(lines, name+"="+h.variables[name])
	}
	return lines
}

func (h *handover) close() {
	if h.sealed != nil {
		// Nothing was written that close(2) could still fail to keep.
		_ = h.sealed.Close()
	}
}

// checkWord refuses what no program can get.
func checkWord(what, word string) error {
	if strings.Contains(word, "\x00") {
		return fmt.Errorf("%s %q: has a NUL", what, word)
	}
	return nil
}
