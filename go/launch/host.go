// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	// defaultLevelVariable is what a starter of pinion reads where its host names no other.
	defaultLevelVariable = "PINION_MESSAGELEVEL"
	// infoLevel is what a starter takes that is told nothing.
	infoLevel = 1
)

// Host is what only the product knows that launches starters.
type Host struct {
	// Starter is the plain starter's absolute path.
	Starter string
	// StarterSuid is the setuid starter's absolute path; empty where there is none.
	StarterSuid string
	// LevelVariable is the environment variable that tells the starter the message level; empty for PINION_MESSAGELEVEL.
	LevelVariable string
	// Level returns the message level. Each launch calls it once, in its own goroutine, since options of the command line change
	// the level after Setup. -3 is error, -2 warning, -1 log, 1 info, 2 to 4 verbose, 5 debug; with 90 added (taken from a negative
	// one) the same without colours. nil means info.
	Level func() int
	// ByDescriptor hands the configuration over in a sealed memory file that PINION_CONFIG_FD names: up to 64 MiB, and nothing of it
	// in the starter's /proc/PID/environ. A starter of pinion takes it; one of another core takes the environment only, which holds
	// 1,048,448 bytes.
	ByDescriptor bool
}

var installed atomic.Pointer[Host]

// Setup says what the host is, before the first launch; nothing is checked until then. Called again it replaces what was said
// before, for the launches that begin afterwards. Any goroutine may call it.
func Setup(host Host) {
	installed.Store(&host)
}

func current() (Host, error) {
	host := installed.Load()
	if host == nil {
		return Host{}, helped("launch a starter: the host is not set up", "call launch.Setup first, with the path of the starter")
	}
	return *host, nil
}

// starter returns the path of the starter that is asked for.
func (h *Host) starter(suid bool) (string, error) {
	path, kind := h.Starter, "starter"
	if suid {
		path, kind = h.StarterSuid, "setuid starter"
	}
	switch {
	case path == "" && suid:
		return "", helped("launch the setuid starter: this host has none", "install it, or launch without setuid")
	case path == "":
		return "", helped("launch the starter: the host names none", "give launch.Setup its path")
	case !filepath.IsAbs(path):
		return "", fmt.Errorf("launch %s %q: the path is not absolute", kind, path)
	}
	return path, checkWord("the "+kind+"'s path", path)
}

// level returns the variable that holds the message level, and its value.
func (h *Host) level() (variable, value string, err error) {
	variable, level := h.LevelVariable, infoLevel
	if variable == "" {
		variable = defaultLevelVariable
	}
	if strings.Contains(variable, "=") {
		return "", "", fmt.Errorf("level variable %q: not the name of a variable", variable)
	}
	if h.Level != nil {
		level = h.Level()
	}
	return variable, strconv.Itoa(level), checkWord("level variable", variable)
}
