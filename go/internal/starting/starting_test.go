// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package starting tests package starter from outside: a program that imports it begins as a starter, a test program too.
package starting

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-runtime/pinion/go/launch"
)

// program is the starter of the tests.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "pinion-starter-")
	if err == nil {
		program = filepath.Join(folder, "teststarter")
		build := exec.Command("go", "build", "-o", program, "./teststarter")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		println("build the starter of the tests:", err.Error())
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// run starts a container and returns how the starter ended and what was said.
func run(t *testing.T, name string, settings map[string]any) (status syscall.WaitStatus, said string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
	launch.Setup(launch.Host{Starter: program, ByDescriptor: true})
	if settings["Args"] == nil {
		settings["Args"] = []string{"/bin/sh", "-c", "exit 7"}
	}
	var output bytes.Buffer
	document := map[string]any{"engineName": "test", "engineConfig": settings}
	err := launch.Run(name, document, launch.WithStderr(&output), launch.WithStdout(&output))
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.Sys().(syscall.WaitStatus), output.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, output.String()
}

func exits(t *testing.T, code int, status syscall.WaitStatus, said string) {
	t.Helper()
	if !status.Exited() || status.ExitStatus() != code {
		t.Errorf("ended with %#x, not with exit code %d: %s", int(status), code, said)
	}
}

func holds(t *testing.T, said string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("nothing says %q: %s", part, said)
		}
	}
}

func TestAContainerRunsAndStartProcessIsOnTheMainThread(t *testing.T) {
	status, said := run(t, "test", map[string]any{})
	exits(t, 7, status, said)
	holds(t, said, "StartProcess on the main thread: true", "cleanup: fatal <nil>, mine false, status 0x700")
}

// One thread is not enough for Go.
func TestTheNativeRPCServerHasNoGoInIt(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Native": true, "Create": "threads"})
	exits(t, 7, status, said)
	holds(t, said, "threads of the RPC server: 1\n")
}

func TestAnErrorKeepsItsIdentityThroughTheCore(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Create": "error"})
	exits(t, 255, status, said)
	holds(t, said, "cleanup: fatal container creation failed: create: an error of the engine's own, mine true, status 0x9")
}

func TestAHostExplainsErrorsInItsOwnWords(t *testing.T) {
	status, said := run(t, "explain", map[string]any{"Create": "error"})
	exits(t, 255, status, said)
	holds(t, said, `container creation failed: explained: "create: an error of the engine's own"`, "mine true")
}

func TestAHostGetsTheMessages(t *testing.T) {
	status, said := run(t, "log", map[string]any{"Create": "error"})
	exits(t, 255, status, said)
	holds(t, said, "log -4: container creation failed: create: an error of the engine's own")
}

// Stage 1 is a process of the host's own program, and has its log.
func TestAHostGetsPrepareConfigsErrorOnce(t *testing.T) {
	status, said := run(t, "log", map[string]any{"Prepare": "error"})
	exits(t, 255, status, said)
	if said != "log -4: prepare: an error of the engine's own\n" {
		t.Errorf("said %q", said)
	}
	status, said = run(t, "test", map[string]any{"Prepare": "error"})
	exits(t, 255, status, said)
	if said != "pinion: error: prepare: an error of the engine's own\n" {
		t.Errorf("said %q", said)
	}
}

func TestWorkThatGoesOnAfterPreStartProcessMayEndTheRun(t *testing.T) {
	status, said := run(t, "log", map[string]any{"Pre": "fails later", "Args": []string{"/bin/sleep", "1000"}})
	exits(t, 255, status, said)
	holds(t, said, "cleanup: fatal pre start process failed: pre start: an error of the engine's own, mine true, status 0x9",
		"log -4: pre start process failed: pre start: an error of the engine's own\n")
}

func TestTheRunsEndCancelsContexts(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Create": "cancel"})
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("ended with %#x: %s", int(status), said)
	}
	holds(t, said, "CreateContainer: context canceled", "cleanup: fatal <nil>, mine false, status 0x9")
}

func TestWorkRunsOnTheMainThreadBesideARole(t *testing.T) {
	status, said := run(t, "main thread", map[string]any{"Create": "main thread"})
	exits(t, 7, status, said)
	holds(t, said, "work ran on the main thread: true")
}

// Engines of the family do so, that no file system stays busy for master.
func TestMasterMayGoToTheRootDirectory(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Create": "chdir"})
	exits(t, 7, status, said)
}

// The directory is the process's: where CreateContainer has gone is nothing that MonitorContainer has changed.
func TestTheMonitorReturnsWhileCreateContainerIsElsewhere(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Create": "elsewhere"})
	if !status.Signaled() || status.Signal() != syscall.SIGKILL || strings.Contains(said, "working directory") {
		t.Errorf("ended with %#x: %s", int(status), said)
	}
}

// Whatever CreateContainer makes of it.
func TestASignalThatEndsTheContainerDecides(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Create": "bereaved"})
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("ended with %#x: %s", int(status), said)
	}
	holds(t, said, "cleanup: fatal <nil>, mine false, status 0x9")
}

func TestGoexitIsNamed(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Create": "goexit"})
	exits(t, 255, status, said)
	holds(t, said, "CreateContainer called runtime.Goexit")
	status, said = run(t, "test", map[string]any{"Start": "goexit"})
	exits(t, 255, status, said)
	holds(t, said, "StartProcess called runtime.Goexit")
}

func TestAShimsEndIsTheContainers(t *testing.T) {
	status, said := run(t, "test", map[string]any{"Start": "shim"})
	if !status.Signaled() || status.Signal() != syscall.SIGUSR1 {
		t.Errorf("ended with %#x: %s", int(status), said)
	}
}

func TestAProgramThatIsNoStarterSaysSo(t *testing.T) {
	command := exec.Command(program)
	command.Env = []string{}
	output, err := command.CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) || failed.ExitCode() != 255 {
		t.Errorf("ended with %v", err)
	}
	holds(t, string(output), "ENGINE_CONFIG")
}

// Each is sent when the one before has arrived. The container's shell ends on the last.
func TestSignalsOfEveryKindReachMonitorContainer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
	script := `trap "" HUP INT QUIT USR1 WINCH RTMIN+3; trap "exit 5" TERM; echo ready >&2; while :; do sleep 1 & wait; done`
	settings, err := json.Marshal(map[string]any{"Args": []string{"/bin/sh", "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = []string{"ENGINE_CONFIG_CHUNKS=1", `ENGINE_CONFIG1={"engineName":"test","engineConfig":` + string(settings) + `}`}
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	until := func(text string) {
		for lines.Scan() {
			if lines.Text() == text {
				return
			}
		}
		t.Errorf("the starter ended before it said %q", text)
	}
	until("ready")
	for _, kind := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGWINCH,
		syscall.Signal(37), syscall.SIGTERM} {
		if err := command.Process.Signal(kind); err != nil {
			t.Fatal(err)
		}
		until("signal: " + kind.String())
	}
	for lines.Scan() {
	}
	var failed *exec.ExitError
	if err := command.Wait(); !errors.As(err, &failed) || failed.ExitCode() != 5 {
		t.Errorf("the starter ended with %v", err)
	}
}
