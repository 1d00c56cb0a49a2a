// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package report is what the parts of the drop-in say to each other and to the tests: what a front end is to do, and what a
// callback saw.
package report

import "encoding/json"

// Order is what the tests ask of a front end.
type Order struct {
	// Starter is the starter's path.
	Starter string
	// Wait has the front end wait for the starter, in place of becoming it.
	Wait bool
	// PostStartHost and CleanupHost are those options of the launch.
	PostStartHost, CleanupHost bool
	// Engine is the engine's name, ID the container's.
	Engine, ID string
	// Config is the engine's configuration.
	Config json.RawMessage
}

// Entry is what one callback, or RPC method, saw.
type Entry struct {
	Callback    string
	PID, Parent int
	// Main is whether it ran on the main thread.
	Main bool
	// Status has lines of /proc/thread-self/status, and what is kept as they are.
	Status map[string]string
	// Dumpable is that of prctl(2).
	Dumpable int
	// Namespaces has what /proc/thread-self/ns leads to.
	Namespaces map[string]string
	// Directory is the working directory.
	Directory string
	// Command is the name that the kernel has for the process, Arguments are those that the program got.
	Command   string
	Arguments []string
	// Environment has the names of the variables that there are.
	Environment []string
	// Session and Group are those of the process.
	Session, Group int
	// Helper is what a program that the callback executes begins with: the signals that are blocked, and those that are ignored.
	Helper string
	// Values are the callback's own.
	Values map[string]string
}
