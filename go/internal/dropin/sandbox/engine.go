// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package sandbox is the drop-in's engine. It knows the host's packages alone, so that its source is the same whatever is beneath
// them, and each of its callbacks tells the tests what it saw.
package sandbox

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/internal/dropin/host/config"
	"github.com/pinion-runtime/pinion/go/internal/dropin/host/engine"
)

// Name is what the engine is registered under. Builtin is a second name of it, whose RPC methods are those that pinion's core
// has: where there is a core, it serves them.
const (
	Name    = "sandbox"
	Builtin = "sandbox-builtin"
	// Bare is a third name, without PreStartProcess.
	Bare = "sandbox-bare"
)

func init() {
	engine.RegisterOperations(Name, new(sandbox))
	engine.RegisterRPCMethods(Name, new(Methods))
	engine.RegisterOperations(Builtin, wrapped{new(sandbox)})
	registerBuiltin()
	engine.RegisterOperations(Bare, bare{new(sandbox)})
	engine.RegisterRPCMethods(Bare, new(Methods))
}

// Config is the engine's configuration.
type Config struct {
	// Spec is the container.
	Spec *specs.Spec
	// Log is a FIFO for what callbacks tell, LogDescriptor where PrepareConfig opened it.
	Log           string
	LogDescriptor int
	// Record is a file that lives as long as the container.
	Record string
	// Fail says by callback how it is to fail.
	Fail map[string]string
	// Shim has StartProcess stay as the container's first process, under this name.
	Shim string
	// Forward has it pass signals on.
	Forward bool
	// Target is the pid of the container to join.
	Target int
	// Directory becomes the starter's working directory.
	Directory string
	// Umask is what the RPC server sets.
	Umask int
	// Keep has files to keep open, Kept their descriptors.
	Keep []string
	Kept []int
	// Dropped is a descriptor that PrepareConfig left open without keeping it.
	Dropped int
	// Prepared is what PrepareConfig tells the processes after it.
	Prepared string
	// Padding makes the document long.
	Padding string
}

// wrapped hides what an engine has besides the ten callbacks, as adapters between two sets of callbacks do.
type wrapped struct{ engine.Operations }

// Unwrap lets the optional callback be found all the same.
func (w wrapped) Unwrap() engine.Operations { return w.Operations }

// bare has the ten callbacks alone.
type bare struct{ engine.Operations }

type sandbox struct {
	common *config.Common
	// made is the object that Config returned.
	made *Config
	// created is closed when CreateContainer has begun, started when PostStartProcess has, ended when CleanupContainer has.
	created, started, ended chan struct{}
	// reaped is closed when MonitorContainer has reaped the container process, for a PostStartProcess that waits for it.
	reaped chan struct{}
	// helper is a program that CreateContainer started, and cancelled how the context of it ended, if it waited for that.
	helper    *helper
	cancelled chan string
	// record guards the record's file, over says that there is to be none any more.
	record sync.Mutex
	over   bool
}

func (s *sandbox) Config() config.EngineConfig {
	s.made = &Config{LogDescriptor: -1}
	return s.made
}

func (s *sandbox) InitConfig(common *config.Common) {
	s.common = common
	s.created, s.started, s.ended = make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.reaped = make(chan struct{})
	s.cancelled = make(chan string, 1)
}

// identity says whether the configuration is the very object that Config made.
func (s *sandbox) identity() string {
	return fmt.Sprint(s.common.EngineConfig == config.EngineConfig(s.made))
}

func (s *sandbox) PostStartHost(ctx context.Context) error {
	return s.enter("PostStartHost", values{"prepared": s.made.Prepared, "context": fmt.Sprint(ctx.Err())})
}

func (s *sandbox) CleanupHost(ctx context.Context) error {
	return s.enter("CleanupHost", values{"prepared": s.made.Prepared, "plugin": string(s.common.PluginConfig["the plugin"]),
		"context": fmt.Sprint(ctx.Err())})
}

// MonitorContainer waits for the container itself, and passes signals on to it.
func (s *sandbox) MonitorContainer(pid int, signals chan os.Signal) (syscall.WaitStatus, error) {
	// What the tests compare is not to depend on which of the two is faster.
	<-s.created
	if err := s.enter("MonitorContainer", values{"pid": number(pid)}); err != nil {
		return 0, err
	}
	var status syscall.WaitStatus
	for next := range signals {
		kind := next.(syscall.Signal)
		if kind != syscall.SIGCHLD {
			if err := s.tell("signal", values{"kind": kind.String()}); err != nil {
				return 0, err
			}
			if err := syscall.Kill(pid, kind); err != nil {
				return 0, fmt.Errorf("pass %v on to the container: %w", kind, err)
			}
			continue
		}
		reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != nil {
			return 0, fmt.Errorf("wait for the container: %w", err)
		}
		if reaped == pid {
			if s.made.Fail["PostStartProcess late"] != "" {
				s.letItFail()
			}
			return status, s.tell("monitored", values{"status": fmt.Sprintf("%#x", int(status))})
		}
	}
	return status, nil
}

// letItFail lets the error of PostStartProcess, which waited for the container's end, come before the return of MonitorContainer.
func (s *sandbox) letItFail() {
	close(s.reaped)
	<-s.started
	time.Sleep(grace)
}
