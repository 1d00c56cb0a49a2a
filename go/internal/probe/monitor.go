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
	if p.config.Fail["MonitorContainer"] != "" {
		if err := letCreateContainerBegin(p.config.Log); err != nil {
			return 0, err
		}
	}
	if err := p.enter("MonitorContainer", ""); err != nil {
		return 0, err
	}
	return watchOver(container, signals, p.config.Fail["MonitorContainer"] == "end by SIGTERM")
}

// letCreateContainerBegin waits: what a scenario sees is not to hang on which of master's threads is faster.
func letCreateContainerBegin(log string) error {
	for {
		text, err := os.ReadFile(log)
		if err != nil || strings.Contains(string(text), "CreateContainer") {
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
