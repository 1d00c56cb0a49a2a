// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include <stdlib.h>
#include "vtable.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/cgo"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine/ops"
	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// registration is an engine of Go's as the core holds it.
type registration struct {
	name   string
	engine hook.Engine
	gone   func()
}

func engineOf(handle C.uintptr_t) hook.Engine {
	return cgo.Handle(handle).Value().(*registration).engine
}

func documentOf(handle C.uintptr_t) hook.Document {
	return cgo.Handle(handle).Value().(hook.Document)
}

//export pinionGoGone
func pinionGoGone(handle C.uintptr_t) {
	own := cgo.Handle(handle)
	gone := own.Value().(*registration).gone
	own.Delete()
	gone()
}

//export pinionGoConfig
func pinionGoConfig(data C.uintptr_t, made *C.uintptr_t) *C.pinion_error {
	return guarded("Config", func() error {
		document, err := engineOf(data).Config()
		if err == nil {
			*made = C.uintptr_t(cgo.NewHandle(document))
		}
		return err
	})
}

//export pinionGoDecodeDocument
func pinionGoDecodeDocument(document C.uintptr_t, text C.pinion_view) *C.pinion_error {
	failed := guarded("decoding the configuration", func() error {
		return documentOf(document).Decode(lent(text))
	})
	if failed != nil {
		return failed
	}
	// The core calls InitConfig after this, where nothing could say that it panicked.
	return guarded("InitConfig", func() error {
		documentOf(document).Init()
		return nil
	})
}

//export pinionGoEncodeDocument
func pinionGoEncodeDocument(document C.uintptr_t, text **C.pinion_bytes) *C.pinion_error {
	return guarded("encoding the configuration", func() error {
		bytes, err := documentOf(document).Encode()
		if err != nil {
			return err
		}
		return give(bytes, text)
	})
}

//export pinionGoEncodeConfig
func pinionGoEncodeConfig(document C.uintptr_t, text **C.pinion_bytes) *C.pinion_error {
	return guarded("encoding the configuration", func() error {
		bytes, err := documentOf(document).Encode()
		if err != nil {
			return err
		}
		var whole struct {
			EngineConfig json.RawMessage `json:"engineConfig"`
		}
		if err := json.Unmarshal(bytes, &whole); err != nil {
			return fmt.Errorf("look for the engine's part of its configuration: %w", err)
		}
		if whole.EngineConfig == nil {
			whole.EngineConfig = json.RawMessage("null")
		}
		return give(whole.EngineConfig, text)
	})
}

// Declaration is what an engine says of itself once, after PrepareConfig.
type Declaration struct {
	// PreStartProcess is whether that callback is called; it is set where the engine has it.
	PreStartProcess bool
	// CoreMonitors is whether the core waits for the container and passes signals on to it: MonitorContainer is not called.
	CoreMonitors bool
}

// Declarer is an engine that says something of itself.
type Declarer interface {
	Declare(*Declaration)
}

//export pinionGoDeclare
func pinionGoDeclare(data C.uintptr_t, preStartProcess *C.bool, monitor *C.int32_t) *C.pinion_error {
	return guarded("Declare", func() error {
		engine, declares := ops.Find[Declarer](engineOf(data).Registered())
		if !declares {
			return nil
		}
		said := Declaration{PreStartProcess: bool(*preStartProcess)}
		engine.Declare(&said)
		*preStartProcess, *monitor = C.bool(said.PreStartProcess), C.PINION_MONITOR_ENGINE
		if said.CoreMonitors {
			*monitor = C.PINION_MONITOR_CORE
		}
		return nil
	})
}

//export pinionGoPrepareConfig
func pinionGoPrepareConfig(data C.uintptr_t, raw *C.pinion_config) *C.pinion_error {
	return guarded("PrepareConfig", func() error {
		starter := hook.WrapConfig(config{raw})
		if err := engineOf(data).PrepareConfig(starter); err != nil {
			return err
		}
		return hook.ConfigError(starter)
	})
}

//export pinionGoCreateContainer
func pinionGoCreateContainer(data C.uintptr_t, raw *C.pinion_context, pid, rpc C.int32_t) *C.pinion_error {
	return guarded("CreateContainer", func() error {
		return withContext(raw, func(ctx context.Context) error {
			connection, err := share(int(rpc), "the RPC connection")
			if err != nil {
				return err
			}
			// After an error it stays open until the process ends: the server's end is what lets stage 2 go on.
			if err := engineOf(data).CreateContainer(ctx, int(pid), connection); err != nil {
				unended = connection
				return err
			}
			connection.Close()
			return nil
		})
	})
}

// unended is the RPC connection of a CreateContainer that failed: nobody else has it, and it must not be closed.
var unended net.Conn

//export pinionGoStartProcess
func pinionGoStartProcess(data C.uintptr_t, raw *C.pinion_master, status *C.int32_t) *C.pinion_error {
	return guarded("StartProcess", func() error {
		connection, err := shareMaster(raw)
		if err != nil {
			return err
		}
		err = engineOf(data).StartProcess(connection)
		if ended, is := endedIn(err); is {
			*status = C.int32_t(ended)
			return nil
		}
		return err
	})
}

// Ended is how a container ended whose engine stayed as its init shim: what StartProcess returns then.
type Ended syscall.WaitStatus

// endedIn looks for an end in an error, whose methods are the engine's own.
func endedIn(err error) (ended Ended, is bool) {
	defer func() { _ = recover() }()
	is = errors.As(err, &ended)
	return ended, is
}

// Error says how it ended.
func (e Ended) Error() string {
	status := syscall.WaitStatus(e)
	if status.Signaled() {
		return fmt.Sprintf("the container was ended by signal %d", status.Signal())
	}
	return fmt.Sprintf("the container ended with exit code %d", status.ExitStatus())
}

//export pinionGoPreStartProcess
func pinionGoPreStartProcess(data C.uintptr_t, raw *C.pinion_context, pid, master C.int32_t) *C.pinion_error {
	return guarded("PreStartProcess", func() error {
		return withContext(raw, func(ctx context.Context) error {
			fatal, err := failing(raw)
			if err != nil {
				return err
			}
			connection, err := share(int(master), "the connection to stage 2")
			if err != nil {
				return err
			}
			defer func() {
				connection.Close()
				// Go's connection has made the socket's one description what the core does not expect.
				syscall.SetNonblock(int(master), false)
			}()
			return engineOf(data).PreStartProcess(ctx, int(pid), connection, fatal)
		})
	})
}

//export pinionGoPostStartHost
func pinionGoPostStartHost(data C.uintptr_t, raw *C.pinion_context) *C.pinion_error {
	return guarded("PostStartHost", func() error {
		return withContext(raw, func(ctx context.Context) error { return engineOf(data).PostStartHost(ctx) })
	})
}

//export pinionGoPostStartProcess
func pinionGoPostStartProcess(data C.uintptr_t, raw *C.pinion_context, pid C.int32_t) *C.pinion_error {
	return guarded("PostStartProcess", func() error {
		return withContext(raw, func(ctx context.Context) error { return engineOf(data).PostStartProcess(ctx, int(pid)) })
	})
}

//export pinionGoMonitorContainer
func pinionGoMonitorContainer(data C.uintptr_t, pid C.int32_t, raw *C.pinion_signals, status *C.int32_t) *C.pinion_error {
	return guarded("MonitorContainer", func() error {
		signals, stop, err := monitorSignals(int(pid), raw)
		if err != nil {
			return err
		}
		defer stop()
		ended, err := engineOf(data).MonitorContainer(int(pid), signals)
		if err != nil {
			return err
		}
		*status = C.int32_t(ended)
		return nil
	})
}

//export pinionGoCleanupContainer
func pinionGoCleanupContainer(data C.uintptr_t, raw *C.pinion_context, fatal *C.pinion_error, status C.int32_t) *C.pinion_error {
	return guarded("CleanupContainer", func() error {
		return withContext(raw, func(ctx context.Context) error {
			return engineOf(data).CleanupContainer(ctx, look(fatal), syscall.WaitStatus(status))
		})
	})
}

//export pinionGoCleanupHost
func pinionGoCleanupHost(data C.uintptr_t, raw *C.pinion_context) *C.pinion_error {
	return guarded("CleanupHost", func() error {
		return withContext(raw, func(ctx context.Context) error { return engineOf(data).CleanupHost(ctx) })
	})
}
