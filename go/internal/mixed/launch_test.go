// SPDX-License-Identifier: Apache-2.0 OR MIT

package mixed

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/launch"
)

// other is a starter without Go, and how a container is asked of it.
type other struct {
	path, engine string
	// shell makes the engine's configuration, for a program that is a script.
	shell func(t *testing.T, script string) any
	// refused is a configuration, and what is said of it.
	refused any
	error   string
	// killed is how the starter ends whose container's program sends itself SIGTERM, or else exits with 4.
	killed syscall.WaitStatus
}

func others(t *testing.T) map[string]other {
	t.Helper()
	pinion := os.Getenv("PINION")
	if pinion == "" {
		t.Fatal("PINION names no program: cargo build, then PINION=$PWD/target/debug/pinion")
	}
	return map[string]other{
		"in Rust": {
			path:   filepath.Join(filepath.Dir(pinion), "pinion-starter"),
			engine: "oci",
			shell: func(_ *testing.T, script string) any {
				return map[string]any{"args": []string{"/bin/sh", "-c", script}, "init": true}
			},
			refused: map[string]any{"arguments": []string{"/bin/sh"}},
			error:   "unknown field `arguments`",
			killed:  syscall.WaitStatus(syscall.SIGTERM),
		},
		"in C": {
			path:   program("hello"),
			engine: "hello",
			shell: func(t *testing.T, script string) any {
				// It takes a program without arguments.
				path := filepath.Join(t.TempDir(), "script")
				must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
				return path
			},
			refused: 5,
			error:   "engineConfig: expected a string, the program's path",
			// The program is the first process of a PID namespace, which nothing in there ends.
			killed: 4 << 8,
		},
	}
}

// launches runs a test with each of the other starters, in both ways in which a configuration gets there.
func launches(t *testing.T, test func(t *testing.T, starter other)) {
	needsRoot(t)
	for name, starter := range others(t) {
		for way, byDescriptor := range map[string]bool{"by environment": false, "by descriptor": true} {
			t.Run(name+" "+way, func(t *testing.T) {
				launch.Setup(launch.Host{Starter: starter.path, ByDescriptor: byDescriptor})
				test(t, starter)
			})
		}
	}
}

// launched runs a container to its end.
func launched(t *testing.T, starter other, own any, ops ...launch.CommandOp) (status syscall.WaitStatus, said string) {
	t.Helper()
	before := descriptors(t)
	limit := time.AfterFunc(patience, killChildren)
	defer limit.Stop()
	var output bytes.Buffer
	document := &config.Common{EngineName: starter.engine, ContainerID: "one", EngineConfig: own}
	err := launch.Run("mixed", document, append(ops, launch.WithStdout(&output), launch.WithStderr(&output))...)
	nothingRuns(t)
	if now := descriptors(t); !maps.Equal(now, before) {
		t.Errorf("descriptors: %v, not %v", now, before)
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.Sys().(syscall.WaitStatus), output.String()
	}
	must(t, err)
	return 0, output.String()
}

func TestGoLaunchesStartersOfOtherLanguages(t *testing.T) {
	launches(t, func(t *testing.T, starter other) {
		status, said := launched(t, starter, starter.shell(t, "echo in the container; exit 9"))
		exits(t, 9, status, said)
		if said != "in the container\n" {
			t.Errorf("said %q", said)
		}
	})
}

func TestGoSeesWhichSignalEndedTheContainer(t *testing.T) {
	launches(t, func(t *testing.T, starter other) {
		status, said := launched(t, starter, starter.shell(t, "kill -TERM $$; exit 4"))
		if status != starter.killed {
			t.Errorf("ended with %#x, not %#x: %s", int(status), int(starter.killed), said)
		}
	})
}

func TestAConfigurationThatAnotherLanguageRefuses(t *testing.T) {
	launches(t, func(t *testing.T, starter other) {
		status, said := launched(t, starter, starter.refused)
		exits(t, 255, status, said)
		holds(t, said, "pinion: error: ", starter.error)
	})
}

func TestAnEngineThatAnotherStarterHasNot(t *testing.T) {
	launches(t, func(t *testing.T, starter other) {
		unknown := starter
		unknown.engine = "mixed-go"
		status, said := launched(t, unknown, nil)
		exits(t, 255, status, said)
		holds(t, said, `engine "mixed-go" is not found`, `"`+starter.engine+`"`)
	})
}
