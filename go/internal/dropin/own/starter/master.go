// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// master makes the container process and watches over it.
func master(given handover, load Load) (code int, err error) {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	status, failed := watch(given, load, signals)
	if given.Cleanup > 0 {
		if err := tell(given.Cleanup, roleCleanupHost); err != nil {
			fmt.Fprintln(os.Stderr, "dropin:", err)
		}
	}
	switch {
	case failed != nil:
		return 0, failed
	case status.Signaled():
		if err := repeat(status.Signal()); err != nil {
			return 0, err
		}
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// watch is master's life up to the clean-up on the host.
func watch(given handover, load Load, signals <-chan os.Signal) (status syscall.WaitStatus, failed error) {
	pid, socket, client, err := makeContainer(given)
	if err != nil {
		return 0, err
	}
	if value, _ := readByte(socket); value != ready {
		status, err := await(pid)
		return status, errors.Join(fmt.Errorf("make the container process: it ended with status %#x", int(status)), err)
	}
	if given.Plan.JoinOnly {
		go passOn(signals, pid)
		return await(pid)
	}
	engine, err := load(given.Plan.Document)
	if err != nil {
		return 0, errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
	}
	conn, err := connection(socket)
	if err != nil {
		return 0, fmt.Errorf("take the connection to stage 2: %w", err)
	}
	rpc, err := connection(client)
	if err != nil {
		return 0, fmt.Errorf("take the RPC connection: %w", err)
	}
	run := &life{engine: engine, pid: pid, conn: conn, rpc: rpc, postStart: given.PostStart,
		fatal: make(chan error, 4), later: make(chan error, 1), ended: make(chan syscall.WaitStatus, 1)}
	status, failed = run.live(signals)
	if err := guarded("CleanupContainer", func() error {
		return engine.CleanupContainer(context.Background(), failed, status)
	}); err != nil {
		fmt.Fprintln(os.Stderr, "dropin: clean up the container:", err)
	}
	return status, failed
}

// makeContainer makes the container process; client is master's end of the RPC connection.
func makeContainer(given handover) (pid, socket, client int, err error) {
	pair, err := socketPair()
	if err != nil {
		return 0, 0, 0, err
	}
	plan := given.Plan
	given.Socket = pair[1]
	handed := append(plan.Kept, pair[1])
	if !plan.JoinOnly {
		rpc, err := socketPair()
		if err != nil {
			return 0, 0, 0, err
		}
		defer unix.Close(rpc[1])
		client, given.RPC = rpc[0], rpc[1]
		handed = append(handed, rpc[1])
	}
	defer unix.Close(pair[1])
	if path := plan.Join[specs.PIDNamespace]; path != "" {
		own, err := unix.Open("/proc/self/ns/pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("open the PID namespace: %w", err)
		}
		defer unix.Close(own)
		if err := join(specs.PIDNamespace, path); err != nil {
			return 0, 0, 0, err
		}
		// Helpers are to be made in the host's.
		defer func() { err = errors.Join(err, unix.Setns(own, unix.CLONE_NEWPID)) }()
	}
	pid, err = spawn(roleContainer, given, handed, syscall.SysProcAttr{Cloneflags: plan.Create &^ unix.CLONE_NEWUSER})
	return pid, pair[0], client, err
}

// life is a container's, from the end of its namespaces' making.
type life struct {
	engine    Engine
	pid       int
	conn, rpc net.Conn
	postStart int
	fatal     chan error
	// later is what PreStartProcess gets, for errors after its return.
	later chan error
	ended chan syscall.WaitStatus
	// monitored is closed when MonitorContainer has returned.
	monitored chan struct{}
}

// live runs the callbacks until the first error or the container's end.
func (l *life) live(signals <-chan os.Signal) (status syscall.WaitStatus, failed error) {
	l.monitored = make(chan struct{})
	go l.create()
	go l.start()
	go l.monitor(signals)
	select {
	case status = <-l.ended:
		return status, nil
	case failed = <-l.fatal:
	case err := <-l.later:
		failed = fmt.Errorf("pre start process failed: %w", err)
	}
	// It may have ended already, and have been reaped.
	_ = syscall.Kill(l.pid, syscall.SIGKILL)
	<-l.monitored
	select {
	case status = <-l.ended:
		return status, failed
	default:
	}
	status, err := await(l.pid)
	return status, errors.Join(failed, err)
}

func (l *life) create() {
	err := guarded("CreateContainer", func() error { return l.engine.CreateContainer(context.Background(), l.pid, l.rpc) })
	if err != nil {
		// The connection stays open: its end would release stage 2.
		l.fatal <- fmt.Errorf("container creation failed: %w", err)
		return
	}
	l.rpc.Close()
}

func (l *life) start() {
	var one [1]byte
	n, _ := l.conn.Read(one[:])
	before, has := findPreStarter(l.engine.Callbacks)
	if has && n == 0 {
		// It has ended before it came so far.
		return
	}
	if has && one[0] != 'f' {
		err := guarded("PreStartProcess", func() error {
			return before.PreStartProcess(context.Background(), l.pid, l.conn, l.later)
		})
		if err != nil {
			l.fatal <- fmt.Errorf("pre start process failed: %w", err)
			return
		}
		n, _ = l.conn.Read(one[:])
	}
	if n == 1 && one[0] == 'f' || l.hasEnded() {
		return
	}
	if l.postStart > 0 {
		if err := tell(l.postStart, rolePostStartHost); err != nil {
			l.fatal <- fmt.Errorf("host post start process failed: %w", err)
			return
		}
	}
	if err := guarded("PostStartProcess", func() error {
		return l.engine.PostStartProcess(context.Background(), l.pid)
	}); err != nil {
		l.fatal <- fmt.Errorf("post start process failed: %w", err)
	}
}

// findPreStarter looks into wrappers.
func findPreStarter(callbacks any) (found preStarter, has bool) {
	for callbacks != nil {
		if found, has = callbacks.(preStarter); has {
			break
		}
		method := reflect.ValueOf(callbacks).MethodByName("Unwrap")
		if !method.IsValid() {
			break
		}
		callbacks = method.Call(nil)[0].Interface()
	}
	return found, has
}

// hasEnded says whether the container process has, or is about to: its descriptors are closed before that.
func (l *life) hasEnded() bool {
	// The kernel's PF_EXITING, the ninth field of the line; the second one is in parentheses.
	const exiting, place = 4, 9 - 3
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(line), ") ")
	flags, err := strconv.ParseUint(strings.Fields(rest)[place], 10, 64)
	return err != nil || flags&exiting != 0
}

// monitor leaves out the signals that Go sends itself.
func (l *life) monitor(signals <-chan os.Signal) {
	defer close(l.monitored)
	passed := make(chan os.Signal, 2)
	go func() {
		for next := range signals {
			if next != syscall.SIGURG && next != syscall.SIGPIPE {
				passed <- next
			}
		}
	}()
	var status syscall.WaitStatus
	err := guarded("MonitorContainer", func() (err error) {
		status, err = l.engine.MonitorContainer(l.pid, passed)
		return err
	})
	if err != nil {
		l.fatal <- err
		return
	}
	l.ended <- status
}
