// SPDX-License-Identifier: Apache-2.0 OR MIT

package mixed

import (
	"bufio"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a start may take that takes a tenth of a second where all is well.
const patience = 30 * time.Second

// running is a command that has begun: a starter, or the front end.
type running struct {
	t       *testing.T
	command *exec.Cmd
	output  *bufio.Reader
	pipes   []*os.File
	said    strings.Builder
	before  map[string]string
	limit   *time.Timer
}

// begin begins a starter as a launcher does that wants the processes on the host, too.
func begin(t *testing.T, starter, engine string, settings map[string]any) *running {
	t.Helper()
	needsRoot(t)
	document, err := json.Marshal(map[string]any{"engineName": engine, "containerID": "one", "engineConfig": settings})
	must(t, err)
	command := exec.Command(program(starter))
	command.Env = []string{"ENGINE_CONFIG_CHUNKS=1", "ENGINE_CONFIG1=" + string(document), "POST_START_HOST=1", "CLEANUP_HOST=1"}
	return follow(t, command)
}

// follow begins a command. Its standard input has no end before it ends itself.
func follow(t *testing.T, command *exec.Cmd) *running {
	t.Helper()
	r := &running{t: t, command: command, before: descriptors(t)}
	input, never, err := os.Pipe()
	must(t, err)
	output, writer, err := os.Pipe()
	must(t, err)
	r.pipes = []*os.File{never, output}
	command.Stdin, command.Stdout, command.Stderr = input, writer, writer
	err = command.Start()
	input.Close()
	writer.Close()
	must(t, err)
	r.output = bufio.NewReader(output)
	r.limit = time.AfterFunc(patience, func() {
		command.Process.Kill()
		// Those that it leaves may hold the other end.
		output.SetReadDeadline(time.Now().Add(time.Second))
	})
	return r
}

// until reads what is said up to a line.
func (r *running) until(text string) {
	r.t.Helper()
	for {
		line, err := r.output.ReadString('\n')
		r.said.WriteString(line)
		if strings.TrimSpace(line) == text {
			return
		}
		if err != nil {
			r.end()
			r.t.Fatalf("it ended before it said %q: %s", text, r.said.String())
		}
	}
}

func (r *running) signal(kind syscall.Signal) {
	r.t.Helper()
	must(r.t, r.command.Process.Signal(kind))
}

// end waits for the end, and looks for what is left. It returns how the command ended and what was said.
func (r *running) end() (status syscall.WaitStatus, said string) {
	r.t.Helper()
	r.output.WriteTo(&r.said)
	err := r.command.Wait()
	if !r.limit.Stop() {
		r.t.Errorf("it hung, and was killed after %v", patience)
		endChildren()
	} else {
		nothingRuns(r.t)
	}
	for _, pipe := range r.pipes {
		pipe.Close()
	}
	if now := descriptors(r.t); !maps.Equal(now, r.before) {
		r.t.Errorf("descriptors: %v, not %v", now, r.before)
	}
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		r.t.Error(err)
	}
	return r.command.ProcessState.Sys().(syscall.WaitStatus), r.said.String()
}

// nothingRuns looks for processes that a start has left: this process inherits them.
func nothingRuns(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a process is left: wait4 returns %d, %v", pid, err)
	}
	endChildren()
}

// endChildren kills whatever is left, and waits for it.
func endChildren() {
	for {
		killChildren()
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

func killChildren() {
	threads, _ := filepath.Glob("/proc/self/task/*/children")
	for _, thread := range threads {
		list, _ := os.ReadFile(thread)
		for _, word := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(word); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// descriptors are those of this process, by what they lead to.
func descriptors(t *testing.T) map[string]string {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	found := map[string]string{}
	for _, entry := range list {
		// The one that reads the folder is gone.
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			found[entry.Name()] = target
		}
	}
	return found
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
