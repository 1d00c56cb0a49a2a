// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build !dropin_plain && !dropin_level1

// Package launch is how the host's front end executes its starter: in the host's own way, or in pinion's.
package launch

import "github.com/pinion-runtime/pinion/go/launch"

// CommandOp is an option of a launch.
type CommandOp = launch.CommandOp

// The options, and the two ways to launch.
var (
	PostStartHost = launch.PostStartHost
	CleanupHost   = launch.CleanupHost
	Exec          = launch.Exec
	Run           = launch.Run
	WithStdin     = launch.WithStdin
	WithStdout    = launch.WithStdout
	WithStderr    = launch.WithStderr
)

// Setup says where the starter is.
func Setup(starter string) {
	launch.Setup(launch.Host{Starter: starter, LevelVariable: "DROPIN_MESSAGELEVEL", ByDescriptor: true})
}
