// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package launch executes the host's own starter, with the configuration in its environment.
package launch

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"syscall"
)

// chunkSize is the largest part of the configuration in one variable, in bytes; there are at most maxChunks.
const (
	chunkSize = 131056
	maxChunks = 8
)

// Starter is the starter's path.
var Starter string

type command struct {
	options        []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// CommandOp is an option of a launch.
type CommandOp func(*command)

// PostStartHost asks for that callback.
func PostStartHost(on bool) CommandOp { return option("POST_START_HOST", on) }

// CleanupHost asks for that callback.
func CleanupHost(on bool) CommandOp { return option("CLEANUP_HOST", on) }

func option(name string, on bool) CommandOp {
	return func(c *command) {
		if on {
			c.options = append(c.options, name+"=1")
		}
	}
}

// WithStdin gives the standard input to Run.
func WithStdin(stream io.Reader) CommandOp { return func(c *command) { c.stdin = stream } }

// WithStdout gives the standard output to Run.
func WithStdout(stream io.Writer) CommandOp { return func(c *command) { c.stdout = stream } }

// WithStderr gives the standard error stream to Run.
func WithStderr(stream io.Writer) CommandOp { return func(c *command) { c.stderr = stream } }

func environment(config any, ops []CommandOp) (made command, variables []string, err error) {
	for _, op := range ops {
		op(&made)
	}
	document, err := json.Marshal(config)
	if err != nil {
		return made, nil, fmt.Errorf("launch the starter: serialise the configuration: %w", err)
	}
	chunks := slices.Collect(slices.Chunk(document, chunkSize))
	if len(chunks) > maxChunks {
		return made, nil, fmt.Errorf("launch the starter: a configuration of %d bytes is too big", len(document))
	}
	variables = append(made.options, "GOGC=off", "DROPIN_MESSAGELEVEL=1", fmt.Sprintf("ENGINE_CONFIG_CHUNKS=%d", len(chunks)))
	for i, chunk := range chunks {
		variables = append(variables, fmt.Sprintf("ENGINE_CONFIG%d=%s", i+1, chunk))
	}
	return made, variables, nil
}

// Exec replaces this program by the starter.
func Exec(name string, config any, ops ...CommandOp) error {
	_, variables, err := environment(config, ops)
	if err != nil {
		return err
	}
	return fmt.Errorf("launch starter %q: %w", Starter, syscall.Exec(Starter, []string{name}, variables))
}

// Run waits for the starter's end.
func Run(name string, config any, ops ...CommandOp) error {
	made, variables, err := environment(config, ops)
	if err != nil {
		return err
	}
	starter := &exec.Cmd{Path: Starter, Args: []string{name}, Env: variables,
		Stdin: made.stdin, Stdout: made.stdout, Stderr: made.stderr}
	if err := starter.Start(); err != nil {
		return fmt.Errorf("launch starter %q: %w", Starter, err)
	}
	return starter.Wait()
}
