// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
)

func (p *probe) MonitorContainer(container int, signals chan os.Signal) (syscall.WaitStatus, error) {
	how := p.config.Fail["MonitorContainer"]
	if how != "" {
		// What a scenario sees is not to hang on which of master's threads is faster.
		if err := awaitCallback(p.config.Log, "CreateContainer"); err != nil {
			return 0, err
		}
	}
	if err := p.enter("MonitorContainer", ""); err != nil {
		return 0, err
	}
	if how == "leave" {
		return syscall.WaitStatus(5 << 8), awaitCallback(p.config.Log, "PostStartProcess")
	}
	return watchOver(container, signals, how == "end by SIGTERM")
}

// awaitCallback waits until a callback has begun.
func awaitCallback(log, callback string) error {
	for {
		text, err := os.ReadFile(log)
		if err != nil || strings.Contains(string(text), callback) {
			return err
		}
		runtime.Gosched()
	}
}

// watchOver waits for the container's end and passes on what signals master gets, unless SIGTERM is to end it.
func watchOver(container int, signals chan os.Signal, ends bool) (syscall.WaitStatus, error) {
	for next := range signals {
		number := next.(syscall.Signal)
		if number == syscall.SIGTERM && ends {
			return 0, errors.New("interrupted by SIGTERM")
		}
		if number != syscall.SIGCHLD {
			if err := syscall.Kill(container, number); err != nil {
				return 0, failed(err, "pass signal %d on", number)
			}
			continue
		}
		var status syscall.WaitStatus
		reaped, err := syscall.Wait4(container, &status, syscall.WNOHANG, nil)
		if err != nil {
			return 0, failed(err, "wait for the container")
		}
		if reaped == container {
			return status, nil
		}
	}
	return 0, errors.New("cancelled")
}
