// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/ops"
	"github.com/pinion-runtime/pinion/go/internal/capi"
)

func init() {
	cases["callbacks"] = callbacks
	cases["failures"] = failures
	cases["cancellation"] = cancellation
	cases["connections"] = connections
	cases["failure of later work"] = laterFailure
	cases["start process"] = startProcess
	cases["RPC between C and the core through Go"] = throughGo
	cases["fatal errors"] = fatalErrors
}

var background = context.Background()

// preStart calls the optional callback, which an engine in C has where its table has it.
func preStart(made *engine.Engine, ctx context.Context, connection net.Conn) error {
	return preStartWith(made, ctx, connection, nil)
}

func preStartWith(made *engine.Engine, ctx context.Context, connection net.Conn, fatal chan error) error {
	optional, has := ops.Find[ops.PreStarter](made.Operations)
	if !has {
		return errors.New("there is no PreStartProcess")
	}
	return optional.PreStartProcess(ctx, 1, connection, fatal)
}

// withContext are the lines of the callbacks that have one.
var withContext = []string{
	"CreateContainer of a process",
	"PreStartProcess of a process",
	"PostStartHost",
	"PostStartProcess of a process",
	"CleanupHost",
}

// named is the callback that writes a line.
func named(line string) string {
	name, _, _ := strings.Cut(line, " ")
	return name
}

// call calls the callback that writes the line.
func (r *run) call(made *engine.Engine, line string, ctx context.Context) error {
	near, far := r.pair()
	defer near.Close()
	defer far.Close()
	// The byte that C waits for in two of them.
	if _, err := far.Write([]byte("!")); err != nil {
		r.errorf("write to the connection: %v", err)
	}
	switch named(line) {
	case "CreateContainer":
		return made.CreateContainer(ctx, 1, near)
	case "PreStartProcess":
		return preStart(made, ctx, near)
	case "PostStartHost":
		return made.PostStartHost(ctx)
	case "PostStartProcess":
		return made.PostStartProcess(ctx, 1)
	}
	return made.CleanupHost(ctx)
}

func callbacks(r *run) {
	made := r.get(map[string]string{"Say": "x"})
	for _, line := range withContext {
		if err := r.call(made, line, background); err != nil {
			r.errorf("%s: %v", line, err)
		}
		r.wrote(line + " prepared=no")
	}
}

func failures(r *run) {
	for _, line := range withContext {
		err := r.call(r.get(map[string]string{"Fail": named(line)}), line, background)
		r.is(line, err, syscall.ENOENT, named(line)+" fails in C")
		r.wrote(line + " prepared=no")
	}
	made := r.get(map[string]string{"Fail": "MonitorContainer"})
	_, err := made.MonitorContainer(0, make(chan os.Signal))
	r.is("MonitorContainer", err, syscall.ENOENT, "MonitorContainer fails in C")
	r.wrote("MonitorContainer of no process prepared=no")
}

// laterFailure waits for the error of work that C goes on with, where the callers of PreStartProcess wait for it.
func laterFailure(r *run) {
	near, far := r.pair()
	defer near.Close()
	defer far.Close()
	fatal := make(chan error, 1)
	if err := preStartWith(r.get(map[string]string{"Fail": "later"}), background, near, fatal); err != nil {
		r.errorf("PreStartProcess: %v", err)
	}
	r.wrote("PreStartProcess of a process prepared=no")
	select {
	case err := <-fatal:
		r.is("the channel", err, syscall.ENOENT, "the C engine fails later")
	case <-time.After(patience):
		r.errorf("nothing came from the channel")
	}
}

// cancellation waits for C to be inside, cancels, and waits for C to have noticed.
func cancellation(r *run) {
	for _, line := range withContext {
		made := r.get(map[string]string{"Wait": named(line)})
		ctx, cancel := context.WithCancel(background)
		done := make(chan error)
		go func() { done <- r.call(made, line, ctx) }()
		r.wrote(line + " prepared=no")
		cancel()
		r.is(line, <-done, syscall.ECANCELED, "the C engine was cancelled")
	}
	// A context may be cancelled from the beginning: C sees it at once.
	made := r.get(map[string]string{"Wait": "CleanupHost"})
	ctx, cancel := context.WithCancel(background)
	cancel()
	err := made.CleanupHost(ctx)
	r.wrote("CleanupHost prepared=no")
	if err == nil || !strings.Contains(err.Error(), "cancelled") {
		r.errorf("CleanupHost with a cancelled context: %v", err)
	}
}

// connections are read and written to in C, which waits as long as nothing comes.
func connections(r *run) {
	made := r.get(map[string]string{"Say": "hello"})
	for line, call := range map[string]func(net.Conn) error{
		"CreateContainer of a process": func(near net.Conn) error { return made.CreateContainer(background, 1, near) },
		"PreStartProcess of a process": func(near net.Conn) error { return preStart(made, background, near) },
	} {
		near, far := r.pair()
		done := make(chan error)
		go func() { done <- call(near) }()
		r.wrote(line + " prepared=no")
		r.hears(far, "hello")
		if _, err := far.Write([]byte("!")); err != nil {
			r.errorf("%s: answer: %v", line, err)
		}
		if err := <-done; err != nil {
			r.errorf("%s: %v", line, err)
		}
		far.Close()
		near.Close()
	}
	r.refusesConnections(made)
}

func (r *run) hears(from net.Conn, want string) {
	said := make([]byte, len(want))
	if _, err := io.ReadFull(from, said); err != nil || string(said) != want {
		r.errorf("C said %q, %v, not %q", said, err, want)
	}
}

// refusesConnections tries such as C cannot have.
func (r *run) refusesConnections(made *engine.Engine) {
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	closed, far := r.pair()
	far.Close()
	closed.Close()
	for want, connection := range map[string]net.Conn{
		"a *net.pipe has no descriptor":    one,
		"a <nil> has no descriptor":        nil,
		"use of closed network connection": closed,
	} {
		for name, err := range map[string]error{
			"CreateContainer": made.CreateContainer(background, 1, connection),
			"PreStartProcess": preStart(made, background, connection),
			"StartProcess":    made.StartProcess(connection),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				r.errorf("%s: %v, not %s", name, err, want)
			}
		}
	}
}

// startProcess plays PreStartProcess at the other end.
func startProcess(r *run) {
	made := r.get(nil)
	near, far := r.pair()
	done := make(chan error)
	go func() { done <- made.StartProcess(near) }()
	r.wrote("StartProcess prepared=no")
	r.hears(far, "s")
	if _, err := far.Write([]byte("g")); err != nil {
		r.errorf("answer: %v", err)
	}
	// C closes its end when it goes on as an init shim, and Go has none any more.
	if n, err := far.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		r.errorf("after the start: %d, %v", n, err)
	}
	far.Close()
	err := <-done
	var ended capi.Ended
	if !errors.As(err, &ended) || syscall.WaitStatus(ended).ExitStatus() != 3 {
		r.errorf("ended with %v", err)
	}

	near, far = r.pair()
	defer far.Close()
	r.is("a failing StartProcess", r.get(map[string]string{"Fail": "StartProcess"}).StartProcess(near), syscall.ENOENT,
		"StartProcess fails in C")
	r.wrote("StartProcess prepared=no")
}

func fatalErrors(r *run) {
	made := r.get(nil)
	fatal := fmt.Errorf("a text of Go's: %w", syscall.EXDEV)
	if err := made.CleanupContainer(background, fatal, 0x700); err != nil {
		r.errorf("CleanupContainer: %v", err)
	}
	const callbackError = 9
	r.wrote(fmt.Sprintf("fatal %d, errno %d: %v", callbackError, int(syscall.EXDEV), fatal), "status 0x700",
		"CleanupContainer prepared=no")
	if err := made.CleanupContainer(background, nil, 9); err != nil {
		r.errorf("CleanupContainer: %v", err)
	}
	r.wrote("status 0x9", "CleanupContainer prepared=no")
	// An error of C's keeps its code on the way back to C.
	err := r.get(map[string]string{"Fail": "CleanupHost"}).CleanupHost(background)
	r.wrote("CleanupHost prepared=no")
	if err := made.CleanupContainer(background, fmt.Errorf("around it: %w", err), 0); err != nil {
		r.errorf("CleanupContainer: %v", err)
	}
	r.wrote(fmt.Sprintf("fatal %d, errno %d: around it: CleanupHost fails in C", systemError, int(syscall.ENOENT)), "status 0",
		"CleanupContainer prepared=no")
}

// throughGo lets a client in C call the server that Go lets the core run.
func throughGo(r *run) {
	made := r.get(nil)
	near, far := r.pair()
	served := make(chan struct{})
	go func() {
		defer close(served)
		engine.ServeRPCRequests(made, far)
	}()
	if err := made.CreateContainer(background, 0, near); err != nil {
		r.errorf("CreateContainer: %v", err)
	}
	r.wrote("CreateContainer of no process prepared=no")
	near.Close()
	<-served
	if directory, err := os.Getwd(); directory != "/" || err != nil {
		r.errorf("the directory is %q, %v: nothing was called", directory, err)
	}
}
