// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// helper is a program that works beside the container, as those that serve a file system do, and ends with its standard input.
type helper struct {
	command *exec.Cmd
	input   io.Closer
}

// startHelper also runs one that ends at once: nobody but package os/exec may wait for either.
func startHelper() (*helper, error) {
	if err := exec.Command("/bin/true").Run(); err != nil {
		return nil, fmt.Errorf("run a helper: %w", err)
	}
	command := exec.Command("/bin/cat")
	input, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start a helper: %w", err)
	}
	return &helper{command, input}, nil
}

// end says how it ended.
func (h *helper) end() string {
	if h == nil {
		return "none"
	}
	h.input.Close()
	if err := h.command.Wait(); err != nil {
		return err.Error()
	}
	return h.command.ProcessState.String()
}

// helperSignals is what a helper begins with. It is executed by a thread of its own, as helpers are that a goroutine starts.
func helperSignals() (string, error) {
	type result struct {
		output []byte
		err    error
	}
	done := make(chan result)
	go func() {
		command := exec.Command("/usr/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status")
		// A container may have no null device.
		command.Stdin, command.Stderr = os.Stdin, os.Stderr
		output, err := command.Output()
		done <- result{output, err}
	}()
	said := <-done
	if said.err != nil {
		return "", fmt.Errorf("look at a helper's signals: %w", said.err)
	}
	return strings.Join(strings.Fields(string(said.output)), " "), nil
}

// grace is how long a context may take to hear of the run's end. Where contexts are never cancelled all of it passes.
const grace = time.Second / 2

// awaitCancel tells CleanupContainer whether the run's end cancels the context.
func (s *sandbox) awaitCancel(ctx context.Context) error {
	<-s.ended
	select {
	case <-ctx.Done():
		s.cancelled <- ctx.Err().Error()
	case <-time.After(grace):
		s.cancelled <- "not cancelled"
	}
	return nil
}
