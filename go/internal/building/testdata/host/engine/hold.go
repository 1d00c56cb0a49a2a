// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

// holding is the name of an engine that keeps descriptors and uses its connections while garbage is collected.
const holding = "holding"

// keptCount is how many descriptors it keeps.
const keptCount = 16

// held are its settings.
type held struct {
	Settings
	Kept []Descriptor
	// Go is a pipe, kept too: the container's program gets one end as its input, PostStartProcess writes a line to the other.
	Go [2]int
}

type holder struct {
	operations
	held held
}

func init() {
	engine.RegisterOperations(holding, new(holder))
	engine.RegisterRPCMethods(holding, methods{})
}

type methods struct{}

// Count looks at kept descriptors, in the RPC server.
func (methods) Count(kept []Descriptor, reply *int) error {
	*reply = len(kept)
	return litter(kept)
}

// passed collects garbage in a callback and says that all was there.
func (h *holder) passed(callback string) error {
	err := litter(h.held.Kept)
	if err == nil {
		fmt.Fprintf(os.Stderr, "%s: %d kept\n", callback, len(h.held.Kept))
	}
	return err
}

func (h *holder) Config() config.EngineConfig { return &h.held }

func (h *holder) PrepareConfig(to *starter.Config) error {
	if percent := debug.SetGCPercent(1); percent != 1 {
		return fmt.Errorf("the collector runs at %d percent more, not at 1", percent)
	}
	for place := range keptCount {
		one, err := open(fmt.Sprint("kept ", place))
		if err != nil {
			return err
		}
		if err := to.KeepFileDescriptor(one.Number); err != nil {
			return err
		}
		h.held.Kept = append(h.held.Kept, one)
	}
	if err := unix.Pipe2(h.held.Go[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	for _, number := range h.held.Go {
		if err := to.KeepFileDescriptor(number); err != nil {
			return err
		}
	}
	if err := h.operations.PrepareConfig(to); err != nil {
		return err
	}
	return h.passed("PrepareConfig")
}

// CreateContainer lets the RPC server look too, with several calls under way at once.
func (h *holder) CreateContainer(_ context.Context, _ int, conn net.Conn) error {
	client := rpc.NewClient(conn)
	defer client.Close()
	var calls []*rpc.Call
	for many := range 4 {
		calls = append(calls, client.Go(holding+".Count", h.held.Kept[many:], new(int), nil))
	}
	if err := h.passed("CreateContainer"); err != nil {
		return err
	}
	for many, call := range calls {
		<-call.Done
		if is := *call.Reply.(*int); call.Error != nil || is != keptCount-many {
			return fmt.Errorf("the RPC server sees %d of %d kept descriptors (%v)", is, keptCount-many, call.Error)
		}
	}
	return nil
}

// PreStartProcess waits for a word of StartProcess's, and answers.
func (h *holder) PreStartProcess(_ context.Context, _ int, stage2 net.Conn, _ chan error) error {
	if err := h.passed("PreStartProcess"); err != nil {
		return err
	}
	var word string
	err := json.NewDecoder(stage2).Decode(&word)
	return errors.Join(err, h.passed("PreStartProcess, after "+word), json.NewEncoder(stage2).Encode("answer"))
}

func (h *holder) StartProcess(master net.Conn) error {
	// One byte is what PreStartProcess is called for.
	if _, err := master.Write([]byte{0}); err != nil {
		return err
	}
	if err := json.NewEncoder(master).Encode("question"); err != nil {
		return err
	}
	if err := h.passed("StartProcess"); err != nil {
		return err
	}
	var word string
	if err := json.NewDecoder(master).Decode(&word); err != nil {
		return err
	}
	if err := h.passed("StartProcess, after " + word); err != nil {
		return err
	}
	if err := unix.Dup3(h.held.Go[0], 0, 0); err != nil {
		return err
	}
	return syscall.Exec(h.held.Args[0], h.held.Args, nil)
}

// PostStartProcess lets the container end: where it is over before, this callback is not called.
func (h *holder) PostStartProcess(context.Context, int) error {
	if err := h.passed("PostStartProcess"); err != nil {
		return err
	}
	_, err := unix.Write(h.held.Go[1], []byte("go\n"))
	return err
}

func (h *holder) MonitorContainer(pid int, signals chan os.Signal) (status syscall.WaitStatus, err error) {
	if err := h.passed("MonitorContainer"); err != nil {
		return 0, err
	}
	for range signals {
		reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != nil || reaped == pid {
			return status, errors.Join(err, h.passed("MonitorContainer, after its end"))
		}
	}
	return 0, errors.New("no more signals come")
}

func (h *holder) CleanupContainer(context.Context, error, syscall.WaitStatus) error {
	return h.passed("CleanupContainer")
}

func (h *holder) PostStartHost(context.Context) error { return h.passed("PostStartHost") }

func (h *holder) CleanupHost(context.Context) error { return h.passed("CleanupHost") }
