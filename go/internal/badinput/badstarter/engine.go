// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/starter"
)

// settings is the engine's configuration. Its zero values have no JSON, so that a document stays as long as it was.
type settings struct {
	// Args is the program that the container executes.
	Args []string `json:",omitzero"`
	// Do is what callbacks do, by their names. "InitConfig in 5" is that of the process with this role.
	Do map[string]string `json:",omitzero"`
	// Every is what the others do.
	Every string `json:",omitzero"`
	// PreStart declares PreStartProcess.
	PreStart bool `json:",omitzero"`
	// Text fills the configuration.
	Text string `json:",omitzero"`
	// Hasty lets the container's program end when it likes. Else it may read its standard input when PostStartProcess has returned.
	Hasty bool `json:",omitzero"`
	// Pipes are descriptors of two pipes, which PrepareConfig made: the program's standard input is the first one.
	Pipes [4]int `json:",omitzero"`
	// Odd is something that may have no JSON.
	Odd any `json:",omitzero"`
}

// place is where a callback was called, with what it was given.
type place struct {
	callback  string
	ctx       context.Context
	config    *starter.Config
	conn      net.Conn
	fatal     chan error
	signals   chan os.Signal
	container int
	engine    *badEngine
}

// deed is what a callback does. Its error is the callback's.
type deed func(at *place) error

// deeds are all there are, each file adds its own.
var deeds = map[string]deed{}

func add(more map[string]deed) {
	for name, deed := range more {
		deeds[name] = deed
	}
}

var errMine = errors.New("an error of the engine's own")

type badEngine struct {
	own    *settings
	common *config.Common
}

// enter does what the configuration says. Host callbacks have the launcher's configuration, the others what PrepareConfig left.
func (e *badEngine) enter(at place) error {
	say("%s", at.callback)
	what, told := e.own.Do[at.callback]
	if !told {
		what = e.own.Every
	}
	return e.obey(what, at)
}

func (e *badEngine) obey(what string, at place) error {
	if what == "" {
		return nil
	}
	do, known := deeds[what]
	if !known {
		return fmt.Errorf("%s cannot %q", at.callback, what)
	}
	at.engine = e
	return do(&at)
}

func (e *badEngine) Config() config.EngineConfig {
	e.own = new(settings)
	return e.own
}

func (e *badEngine) InitConfig(common *config.Common) {
	e.common = common
	for _, name := range []string{"InitConfig", fmt.Sprintf("InitConfig in %d", capi.CurrentRole())} {
		if what := e.own.Do[name]; what != "" {
			if err := e.obey(what, place{callback: name}); err != nil {
				panic(err)
			}
		}
	}
}

func (e *badEngine) Declare(said *starter.Declaration) {
	said.PreStartProcess = e.own.PreStart
	if what := e.own.Do["Declare"]; what != "" {
		if err := e.obey(what, place{callback: "Declare"}); err != nil {
			panic(err)
		}
	}
}

func (e *badEngine) PrepareConfig(c *starter.Config) error {
	c.SetNsFlags(syscall.CLONE_NEWPID | syscall.CLONE_NEWNS)
	if !e.own.Hasty {
		if err := e.own.keepPipes(c); err != nil {
			return err
		}
	}
	return e.enter(place{callback: "PrepareConfig", config: c})
}

func (e *badEngine) CreateContainer(ctx context.Context, pid int, rpc net.Conn) error {
	return e.enter(place{callback: "CreateContainer", ctx: ctx, container: pid, conn: rpc})
}

func (e *badEngine) StartProcess(master net.Conn) error {
	if !e.own.Hasty {
		if err := syscall.Dup2(e.own.Pipes[0], 0); err != nil {
			return err
		}
	}
	if err := e.enter(place{callback: "StartProcess", conn: master}); err != nil {
		return err
	}
	if e.own.PreStart {
		if _, err := master.Write([]byte("p")); err != nil {
			return err
		}
	}
	err := syscall.Exec(e.own.Args[0], e.own.Args, nil)
	return fmt.Errorf("execute %q: %w", e.own.Args, err)
}

func (e *badEngine) PreStartProcess(ctx context.Context, pid int, master net.Conn, fatal chan error) error {
	return e.enter(place{callback: "PreStartProcess", ctx: ctx, container: pid, conn: master, fatal: fatal})
}

func (e *badEngine) PostStartProcess(ctx context.Context, pid int) error {
	close(started)
	if err := e.enter(place{callback: "PostStartProcess", ctx: ctx, container: pid}); err != nil || e.own.Hasty {
		return err
	}
	_, err := syscall.Write(e.own.Pipes[1], []byte("\n"))
	return err
}

func (e *badEngine) MonitorContainer(pid int, signals chan os.Signal) (status syscall.WaitStatus, err error) {
	if err := e.enter(place{callback: "MonitorContainer", container: pid, signals: signals}); err != nil {
		return 0, err
	}
	for next := range signals {
		if next == syscall.SIGCHLD {
			reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
			if err != nil || reaped == pid {
				return status, err
			}
			continue
		}
		say("signal: %v", next)
		if next == syscall.SIGTERM {
			// As engines of the family do: the error ends the run.
			return 0, fmt.Errorf("interrupted by signal %s", next)
		}
	}
	return 0, nil
}

func (e *badEngine) CleanupContainer(ctx context.Context, fatal error, status syscall.WaitStatus) error {
	say("cleanup: mine %v, status %#x", errors.Is(fatal, errMine), int(status))
	return e.enter(place{callback: "CleanupContainer", ctx: ctx})
}

func (e *badEngine) PostStartHost(ctx context.Context) error {
	return e.enter(place{callback: "PostStartHost", ctx: ctx})
}

func (e *badEngine) CleanupHost(ctx context.Context) error {
	return e.enter(place{callback: "CleanupHost", ctx: ctx})
}

func init() {
	engine.RegisterOperations("bad", new(badEngine))
	engine.RegisterRPCMethods("bad", new(methods))
}
