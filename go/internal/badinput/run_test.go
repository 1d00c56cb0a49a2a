// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a start may take that takes a tenth of a second where all is well.
const patience = 15 * time.Second

// chunk is how much of a document one variable has.
const chunk = 131056

// own is the engine's configuration, as badstarter reads it.
type own map[string]any

// do is a configuration in which one callback misbehaves.
func do(callback, deed string) own {
	return own{"Do": map[string]string{callback: deed}}
}

// start is one start of badstarter. The zero value is one where nothing is wrong, and whose container ends with 7.
type start struct {
	// host is argv[0], which chooses the host.
	host string
	// engine is "bad" where nothing is said.
	engine string
	own    own
	// document is in place of the two above.
	document []byte
	// byDescriptor hands the document over in a sealed memory file.
	byDescriptor bool
	// hosts asks for the processes on the host.
	hosts bool
	env   []string
	// caller is what the process is like that executes the starter.
	caller *caller
	// limit is how long the start may take, where that is not patience.
	limit time.Duration
	// abandons says that master ends in the middle: what it watched over follows it, and is not gone before it.
	abandons bool
	// loud says that stacks of Go may be told: at level debug, or because the engine took away what Go's runtime stands on.
	loud bool
}

// running is a start that has begun.
type running struct {
	t       *testing.T
	start   start
	command *exec.Cmd
	lines   chan string
	said    strings.Builder
	before  map[int]string
	over    context.Context
	cancel  context.CancelFunc
}

// result is what came of a start.
type result struct {
	t      *testing.T
	status syscall.WaitStatus
	said   string
}

func (s start) run(t *testing.T) *result {
	t.Helper()
	return s.begin(t).end()
}

func (s start) begin(t *testing.T) *running {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
	r := &running{t: t, start: s, lines: make(chan string), before: descriptors(t)}
	r.over, r.cancel = context.WithTimeout(t.Context(), cmp.Or(s.limit, patience))
	r.command = &exec.Cmd{Path: program, Args: []string{s.host}, Env: s.env}
	if s.caller != nil {
		r.command.Path = "/proc/self/exe"
		r.command.Args = []string{s.host, "caller", s.caller.text()}
	}
	r.configure(s.text())
	if s.hosts {
		r.command.Env = append(r.command.Env, "POST_START_HOST=1", "CLEANUP_HOST=1")
	}
	output, writer, err := os.Pipe()
	must(t, err)
	// The terminal may be the standard input of the tests.
	r.command.Stdout, r.command.Stderr = writer, writer
	err = r.command.Start()
	writer.Close()
	for _, file := range r.command.ExtraFiles {
		file.Close()
	}
	must(t, err)
	go read(output, r.lines)
	context.AfterFunc(r.over, func() { r.command.Process.Kill() })
	return r
}

// read sends what is said, line by line, until nobody is left who could say something.
func read(output *os.File, lines chan<- string) {
	defer close(lines)
	defer output.Close()
	for reader := bufio.NewReader(output); ; {
		line, err := reader.ReadString('\n')
		if line != "" {
			lines <- line
		}
		if err != nil {
			return
		}
	}
}

// text is the configuration document.
func (s start) text() []byte {
	if s.document != nil {
		return s.document
	}
	settings := own{"Args": []string{"/bin/sh", "-c", "read line; exit 7"}}
	maps.Copy(settings, s.own)
	name := s.engine
	if name == "" {
		name = "bad"
	}
	document, err := json.Marshal(map[string]any{"engineName": name, "engineConfig": settings})
	if err != nil {
		panic(err)
	}
	return document
}

func (r *running) configure(document []byte) {
	if !r.start.byDescriptor {
		count := 0
		for part := range slices.Chunk(document, chunk) {
			count++
			r.command.Env = append(r.command.Env, fmt.Sprintf("ENGINE_CONFIG%d=%s", count, part))
		}
		r.command.Env = append(r.command.Env, "ENGINE_CONFIG_CHUNKS="+strconv.Itoa(count))
		return
	}
	fd, err := unix.MemfdCreate("configuration", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	must(r.t, err)
	file := os.NewFile(uintptr(fd), "configuration")
	_, err = file.WriteAt(document, 0)
	must(r.t, err)
	_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
	must(r.t, err)
	r.command.ExtraFiles = []*os.File{file}
	r.command.Env = append(r.command.Env, "PINION_CONFIG_FD=3")
}

// until waits for a line that holds the text.
func (r *running) until(text string) {
	r.t.Helper()
	for {
		select {
		case line, more := <-r.lines:
			r.said.WriteString(line)
			if strings.Contains(line, text) {
				return
			}
			if !more {
				r.end()
				r.t.Fatalf("the starter ended before it said %q: %s", text, r.said.String())
			}
		case <-r.over.Done():
			r.end()
			r.t.Fatalf("it never said %q", text)
		}
	}
}

func (r *running) signal(kind syscall.Signal) {
	r.t.Helper()
	must(r.t, r.command.Process.Signal(kind))
}

// end waits for the end of the starter and of everything that it began.
func (r *running) end() *result {
	r.t.Helper()
	defer r.cancel()
	ended := make(chan error)
	go func() { ended <- r.command.Wait() }()
	for lines, ends := r.lines, ended; lines != nil || ends != nil; {
		select {
		case line, more := <-lines:
			if !more {
				lines = nil
			}
			r.said.WriteString(line)
		case err := <-ends:
			ends = nil
			var failed *exec.ExitError
			if err != nil && !errors.As(err, &failed) {
				r.t.Error(err)
			}
			if left := children(); len(left) > 0 && !r.start.abandons && r.over.Err() == nil {
				r.t.Errorf("left: %q", left)
			}
			r.reapRest()
		}
	}
	if r.over.Err() != nil {
		r.t.Errorf("it hung, and was killed: %s", r.said.String())
	}
	result := &result{r.t, r.command.ProcessState.Sys().(syscall.WaitStatus), r.said.String()}
	if !r.start.loud {
		result.without("fatal error:", "SIGSEGV", "goroutine ", "panic: ", "\tpanic")
	}
	for number, target := range descriptors(r.t) {
		// The core's objects of other tests may be collected meanwhile.
		if r.before[number] != target {
			r.t.Errorf("descriptor %d of this process is left: %s", number, target)
		}
	}
	return result
}

// reapRest waits for the processes whose parent is gone, which follow it, and kills what does not.
func (r *running) reapRest() {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
				return
			}
		}
	}()
	select {
	case <-gone:
		return
	case <-time.After(cmp.Or(r.start.limit, patience)):
	}
	r.t.Errorf("left for ever: %q", children())
	for _, pid := range childPIDs() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-gone
}

func childPIDs() (pids []int) {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		list, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/children")
		for _, word := range strings.Fields(string(list)) {
			pid, _ := strconv.Atoi(word)
			pids = append(pids, pid)
		}
	}
	return pids
}

// children are this process's, in words.
func children() (left []string) {
	for _, pid := range childPIDs() {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		lines := strings.SplitN(string(status), "\n", 4)
		left = append(left, fmt.Sprintf("%d %s", pid, strings.Join(lines[:min(3, len(lines))], " ")))
	}
	return left
}

// descriptors are those of this process, but for the one that looks.
func descriptors(t *testing.T) map[int]string {
	t.Helper()
	found := map[int]string{}
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, entry := range list {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			number, _ := strconv.Atoi(entry.Name())
			found[number] = target
		}
	}
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
