// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// found is an engine of another language, made ready. It lives as long as somebody has it.
type found struct {
	raw     *C.pinion_engine
	cleanup runtime.Cleanup
}

func newFound(raw *C.pinion_engine) *found {
	made := &found{raw: raw}
	made.cleanup = runtime.AddCleanup(made, func(raw *C.pinion_engine) { C.pinion_engine_free(raw) }, raw)
	return made
}

// Common is what the document held, the engine's own configuration being JSON here.
func (f *found) Common() (name, id string, config json.RawMessage, plugins map[string]json.RawMessage, err error) {
	defer runtime.KeepAlive(f)
	var common *C.pinion_common
	if err := lift(C.pinion_engine_common(f.raw, &common)); err != nil {
		return "", "", nil, nil, err
	}
	defer C.pinion_common_free(common)
	var bytes *C.pinion_bytes
	if err := lift(C.pinion_common_encode(common, &bytes)); err != nil {
		return "", "", nil, nil, err
	}
	var whole struct {
		EngineName   string                     `json:"engineName"`
		ContainerID  string                     `json:"containerID"`
		EngineConfig json.RawMessage            `json:"engineConfig"`
		PluginConfig map[string]json.RawMessage `json:"plugin"`
	}
	if err := json.Unmarshal(taken(bytes), &whole); err != nil {
		return "", "", nil, nil, fmt.Errorf("read the engine's configuration: %w", err)
	}
	return whole.EngineName, whole.ContainerID, whole.EngineConfig, whole.PluginConfig, nil
}

// errReady is what a found engine answers where a registered one would make a configuration.
var errReady = errors.New("configure an engine of another language: it was made ready by the core with its configuration")

func (f *found) Registered() any { return f }

func (f *found) Config() (hook.Document, error) { return nil, errReady }

func (f *found) PrepareConfig(starter any) error {
	defer runtime.KeepAlive(f)
	own, is := hook.UnwrapConfig(starter).(config)
	if !is {
		return fmt.Errorf("call PrepareConfig of an engine of another language: a %T is no starter configuration of the core's", starter)
	}
	return lift(C.pinion_engine_prepare_config(f.raw, own.raw))
}

// with lends a Go context to the core for one call.
func (f *found) with(ctx context.Context, call func(*C.pinion_context) *C.pinion_error) error {
	raw, err := newContext()
	if err != nil {
		return err
	}
	defer C.pinion_context_free(raw)
	return f.calling(ctx, raw, call)
}

func newContext() (raw *C.pinion_context, err error) {
	err = lift(C.pinion_context_new(&raw))
	return raw, err
}

// calling lends a Go context by one of the core's, which ends with it.
func (f *found) calling(ctx context.Context, raw *C.pinion_context, call func(*C.pinion_context) *C.pinion_error) error {
	defer runtime.KeepAlive(f)
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		warn(lift(C.pinion_context_cancel(raw)))
	})
	defer func() {
		if !stop() {
			<-cancelled
		}
	}()
	return lift(call(raw))
}

// withSocket lends a connection's descriptor for one call.
func withSocket(connection net.Conn, call func(fd C.int32_t) error) error {
	socket, is := connection.(syscall.Conn)
	if !is {
		return fmt.Errorf("hand a connection to an engine of another language: a %T has no descriptor", connection)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("hand a connection to an engine of another language: %w", err)
	}
	var returned error
	if err := raw.Control(func(fd uintptr) {
		// Other languages wait in their system calls; Go's users of the connection get theirs back.
		if returned = syscall.SetNonblock(int(fd), false); returned == nil {
			returned = call(C.int32_t(fd))
			syscall.SetNonblock(int(fd), true)
		}
	}); err != nil {
		return fmt.Errorf("hand a connection to an engine of another language: %w", err)
	}
	return returned
}

func (f *found) CreateContainer(ctx context.Context, pid int, rpc net.Conn) error {
	return withSocket(rpc, func(fd C.int32_t) error {
		return f.with(ctx, func(raw *C.pinion_context) *C.pinion_error {
			return C.pinion_engine_create_container(f.raw, raw, C.int32_t(pid), fd)
		})
	})
}

// StartProcess hands a duplicate of the connection over, and closes the caller's: only one of the two may be left.
func (f *found) StartProcess(master net.Conn) error {
	defer runtime.KeepAlive(f)
	var own int
	if err := withSocket(master, func(fd C.int32_t) (err error) {
		own, err = syscall.Dup(int(fd))
		return err
	}); err != nil {
		return err
	}
	syscall.CloseOnExec(own)
	master.Close()
	if err := syscall.SetNonblock(own, false); err != nil {
		return err
	}
	var status C.int32_t
	if err := lift(C.pinion_engine_start_process(f.raw, C.int32_t(own), &status)); err != nil {
		return err
	}
	return Ended(status)
}

// HasPreStartProcess asks the engine itself, after PrepareConfig.
func (f *found) HasPreStartProcess() bool {
	defer runtime.KeepAlive(f)
	var said C.pinion_declaration
	said.size = C.sizeof_pinion_declaration
	err := lift(C.pinion_engine_declaration(f.raw, &said))
	return err == nil && bool(said.pre_start_process)
}

// PreStartProcess gives fatal what the engine ends its context by, after it has returned too.
func (f *found) PreStartProcess(ctx context.Context, pid int, master net.Conn, fatal chan error) error {
	raw, err := newContext()
	if err != nil {
		return err
	}
	err = withSocket(master, func(fd C.int32_t) error {
		return f.calling(ctx, raw, func(raw *C.pinion_context) *C.pinion_error {
			return C.pinion_engine_pre_start_process(f.raw, raw, C.int32_t(pid), fd)
		})
	})
	if err != nil || fatal == nil {
		C.pinion_context_free(raw)
		return err
	}
	event, err := unix.FcntlInt(uintptr(C.pinion_context_fd(raw)), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		C.pinion_context_free(raw)
		return fmt.Errorf("watch for an error of later work: duplicate the context's descriptor: %w", err)
	}
	watch := os.NewFile(uintptr(event), "context")
	ended := context.AfterFunc(ctx, func() { watch.Close() })
	go func() {
		defer C.pinion_context_free(raw)
		defer watch.Close()
		defer ended()
		// Its error is that of the run's end, after which nobody asks.
		if awaitReadable(watch) == nil {
			if failure := lift(C.pinion_context_failure(raw)); failure != nil {
				fatal <- failure
			}
		}
	}()
	return nil
}

func (f *found) PostStartHost(ctx context.Context) error {
	return f.with(ctx, func(raw *C.pinion_context) *C.pinion_error { return C.pinion_engine_post_start_host(f.raw, raw) })
}

func (f *found) PostStartProcess(ctx context.Context, pid int) error {
	return f.with(ctx, func(raw *C.pinion_context) *C.pinion_error {
		return C.pinion_engine_post_start_process(f.raw, raw, C.int32_t(pid))
	})
}

// MonitorContainer hands the signals on as the engine reads them, from a descriptor.
func (f *found) MonitorContainer(pid int, signals chan os.Signal) (syscall.WaitStatus, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return 0, fmt.Errorf("hand signals to an engine of another language: make a pipe: %w", err)
	}
	done := make(chan struct{})
	var handing sync.WaitGroup
	handing.Go(func() { hand(signals, pipe[1], done) })
	defer func() {
		close(done)
		handing.Wait()
		unix.Close(pipe[1])
	}()
	var status C.int32_t
	err := f.with(context.Background(), func(ctx *C.pinion_context) *C.pinion_error {
		var queue *C.pinion_signals
		failed := C.pinion_signals_from(ctx, C.int32_t(pipe[0]), &queue)
		unix.Close(pipe[0])
		if failed != nil {
			return failed
		}
		defer C.pinion_signals_free(queue)
		return C.pinion_engine_monitor_container(f.raw, C.int32_t(pid), queue, &status)
	})
	return syscall.WaitStatus(status), err
}

// hand writes signals as signalfd(2) gives them.
func hand(signals <-chan os.Signal, to int, done <-chan struct{}) {
	for {
		select {
		case next, open := <-signals:
			if !open {
				return
			}
			if kind, is := next.(syscall.Signal); is {
				// Its error is that of a pipe whose reader has returned.
				_ = writeSignal(to, kind)
			}
		case <-done:
			return
		}
	}
}

func (f *found) CleanupContainer(ctx context.Context, fatal error, status syscall.WaitStatus) error {
	raw := lower(fatal)
	defer C.pinion_error_free(raw)
	return f.with(ctx, func(ctx *C.pinion_context) *C.pinion_error {
		return C.pinion_engine_cleanup_container(f.raw, ctx, raw, C.int32_t(status))
	})
}

func (f *found) CleanupHost(ctx context.Context) error {
	return f.with(ctx, func(raw *C.pinion_context) *C.pinion_error { return C.pinion_engine_cleanup_host(f.raw, raw) })
}
