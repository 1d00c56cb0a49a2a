// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/starter"
)

// badNames are calls with names that nothing can have. Those of setters without a result are tried each in a start of its own.
var badNames = map[string]func(*starter.Config) error{
	"SetNsPath of nothing":        func(c *starter.Config) error { return c.SetNsPath("", "/proc/self/ns/pid") },
	"SetNsPath of NUL":            func(c *starter.Config) error { return c.SetNsPath("pid\x00", "/proc/self/ns/pid") },
	"SetNsPath to nothing":        func(c *starter.Config) error { return c.SetNsPath("pid", "") },
	"SetNsPath to NUL":            func(c *starter.Config) error { return c.SetNsPath("pid", "/proc/self\x00/ns/pid") },
	"SetNsPath to bytes":          func(c *starter.Config) error { return c.SetNsPath("pid", "/tmp/\xff") },
	"SetNsPath to a long one":     func(c *starter.Config) error { return c.SetNsPath("pid", strings.Repeat("x", 4096)) },
	"SetNsPathFromSpec of NUL":    func(c *starter.Config) error { return c.SetNsPathFromSpec(spec("p\x00id", "/proc")) },
	"SetNsPathFromSpec of a word": func(c *starter.Config) error { return c.SetNsPathFromSpec(spec("word", "/proc")) },
	"SetNsPathFromSpec to NUL":    func(c *starter.Config) error { return c.SetNsPathFromSpec(spec("pid", "\x00")) },
	"NoteMount of nothing":        func(c *starter.Config) error { return c.NoteMount("") },
	"NoteMount of NUL":            func(c *starter.Config) error { return c.NoteMount("/nonexistent/a\x00b") },
	"NoteFile of NUL":             func(c *starter.Config) error { return c.NoteFile("/nonexistent/a\x00b") },
	"NoteDirectory of a relative": func(c *starter.Config) error { return c.NoteDirectory("nonexistent/pinion") },
}

var badSilentNames = map[string]func(*starter.Config){
	"SetCapabilities of nothing":   func(c *starter.Config) { c.SetCapabilities("", []string{"CAP_CHOWN"}) },
	"SetCapabilities of NUL":       func(c *starter.Config) { c.SetCapabilities("effective\x00", nil) },
	"SetCapabilities of a word":    func(c *starter.Config) { c.SetCapabilities("word", nil) },
	"SetCapabilities to nothing":   func(c *starter.Config) { c.SetCapabilities("effective", []string{""}) },
	"SetCapabilities to NUL":       func(c *starter.Config) { c.SetCapabilities("effective", []string{"CAP_CHOWN\x00"}) },
	"SetCapabilities to bytes":     func(c *starter.Config) { c.SetCapabilities("effective", []string{"CAP_\xff"}) },
	"SetMountPropagation to NUL":   func(c *starter.Config) { c.SetMountPropagation("private\x00") },
	"SetNsFlagsFromSpec to NUL":    func(c *starter.Config) { c.SetNsFlagsFromSpec(spec("\x00", "")) },
	"SetNsFlagsFromSpec to no one": func(c *starter.Config) { c.SetNsFlagsFromSpec(spec("", "")) },
	"SetNsFlags to too much":       func(c *starter.Config) { c.SetNsFlags(1 << 40) },
	"SetTargetUID to -1":           func(c *starter.Config) { c.SetTargetUID(-1) },
	"SetTargetGID to 2^40":         func(c *starter.Config) { c.SetTargetGID([]int{1 << 40}) },
	"SetImageFd to -1":             func(c *starter.Config) { c.SetImageFd(-1) },
	"SetImageFd to 2^32":           func(c *starter.Config) { c.SetImageFd(1 << 32) },
	"SetWorkingDirectoryFd to 999": func(c *starter.Config) { c.SetWorkingDirectoryFd(999) },
}

func spec(kind, path string) []specs.LinuxNamespace {
	return []specs.LinuxNamespace{{Type: specs.LinuxNamespaceType(kind), Path: path}}
}

func init() {
	deeds["use bad names"] = func(at *place) error {
		for name, use := range badNames {
			say("%s: %v", name, use(at.config))
		}
		return nil
	}
	for name, use := range badSilentNames {
		deeds[name] = func(at *place) error {
			use(at.config)
			return nil
		}
	}
}
