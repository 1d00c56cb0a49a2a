// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/launch"
)

// frontEnd is a program that launches once, for what must not happen to the process of the tests.
type frontEnd struct {
	// Starter is this binary if it is empty, and Setup is not called if it is "none".
	Starter      string
	ByDescriptor bool
	Exec         bool
	Orders       orders
	// Size is that of the configuration.
	Size int
	// Stack are the soft and the hard stack limit, in bytes.
	Stack [2]uint64
	// Close closes these descriptors first.
	Close []int
	// CloseOnExec is set on these descriptors.
	CloseOnExec []int
	// Streams gives the files of these descriptors as standard input, output and error stream.
	Streams []int
	// Again launches so many times; programs that are started meanwhile must get nothing of it.
	Again int
}

// outcome is what a front end says of itself on its standard error stream; the second line is missing where it was replaced.
type outcome struct {
	Inherited map[int]string `json:",omitzero"`
	// Before and After are the state of the process.
	Before, After string
	Error         string
	// Met is what another program met that was started meanwhile.
	Met string
}

// result is what came of a front end.
type result struct {
	outcome
	report report
	output string
}

// start runs a front end with these files as descriptors from 3 on; nil leaves a gap. Shell commands set it up before.
func (f frontEnd) start(t *testing.T, shell string, files ...*os.File) result {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", shell+` exec "$0" "$@"`, executable(t), "front-end", encode(f))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &stdout, &stderr, files
	if err := cmd.Run(); err != nil {
		t.Fatalf("the front end: %v\n%s", err, stderr.String())
	}
	var result result
	for decoder := json.NewDecoder(&stderr); decoder.More(); {
		if err := decoder.Decode(&result.outcome); err != nil {
			t.Fatal(err)
		}
	}
	result.output = stdout.String()
	if f.Orders.Report != "" {
		read(t, f.Orders.Report, &result.report)
	}
	return result
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func runFrontEnd(text string) int {
	var f frontEnd
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	if f.Stack[0] != 0 {
		if err := unix.Setrlimit(unix.RLIMIT_STACK, &unix.Rlimit{Cur: f.Stack[0], Max: f.Stack[1]}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 98
		}
	}
	return f.launch()
}

func (f frontEnd) launch() int {
	signal.Ignore(unix.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), unix.SIGUSR1)
	// What is said later goes where nothing of the launch leads.
	saved, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		return 97
	}
	say := json.NewEncoder(os.NewFile(uintptr(saved), "saved"))
	_ = say.Encode(outcome{Inherited: inheritable()})
	own, _ := os.Executable()
	// The mask of signals that state tells is a thread's.
	runtime.LockOSThread()
	// Go's poller opens its descriptors now, and not where a standard stream is closed.
	_ = state()
	for _, fd := range f.Close {
		_ = unix.Close(fd)
	}
	for _, fd := range f.CloseOnExec {
		unix.CloseOnExec(fd)
	}
	if f.Starter == "" {
		f.Starter = own
	}
	if f.Starter != "none" {
		launch.Setup(launch.Host{Starter: f.Starter, ByDescriptor: f.ByDescriptor})
	}
	said := outcome{Before: state()}
	said.Error = f.calls(&said)
	said.After = state()
	_ = say.Encode(said)
	return 0
}

func (f frontEnd) calls(said *outcome) string {
	if f.Again == 0 {
		return text(f.call())
	}
	done := make(chan string)
	go func() {
		var last error
		for range f.Again {
			last = f.call()
		}
		done <- text(last)
	}()
	for {
		select {
		case last := <-done:
			return last
		default:
			other, err := exec.Command("/bin/ls", "-l", "/proc/self/fd").CombinedOutput()
			if err != nil || bytes.Contains(other, []byte("engine-config")) {
				said.Met += fmt.Sprint(err, string(other))
			}
		}
	}
}

func (f frontEnd) call() error {
	call := launch.Run
	if f.Exec {
		call = launch.Exec
	}
	var ops []launch.CommandOp
	for number, fd := range f.Streams {
		file, err := stream(fd)
		if err != nil {
			return err
		}
		ops = append(ops, []launch.CommandOp{launch.WithStdin(file), launch.WithStdout(file), launch.WithStderr(file)}[number])
		if fd > 2 {
			defer file.Close()
		}
	}
	return call(f.Orders.name(), sized(max(f.Size, 8)), ops...)
}

// stream is a standard stream itself, or a duplicate of another descriptor.
func stream(fd int) (*os.File, error) {
	if fd <= 2 {
		return []*os.File{os.Stdin, os.Stdout, os.Stderr}[fd], nil
	}
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 200)
	return os.NewFile(uintptr(copied), "stream"), err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// state is what a failed launch must leave as it was.
func state() string {
	var state strings.Builder
	for fd := range 256 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil {
			status, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			fmt.Fprintln(&state, fd, target(fd), flags, status)
		}
	}
	for _, which := range []int{unix.RLIMIT_NOFILE, unix.RLIMIT_STACK} {
		var limit unix.Rlimit
		_ = unix.Getrlimit(which, &limit)
		fmt.Fprintln(&state, limit)
	}
	status, _ := os.ReadFile("/proc/thread-self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "SigIgn") || strings.HasPrefix(line, "SigCgt") || strings.HasPrefix(line, "SigBlk") {
			state.WriteString(line)
		}
	}
	return state.String()
}

// padded is a configuration whose size a test chooses.
type padded struct {
	A string `json:"a"`
}

// sized is a configuration of so many bytes as JSON, 8 at least.
func sized(size int) padded {
	return padded{strings.Repeat("x", size-len(padded{}.text()))}
}

func (p padded) text() string {
	return `{"a":"` + p.A + `"}`
}
