// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// run is one run of a case. What engines in C write comes by a pipe, whose reader waits for it.
type run struct {
	failed         bool
	log            string
	lines          *bufio.Reader
	reader, writer *os.File
}

func newRun() *run {
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	// By this name it is opened for each line.
	log := fmt.Sprintf("/proc/self/fd/%d", writer.Fd())
	return &run{log: log, lines: bufio.NewReader(reader), reader: reader, writer: writer}
}

// errorf tells what is not as it should be, and where: outside of this file.
func (r *run) errorf(format string, values ...any) {
	file, line := "run.go", 0
	for skip := 1; file == "run.go"; skip++ {
		var path string
		_, path, line, _ = runtime.Caller(skip)
		file = filepath.Base(path)
	}
	r.failed = true
	fmt.Printf("%s:%d: "+format+"\n", append([]any{file, line}, values...)...)
}

// equal compares what is with what should be.
func (r *run) equal(what string, is, want any) {
	if is != want {
		r.errorf("%s: %v, not %v", what, is, want)
	}
}

// is looks for an error's identity and text.
func (r *run) is(what string, err, want error, text string) {
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		r.errorf("%s: %v, which is no %v with %q", what, err, want, text)
	}
}

// wrote waits for the next lines that engines in C write.
func (r *run) wrote(want ...string) {
	for _, line := range want {
		r.reader.SetReadDeadline(time.Now().Add(patience))
		is, err := r.lines.ReadString('\n')
		if is = strings.TrimSpace(is); is != line || err != nil {
			r.errorf("the engine wrote %q, %v, not %q", is, err, line)
		}
	}
}

// wroteNothing looks for a line that is there already.
func (r *run) wroteNothing() {
	fmt.Fprintln(r.writer, "nothing more")
	r.wrote("nothing more")
}

// get makes the engine "mixed-c" ready, whose lines come here.
func (r *run) get(settings map[string]string) *engine.Engine {
	return r.getNamed("mixed-c", settings)
}

func (r *run) getNamed(name string, settings map[string]string) *engine.Engine {
	own := map[string]string{"Log": r.log}
	for key, value := range settings {
		own[key] = value
	}
	document, err := json.Marshal(map[string]any{"engineName": name, "containerID": "one", "engineConfig": own})
	if err != nil {
		panic(err)
	}
	made, err := engine.Get(document)
	if err != nil {
		r.errorf("get %q: %v", name, err)
		os.Exit(1)
	}
	r.wrote("InitConfig of one", "Declare")
	return made
}

// pair makes two connected sockets.
func (r *run) pair() (near, far *net.UnixConn) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	connect := func(fd int) *net.UnixConn {
		file := os.NewFile(uintptr(fd), "pair")
		defer file.Close()
		made, err := net.FileConn(file)
		if err != nil {
			panic(err)
		}
		return made.(*net.UnixConn)
	}
	return connect(pair[0]), connect(pair[1])
}

// errPeer is what the engine in Go returns where it is called from C.
var errPeer = errors.New("an error of the Go engine's own")

// peer is an engine in Go that others look for.
type peer struct {
	own struct{ Text string }
	// name is what it answers with where it has taken a name.
	name string
}

func (p *peer) Config() config.EngineConfig                                       { return &p.own }
func (p *peer) InitConfig(*config.Common)                                         {}
func (p *peer) PrepareConfig(*starter.Config) error                               { return nil }
func (p *peer) CreateContainer(context.Context, int, net.Conn) error              { return nil }
func (p *peer) StartProcess(net.Conn) error                                       { return nil }
func (p *peer) CleanupContainer(context.Context, error, syscall.WaitStatus) error { return nil }
func (p *peer) PostStartHost(context.Context) error                               { return nil }
func (p *peer) CleanupHost(context.Context) error                                 { return nil }

func (p *peer) PostStartProcess(_ context.Context, pid int) error {
	return fmt.Errorf("%s was asked about %d: %w", p.name, pid, errPeer)
}

func (p *peer) MonitorContainer(int, chan os.Signal) (syscall.WaitStatus, error) {
	return 0, nil
}

func init() {
	engine.RegisterOperations("peer", &peer{name: "peer"})
}
