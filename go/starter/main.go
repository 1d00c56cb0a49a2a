// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package starter is the main program of a starter: the core makes the processes of a start before Go begins (package boot), and
// Main calls the engine in those that have a callback to call.
//
//	func main() { starter.Main(starter.Host{}) }
//
// Engines are registered before, in init functions.
package starter

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	_ "github.com/pinion-runtime/pinion/go/core" // the registry is the core's
	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/starter/boot"
)

// Config is the starter configuration.
type Config = starter.Config

// Declaration is what an engine says of itself once, after PrepareConfig.
type Declaration = capi.Declaration

// Declarer is an engine that changes what is said of it.
type Declarer = capi.Declarer

// Ended is how a container ended whose engine stayed as its init shim: an error that StartProcess returns in place of ending the
// process by os.Exit, so that a signal which ended the container is repeated by the starter.
type Ended = capi.Ended

// Host is what a product decides about its starter. The zero value is a starter that says everything on the standard error stream
// and needs its main thread for nothing else.
type Host struct {
	// Log gets the messages of the core in place of the standard error stream: a level, -4 (what ends the run) and -3 (error) to 5
	// (debug), and a text, with what helps in a second line. Any thread calls it at any moment. It must not end the process,
	// whatever the level: the core does so itself, when it has cleaned up.
	Log func(level int, text string)
	// Explain makes the text for people of an error that an engine returned.
	Explain func(error) string
	// MainThread is work for the process's main thread: its functions are called there, one after the other, while stage 1, master
	// or the RPC server run in another one. nil where there is none.
	MainThread <-chan func()
}

// caughtSignals is why signals cannot be caught, if they cannot.
var caughtSignals error

func init() {
	// The main goroutine stays on the main thread, where StartProcess and PrepareConfig are called.
	runtime.LockOSThread()
	// As early as can be: until here such a signal ends the process.
	caughtSignals = capi.CatchSignals(capi.CurrentRole())
}

// Main runs the role of this process and ends it as it has to end; it does not return. In a program that was not started as a
// starter it says so and ends it with 255.
func Main(host Host) {
	if host.Explain != nil {
		capi.SetDescribe(host.Explain)
	}
	if host.Log != nil {
		if err := capi.SetSink(host.Log); err != nil {
			fail(err)
		}
	}
	if !boot.Ran() {
		fail(fmt.Errorf("run the starter: its constructor did not run before Go: import go/starter/boot in the main package, " +
			"and let the linker keep it"))
	}
	if err := errors.Join(engine.RegistrationError(), caughtSignals); err != nil {
		fail(capi.FailRole(err))
	}
	switch capi.CurrentRole() {
	case capi.RoleStage1, capi.RoleMaster, capi.RoleRPCServer:
		if host.MainThread != nil {
			go run()
			for work := range host.MainThread {
				call(work)
			}
			select {}
		}
	}
	run()
}

func run() {
	// The core compares what a thread has before and after a callback.
	runtime.LockOSThread()
	fail(capi.RunRole())
}

// call runs work of the host's on the main thread. A panic in it ends the process, as it would end any program.
func call(work func()) {
	defer func() {
		if panicked := recover(); panicked != nil {
			capi.Log(5, fmt.Sprintf("work on the main thread panicked: %v\n%s", panicked, debug.Stack()))
			fail(fmt.Errorf("work on the main thread panicked: %v", panicked))
		}
	}()
	work()
}

// fail says why and ends the process, as the core does.
func fail(err error) {
	capi.LogFatal(err)
	os.Exit(255)
}
