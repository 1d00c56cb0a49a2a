// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch

import "io"

// Command is a launch that is being put together. It is made by Exec and Run; only a [CommandOp] of this package changes it.
type Command struct {
	// name is argv[0].
	name string
	host Host
	path string
	// document is the engine configuration as JSON.
	document []byte

	useSuid, loadOverlayModule, postStartHost, cleanupHost bool

	stdin          io.Reader
	stdout, stderr io.Writer
}

// CommandOp is an option of a launch. Of options for the same thing the last counts. It may be used for any number of launches.
type CommandOp func(*Command)

// UseSuid says whether the setuid starter is launched. Default: the plain one.
func UseSuid(on bool) CommandOp {
	return func(c *Command) { c.useSuid = on }
}

// LoadOverlayModule says whether the starter nudges the kernel to load overlay, which it does only with root's effective user
// id. Default: no.
func LoadOverlayModule(on bool) CommandOp {
	return func(c *Command) { c.loadOverlayModule = on }
}

// PostStartHost says whether the engine's PostStartHost runs, in a process of its own. Default: no.
func PostStartHost(on bool) CommandOp {
	return func(c *Command) { c.postStartHost = on }
}

// CleanupHost says whether the engine's CleanupHost runs, in a process of its own. Default: no.
func CleanupHost(on bool) CommandOp {
	return func(c *Command) { c.cleanupHost = on }
}

// WithStdin gives the starter's standard input; nil is as without the option. The reader stays the caller's. An *[os.File] is
// put into blocking mode, as [os.File.Fd] does, also where the launch fails.
func WithStdin(stream io.Reader) CommandOp {
	return func(c *Command) { c.stdin = stream }
}

// WithStdout gives the starter's standard output, as WithStdin does its input. Where the same comparable writer is given as
// standard error stream too, one goroutine at a time writes to it.
func WithStdout(stream io.Writer) CommandOp {
	return func(c *Command) { c.stdout = stream }
}

// WithStderr gives the starter's standard error stream, as WithStdout does its output.
func WithStderr(stream io.Writer) CommandOp {
	return func(c *Command) { c.stderr = stream }
}
