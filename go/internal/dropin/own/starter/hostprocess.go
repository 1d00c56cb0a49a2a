// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// host is the post-start-host or the cleanup-host process. It waits for `c`; cleanup-host cleans up as well when its parent has
// ended.
func host(role string, given handover, load Load) (code int, err error) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	if err := dieWithParent(syscall.SIGTERM); err != nil {
		return 0, err
	}
	said := make(chan byte, 1)
	go func() {
		value, _ := readByte(given.Socket)
		said <- value
	}()
	var order byte
	select {
	case order = <-said:
	case <-ended:
	}
	if order == 'q' || order == 0 && role == rolePostStartHost {
		return 0, nil
	}
	engine, err := load(given.Plan.Document)
	if err != nil {
		return 0, err
	}
	answer, code := byte('c'), 0
	call, failure := engine.CleanupHost, 1
	if role == rolePostStartHost {
		call, failure = engine.PostStartHost, exitFailure
	}
	if err := guarded(role, func() error { return call(context.Background()) }); err != nil {
		fmt.Fprintln(os.Stderr, "dropin:", err)
		answer, code = 'f', failure
	}
	// Where master is dead nobody listens.
	_ = writeByte(given.Socket, answer)
	return code, nil
}

// tell has a host process do its work, and says whether that succeeded.
func tell(socket int, what string) error {
	defer unix.Close(socket)
	if err := writeByte(socket, 'c'); err != nil {
		return fmt.Errorf("tell %s: %w", what, err)
	}
	if answer, _ := readByte(socket); answer != 'c' {
		return fmt.Errorf("%s failed", what)
	}
	return nil
}
