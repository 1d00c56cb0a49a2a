// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command teststarter is a starter whose engine tells what package starter's tests look at: its configuration says what each callback
// does, and standard error what it saw.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/starter"
)

// settings is the engine's configuration.
type settings struct {
	// Args is the program that the container executes.
	Args []string
	// Native is for SetNativeRPC.
	Native bool
	// Prepare, Create, Start and Pre are what those callbacks do, the last being PreStartProcess.
	Prepare, Create, Start, Pre string
}

var errMine = errors.New("an error of the engine's own")

type testEngine struct{ settings }

func (e *testEngine) Config() config.EngineConfig { return &e.settings }

func (e *testEngine) InitConfig(*config.Common) {}

func (e *testEngine) PrepareConfig(c *starter.Config) error {
	if e.Prepare == "error" {
		return fmt.Errorf("prepare: %w", errMine)
	}
	c.SetNativeRPC(e.Native)
	c.SetNsFlags(syscall.CLONE_NEWPID | syscall.CLONE_NEWNS)
	return nil
}

func (e *testEngine) CreateContainer(ctx context.Context, pid int, rpc net.Conn) error {
	switch e.Create {
	case "threads":
		server, err := rpcServer(pid)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "threads of the RPC server: %d\nprivate dirty memory of the RPC server: %s kB\n",
			server.threads, server.privateDirty)
	case "error":
		return fmt.Errorf("create: %w", errMine)
	case "goexit":
		runtime.Goexit()
	case "cancel":
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		<-ctx.Done()
		cancelled <- ctx.Err()
	case "chdir":
		return syscall.Chdir("/")
	case "elsewhere":
		// MonitorContainer returns meanwhile.
		if err := errors.Join(syscall.Chdir("/usr"), kill(pid)); err != nil {
			return err
		}
		<-ctx.Done()
		return syscall.Chdir("/")
	case "bereaved":
		return errors.Join(kill(pid), errMine)
	case "main thread":
		done := make(chan int)
		work <- func() { done <- syscall.Gettid() }
		fmt.Fprintf(os.Stderr, "work ran on the main thread: %v\n", <-done == os.Getpid())
	}
	return nil
}

// kill ends a process and waits until it has ended. Who reaps it is somebody else.
func kill(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil {
		return err
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return err
		}
	}
}

// process is what the kernel says of one.
type process struct {
	threads      int
	privateDirty string
}

// rpcServer looks at the container process's first child.
func rpcServer(container int) (seen process, err error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", container, container))
	if err != nil {
		return seen, err
	}
	place := "/proc/" + strings.Fields(string(children))[0]
	threads, err := os.ReadDir(place + "/task")
	if err != nil {
		return seen, err
	}
	memory, err := os.ReadFile(place + "/smaps_rollup")
	for line := range strings.Lines(string(memory)) {
		if words := strings.Fields(line); words[0] == "Private_Dirty:" {
			seen.privateDirty = words[1]
		}
	}
	seen.threads = len(threads)
	return seen, err
}

func (e *testEngine) StartProcess(master net.Conn) error {
	if e.Start == "goexit" {
		runtime.Goexit()
	}
	if e.Start == "shim" {
		if err := master.Close(); err != nil {
			return err
		}
		return starter.Ended(syscall.SIGUSR1)
	}
	if e.Pre != "" {
		// PreStartProcess is called for it, and nothing answers: the program runs meanwhile.
		if _, err := master.Write([]byte{0}); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "StartProcess on the main thread: %v\n", syscall.Gettid() == syscall.Getpid())
	return syscall.Exec(e.Args[0], e.Args, nil)
}

// PreStartProcess fails after it has returned, when the container runs.
func (e *testEngine) PreStartProcess(ctx context.Context, _ int, _ net.Conn, fatal chan error) error {
	if e.Pre == "fails later" {
		go func() {
			<-started
			fatal <- nil
			fatal <- fmt.Errorf("pre start: %w", errMine)
			fatal <- errors.New("another one")
		}()
	}
	return nil
}

// started is closed when the container runs.
var started = make(chan struct{})

func (e *testEngine) PostStartProcess(context.Context, int) error {
	close(started)
	return nil
}

func (e *testEngine) MonitorContainer(pid int, signals chan os.Signal) (status syscall.WaitStatus, err error) {
	for next := range signals {
		if next != syscall.SIGCHLD {
			fmt.Fprintln(os.Stderr, "signal:", next)
			if err := syscall.Kill(pid, next.(syscall.Signal)); err != nil {
				return 0, err
			}
			continue
		}
		reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != nil || reaped == pid {
			return status, err
		}
	}
	return 0, nil
}

// cancelled is what CreateContainer's context said.
var cancelled = make(chan error, 1)

func (e *testEngine) CleanupContainer(_ context.Context, fatal error, status syscall.WaitStatus) error {
	if e.Create == "cancel" {
		fmt.Fprintln(os.Stderr, "CreateContainer:", <-cancelled)
	}
	fmt.Fprintf(os.Stderr, "cleanup: fatal %v, mine %v, status %#x\n", fatal, errors.Is(fatal, errMine), int(status))
	return nil
}

func (e *testEngine) PostStartHost(context.Context) error { return nil }
func (e *testEngine) CleanupHost(context.Context) error   { return nil }

var work = make(chan func())

func init() {
	engine.RegisterOperations("test", new(testEngine))
}

func main() {
	var host starter.Host
	switch os.Args[0] {
	case "explain":
		host.Explain = func(err error) string { return "explained: " + strconv.Quote(err.Error()) }
	case "log":
		host.Log = func(level int, text string) { fmt.Fprintf(os.Stderr, "log %d: %s\n", level, text) }
	case "main thread":
		host.MainThread = work
	}
	starter.Main(host)
}
