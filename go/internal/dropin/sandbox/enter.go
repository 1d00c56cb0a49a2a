// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/report"
)

type values = map[string]string

func number(value int) string { return strconv.Itoa(value) }

// ErrTold is in every error that a test asks for.
var ErrTold = errors.New("told to fail")

// enter tells that a callback was called, and fails as it is told to.
func (s *sandbox) enter(callback string, own values) error {
	if err := s.tell(callback, own); err != nil {
		return err
	}
	if callback == "MonitorContainer" && s.made.Fail[callback] != "" {
		// What has been done by then is not to depend on which thread is faster.
		<-s.started
	}
	switch how := s.made.Fail[callback]; how {
	case "":
		return nil
	case "error":
		return fmt.Errorf("%s: %w", callback, ErrTold)
	case "panic":
		panic(callback + " was told to panic")
	default:
		return fmt.Errorf("fail in %s: %q is no way to", callback, how)
	}
}

// tell writes an entry in one piece, which a FIFO keeps in one.
func (s *sandbox) tell(callback string, own values) error {
	entry, err := look(callback)
	if err != nil {
		return fmt.Errorf("look around in %s: %w", callback, err)
	}
	entry.Values = own
	line, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("tell of %s: %w", callback, err)
	}
	line = append(line, '\n')
	if len(line) > unix.PathMax {
		return fmt.Errorf("tell of %s: a line of %d bytes is too long for a FIFO", callback, len(line))
	}
	fd := s.made.LogDescriptor
	if fd < 0 {
		if fd, err = unix.Open(s.made.Log, unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("tell of %s: open %s: %w", callback, s.made.Log, err)
		}
		defer unix.Close(fd)
	}
	if _, err := unix.Write(fd, line); err != nil {
		return fmt.Errorf("tell of %s: %w", callback, err)
	}
	return nil
}

// look finds out what there is to know of the calling thread.
func look(callback string) (entry report.Entry, err error) {
	entry = report.Entry{Callback: callback, PID: os.Getpid(), Parent: os.Getppid(), Main: unix.Gettid() == os.Getpid(),
		Arguments: os.Args, Environment: []string{}}
	if entry.Dumpable, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return entry, err
	}
	if entry.Directory, err = unixGetwd(); err != nil {
		return entry, err
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		entry.Environment = append(entry.Environment, name)
	}
	slices.Sort(entry.Environment)
	if entry.Session, err = unix.Getsid(0); err != nil {
		return entry, err
	}
	entry.Group = syscall.Getpgrp()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return entry, err
	}
	entry.Command = strings.TrimSpace(string(name))
	if entry.Status, err = status("/proc/thread-self/status"); err != nil {
		return entry, err
	}
	if entry.Helper, err = helperSignals(); err != nil {
		return entry, err
	}
	entry.Namespaces = map[string]string{}
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		if entry.Namespaces[kind], err = os.Readlink("/proc/thread-self/ns/" + kind); err != nil {
			return entry, err
		}
	}
	return entry, nil
}

// unixGetwd asks the kernel: os.Getwd believes the environment.
func unixGetwd() (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n-1]), nil
}

// watched are the lines of a status that say what the contract speaks of.
var watched = []string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Umask"}

func status(path string) (found map[string]string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found = map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if slices.Contains(watched, name) {
			found[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	return found, nil
}
