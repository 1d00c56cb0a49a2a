// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"bufio"
	"os"
	"os/signal"
	"syscall"
)

func init() {
	cases["monitor"] = monitor
}

// monitor lets C wait for a child of this process, which gets two signals through it.
func monitor(r *run) {
	output, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	defer output.Close()
	input, never, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	defer never.Close()
	const script = "trap 'echo one' USR1; trap 'exit 6' TERM; echo ready; while :; do read -r line; done"
	child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script}, &os.ProcAttr{Files: []*os.File{input, writer, writer}})
	input.Close()
	writer.Close()
	if err != nil {
		r.errorf("start a child: %v", err)
		return
	}
	// C reaps it.
	pid := child.Pid
	defer child.Release()

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGCHLD)
	defer signal.Stop(signals)
	made := r.get(nil)
	type end struct {
		status syscall.WaitStatus
		err    error
	}
	done := make(chan end)
	go func() {
		status, err := made.MonitorContainer(pid, signals)
		done <- end{status, err}
	}()
	r.wrote("MonitorContainer of a process prepared=no")
	said := bufio.NewScanner(output)
	r.says(said, "ready")
	signals <- syscall.SIGUSR1
	r.wrote("signal 10")
	r.says(said, "one")
	signals <- syscall.SIGTERM
	r.wrote("signal 15", "ended 0x600")
	if ended := <-done; ended.err != nil || ended.status.ExitStatus() != 6 {
		r.errorf("ended with %#x, %v", int(ended.status), ended.err)
	}
	if reaped, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		r.errorf("the child is still there: %d, %v", reaped, err)
	}
}

func (r *run) says(said *bufio.Scanner, want string) {
	if !said.Scan() || said.Text() != want {
		r.errorf("the child said %q, not %q", said.Text(), want)
	}
}
