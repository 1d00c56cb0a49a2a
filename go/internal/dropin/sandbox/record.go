// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Record is what is known of a running container.
type Record struct {
	ID              string
	Master, Process int
	Args            []string
}

// PostStartProcess writes the record, and looks at the container from outside.
func (s *sandbox) PostStartProcess(ctx context.Context, pid int) error {
	text, err := json.Marshal(Record{s.common.ContainerID, os.Getpid(), pid, s.made.Spec.Process.Args})
	if err != nil {
		return err
	}
	if err := s.writeRecord(text); err != nil {
		return err
	}
	own := s.seenFromOutside(pid)
	own["pid"], own["context"] = number(pid), fmt.Sprint(ctx.Err())
	defer close(s.started)
	err = s.enter("PostStartProcess", own)
	if s.made.Fail["PostStartProcess late"] != "" {
		<-s.reaped
		return fmt.Errorf("PostStartProcess: %w", ErrTold)
	}
	return err
}

// seenFromOutside looks at the container process, which may have ended.
func (s *sandbox) seenFromOutside(pid int) values {
	seen := values{}
	if parent, err := parentOf(pid); err == nil {
		seen["container's parent"] = number(parent)
	}
	if session, err := unix.Getsid(pid); err == nil {
		// One's own is always there.
		own, _ := unix.Getsid(0)
		seen["container in master's session"] = fmt.Sprint(session == own)
	}
	if group, err := unix.Getpgid(pid); err == nil {
		seen["and process group"] = fmt.Sprint(group == unix.Getpgrp())
	}
	return seen
}

// CleanupContainer removes the record, where there is one.
func (s *sandbox) CleanupContainer(ctx context.Context, fatal error, status syscall.WaitStatus) error {
	close(s.ended)
	if s.made.Fail["CreateContainer's context"] != "" {
		if err := s.tell("context", values{"of CreateContainer": <-s.cancelled}); err != nil {
			return err
		}
	}
	removed := s.removeRecord()
	return errors.Join(removed, s.enter("CleanupContainer", values{"fatal": fmt.Sprint(fatal),
		"told": fmt.Sprint(errors.Is(fatal, ErrTold)), "helper": s.helper.end(),
		"context": fmt.Sprint(ctx.Err()), "status": fmt.Sprintf("%#x", int(status))}))
}

// writeRecord leaves nothing behind where the container has ended meanwhile: CleanupContainer may run beside PostStartProcess.
func (s *sandbox) writeRecord(text []byte) error {
	s.record.Lock()
	defer s.record.Unlock()
	if s.over {
		return nil
	}
	if err := os.WriteFile(s.made.Record, text, 0o600); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

func (s *sandbox) removeRecord() error {
	s.record.Lock()
	defer s.record.Unlock()
	s.over = true
	if err := os.Remove(s.made.Record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the record: %w", err)
	}
	return nil
}
