// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/report"
	"github.com/pinion-runtime/pinion/go/internal/dropin/sandbox"
)

// patience is how long a run, and what it leaves behind, may take.
const patience = 20 * time.Second

// run is one run of one variant.
type run struct {
	t       *testing.T
	variant *variant
	folder  string
	order   report.Order
	config  sandbox.Config
	// wrapper is a command that executes the front end.
	wrapper []string
	// ready is a pipe by which the container's program says that it goes on.
	ready *os.File
	// open is what the front end has open from descriptor 3 on.
	open []*os.File

	front    *exec.Cmd
	stdin    io.WriteCloser
	log      *os.File
	arriving chan report.Entry
	// over is closed when nobody writes to the log any more.
	over    chan struct{}
	entries []report.Entry
	// files are what there was before.
	files          []string
	status         syscall.WaitStatus
	stdout, stderr string
	// target has what the processes of another run are called.
	target           names
	targetNamespaces []string
	left             []string
}

// end is the line of the log that says that nobody writes to it any more.
const end = "end"

// newRun makes a run whose container has its own namespaces and root, and waits for a line on its standard input.
func newRun(t *testing.T, v *variant) *run {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
	r := &run{t: t, variant: v, folder: t.TempDir(), arriving: make(chan report.Entry, 100), over: make(chan struct{})}
	// The container's user is an ordinary one.
	for folder := r.folder; strings.HasPrefix(folder, os.TempDir()+"/"); folder = filepath.Dir(folder) {
		r.must(os.Chmod(folder, 0o755))
	}
	r.order = report.Order{Starter: v.starter, PostStartHost: true, CleanupHost: true, Engine: sandbox.Name, ID: "the id"}
	r.config = sandbox.Config{Log: r.path("log"), LogDescriptor: -1, Record: r.path("record"), Umask: 0o027, Spec: r.spec()}
	r.must(unix.Mkfifo(r.config.Log, 0o600))
	ready, given, err := os.Pipe()
	r.must(err)
	r.ready, r.open = ready, []*os.File{given}
	return r
}

func (r *run) path(name string) string { return filepath.Join(r.folder, name) }

func (r *run) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// start executes the front end.
func (r *run) start() {
	r.t.Helper()
	var err error
	r.order.Config, err = json.Marshal(r.config)
	r.must(err)
	order, err := json.Marshal(r.order)
	r.must(err)
	r.must(os.WriteFile(r.path("order"), order, 0o600))
	// Open for writing as well: the log does not end when no callback happens to have it open.
	r.log, err = os.OpenFile(r.config.Log, os.O_RDWR, 0)
	r.must(err)
	words := append(slices.Clone(r.wrapper), r.variant.frontend, r.path("order"))
	r.front = exec.Command(words[0], words[1:]...)
	r.front.Dir = r.folder
	r.front.Env = append(os.Environ(), "OF_THE_CALLER=1")
	r.front.ExtraFiles = r.open
	// Files, not pipes: a process that is left behind must not keep Wait from returning.
	stdout, err := os.Create(r.path("stdout"))
	r.must(err)
	stderr, err := os.Create(r.path("stderr"))
	r.must(err)
	r.front.Stdout, r.front.Stderr = stdout, stderr
	r.stdin, err = r.front.StdinPipe()
	r.must(err)
	r.files = r.list()
	r.must(r.front.Start())
	running.Store(strconv.Itoa(r.front.Process.Pid), true)
	stdout.Close()
	stderr.Close()
	r.open[0].Close()
	timer := time.AfterFunc(patience, func() { r.front.Process.Kill() })
	go r.read()
	go func() {
		r.front.Wait()
		timer.Stop()
		running.Delete(strconv.Itoa(r.front.Process.Pid))
		r.left = reapOrphans()
		close(r.over)
		fmt.Fprintln(r.log, end)
	}()
}

// read passes on what callbacks tell.
func (r *run) read() {
	defer close(r.arriving)
	lines := bufio.NewScanner(r.log)
	for lines.Scan() && lines.Text() != end {
		var entry report.Entry
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			entry.Callback = fmt.Sprintf("unreadable: %v: %s", err, lines.Text())
		}
		r.arriving <- entry
	}
}

// until waits for a callback to tell of itself.
func (r *run) until(callback string) (found report.Entry) {
	r.t.Helper()
	for entry := range r.arriving {
		r.entries = append(r.entries, entry)
		if entry.Callback == callback {
			return entry
		}
	}
	r.t.Errorf("%s: the run ended before %s", r.variant.name, callback)
	return found
}

// containerPID is what master was told.
func (r *run) containerPID() int {
	for _, entry := range r.entries {
		if entry.Callback == "CreateContainer" {
			pid, err := strconv.Atoi(entry.Values["pid"])
			r.must(err)
			return pid
		}
	}
	r.t.Fatal("CreateContainer was not called")
	return 0
}

// masterPID is 0 where there was none.
func (r *run) masterPID() int {
	for _, entry := range r.entries {
		if entry.Callback == "CreateContainer" {
			return entry.PID
		}
	}
	return 0
}

// awaitReady waits for the container's program to say a word.
func (r *run) awaitReady(word string) {
	r.t.Helper()
	line := make([]byte, len(word)+1)
	if _, err := io.ReadFull(r.ready, line); err != nil || string(line) != word+"\n" {
		r.t.Errorf("%s: the container's program said %q in place of %q: %v", r.variant.name, line, word, err)
	}
}

// release lets the container's program go on.
func (r *run) release() {
	r.t.Helper()
	if _, err := io.WriteString(r.stdin, "go\n"); err != nil && !errors.Is(err, syscall.EPIPE) {
		r.t.Error(err)
	}
}

// finish waits for the end, and looks for what is left.
func (r *run) finish() {
	r.t.Helper()
	for entry := range r.arriving {
		r.entries = append(r.entries, entry)
	}
	<-r.over
	r.stdin.Close()
	r.log.Close()
	r.ready.Close()
	r.status = r.front.ProcessState.Sys().(syscall.WaitStatus)
	stdout, err := os.ReadFile(r.path("stdout"))
	r.must(err)
	stderr, err := os.ReadFile(r.path("stderr"))
	r.must(err)
	r.stdout, r.stderr = string(stdout), string(stderr)
	table, err := os.ReadFile("/proc/self/mountinfo")
	r.must(err)
	// Others on this machine mount and unmount meanwhile.
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, r.folder) {
			r.left = append(r.left, "mount: "+line)
		}
	}
	for _, path := range r.list() {
		if !slices.Contains(r.files, path) {
			r.left = append(r.left, path)
		}
	}
	if len(r.left) > 0 {
		r.t.Errorf("%s: left behind: %s", r.variant.name, strings.Join(r.left, ", "))
	}
}

// list names every file of the run.
func (r *run) list() (all []string) {
	r.t.Helper()
	r.must(filepath.WalkDir(r.folder, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

// reapOrphans waits for what a starter left behind. What does not end by itself is named and killed.
func reapOrphans() (left []string) {
	deadline := time.Now().Add(patience / 4)
	for {
		orphans, err := orphans()
		if err != nil {
			return append(left, err.Error())
		}
		if len(orphans) == 0 {
			return left
		}
		for _, child := range orphans {
			if why := reap(child, time.Until(deadline)); why != "" {
				left = append(left, why)
			}
		}
	}
}

// running has the front ends that this process has started.
var running sync.Map

// orphans are the children that this process has not made itself.
func orphans() (found []string, err error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	for _, thread := range threads {
		// A thread may have ended: its children are another one's then.
		children, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/children")
		for _, child := range strings.Fields(string(children)) {
			if _, own := running.Load(child); !own {
				found = append(found, child)
			}
		}
	}
	return found, nil
}

func reap(child string, limit time.Duration) (left string) {
	var pid int
	fmt.Sscan(child, &pid)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(set, int(max(limit, 0)/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		// A signal of Go's own: it is asked again.
		return ""
	}
	if n == 0 {
		name, _ := os.ReadFile("/proc/" + child + "/comm")
		left = fmt.Sprintf("process %d, %s", pid, strings.TrimSpace(string(name)))
		unix.Kill(pid, unix.SIGKILL)
	}
	unix.Wait4(pid, nil, 0, nil)
	return left
}
