// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package building states how a runtime builds programs on this module, and that each way works: its tests write a host's module,
// build its starter by the go command and start a container with it. From the environment they take PKG_CONFIG_PATH, as a host's
// build does.
package building

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script shows what the container's shell has of signals, and ends with the exit code that the tests look for.
const (
	script   = `while read -r line; do case $line in Sig[PBIC]*|ShdPnd*) echo "$line";; esac; done </proc/self/status; exit 7`
	exitCode = 7
)

// host is the module of a runtime, in a folder of its own.
type host struct{ folder string }

// newHost writes the module that lies in testdata/host.
func newHost(t *testing.T) host {
	t.Helper()
	tree, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	h := host{t.TempDir()}
	if err := os.CopyFS(h.folder, os.DirFS("testdata/host")); err != nil {
		t.Fatal(err)
	}
	h.use(t, tree)
	return h
}

// use makes the host's go.mod and go.sum, with the versions that this module has, and this module itself by its folder.
func (h host) use(t *testing.T, tree string) {
	t.Helper()
	const own = "module github.com/pinion-runtime/pinion/go\n"
	module, sums := string(read(t, filepath.Join(tree, "go.mod"))), read(t, filepath.Join(tree, "go.sum"))
	if !strings.HasPrefix(module, own) {
		t.Fatalf("go.mod of this module begins with %.60q", module)
	}
	write(t, filepath.Join(h.folder, "go.sum"), sums)
	write(t, filepath.Join(h.folder, "go.mod"), fmt.Appendf(nil, "module example.test/host\n%s\n"+
		"require github.com/pinion-runtime/pinion/go v0.0.0\n\nreplace github.com/pinion-runtime/pinion/go => %s\n",
		module[len(own):], strconv.Quote(tree)))
}

// environment is that of the tests without what makes the go command differ from a host's: the flags of whoever tests, a work
// space around it, and the network. CGO_CFLAGS stay: they may have a word for the library, which the go command does not look at.
func environment(more ...string) []string {
	return append(os.Environ(), append([]string{"GOFLAGS=-mod=readonly", "GOWORK=off", "GOPROXY=off"}, more...)...)
}

// goes runs the go command in the module and returns what it said.
func (h host) goes(t *testing.T, environment []string, words ...string) string {
	t.Helper()
	command := exec.Command("go", words...)
	command.Dir, command.Env = h.folder, environment
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(words, " "), err, said)
	}
	return string(said)
}

// build builds a program and returns its path.
func (h host) build(t *testing.T, words ...string) string {
	t.Helper()
	program := filepath.Join(h.folder, "program")
	h.goes(t, environment(), append([]string{"build", "-o", program}, words...)...)
	return program
}

// start starts a container as a launcher does, with a few more variables. It returns how the starter ended and what was said.
func start(t *testing.T, program, engine string, args []string, variables ...string) (status syscall.WaitStatus, said string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
	document, err := json.Marshal(map[string]any{"engineName": engine, "engineConfig": map[string]any{"Args": args}})
	if err != nil {
		t.Fatal(err)
	}
	command := bounded(t, program)
	command.Env = append([]string{"ENGINE_CONFIG_CHUNKS=1", "ENGINE_CONFIG1=" + string(document)}, variables...)
	return end(t, command)
}

// bounded is a command that does not keep the tests waiting for ever.
func bounded(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	// Its processes may hold the output open.
	command.WaitDelay = time.Second
	return command
}

// end runs a command to its end.
func end(t *testing.T, command *exec.Cmd) (status syscall.WaitStatus, said string) {
	t.Helper()
	output, err := command.CombinedOutput()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatalf("%v, after it said %s", err, output)
	}
	return command.ProcessState.Sys().(syscall.WaitStatus), string(output)
}

// starts starts a container whose shell tells of its signals.
func starts(t *testing.T, program string, variables ...string) {
	t.Helper()
	shell := []string{"/bin/sh", "-c", script}
	status, said := start(t, program, "host", shell, variables...)
	exits(t, status, exitCode, said)
	isUntouched(t, said)
}

// isUntouched looks at what the script said: no signal is blocked, ignored or pending, and the shell catches what it catches
// elsewhere.
func isUntouched(t *testing.T, said string) {
	t.Helper()
	_, there := end(t, bounded(t, "/bin/sh", "-c", script))
	want := map[string]string{"SigPnd": none, "ShdPnd": none, "SigBlk": none, "SigIgn": none, "SigCgt": field(there, "SigCgt")}
	for name, mask := range want {
		if is := field(said, name); is != mask {
			t.Errorf("the container's shell has %s %q, not %q: %s", name, is, mask, said)
		}
	}
}

// none is a set of no signals as the kernel writes it.
const none = "0000000000000000"

// field finds a line of /proc/PID/status.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, is := strings.CutPrefix(line, name+":"); is {
			return strings.TrimSpace(value)
		}
	}
	return "nothing"
}

func exits(t *testing.T, status syscall.WaitStatus, code int, said string) {
	t.Helper()
	if !status.Exited() || status.ExitStatus() != code {
		t.Errorf("ended with %#x, not with exit code %d: %s", int(status), code, said)
	}
}

// library asks pkg-config for a variable of the library's.
func library(t *testing.T, variable string) string {
	t.Helper()
	value, err := exec.Command("pkg-config", "--variable="+variable, "pinion").Output()
	if err != nil {
		t.Fatalf("ask pkg-config for the %s of pinion: %v", variable, err)
	}
	return string(bytes.TrimSpace(value))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
