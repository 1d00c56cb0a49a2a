// SPDX-License-Identifier: Apache-2.0 OR MIT

package enginesuite

import (
	"errors"
	"io"
	"net"
	"net/rpc"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-runtime/pinion/go/engine"
)

// Operands are an argument. Exported, as net/rpc demands.
type Operands struct{ A, B int }

// Arithmetic is a value with methods for net/rpc, and with such that do not fit.
type Arithmetic struct {
	entered chan struct{}
	release chan struct{}
}

// Add adds.
func (*Arithmetic) Add(operands Operands, sum *int) error {
	*sum = operands.A + operands.B
	return nil
}

// Fail fails.
func (*Arithmetic) Fail(Operands, *int) error { return errors.New("cannot: on purpose") }

// Wait answers when the test says so.
func (a *Arithmetic) Wait(Operands, *int) error {
	a.entered <- struct{}{}
	<-a.release
	return nil
}

// NoError does not fit.
func (*Arithmetic) NoError(Operands, *int) {}

// NoPointer does not fit.
func (*Arithmetic) NoPointer(Operands, int) error { return nil }

// OneArgument does not fit.
func (*Arithmetic) OneArgument(Operands) error { return nil }

// Hidden does not fit.
func (*Arithmetic) Hidden(preStart, *int) error { return nil }

// unfit is a value without any method that fits.
type unfit struct{}

// Nothing does not fit.
func (*unfit) Nothing() {}

// patience is how long a test waits for what comes at once where all is well.
const patience = 30 * time.Second

func testRPC(t *testing.T) {
	for what, pair := range map[string]func(*testing.T) (client, server net.Conn){
		"over a pipe":   func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
		"over a socket": socketPair,
	} {
		t.Run(what, func(t *testing.T) {
			t.Run("calls", func(t *testing.T) { testCalls(t, pair) })
			t.Run("many calls at once", func(t *testing.T) { testManyCalls(t, pair) })
			t.Run("calls beside each other", func(t *testing.T) { testCallsBesideEachOther(t, pair) })
			t.Run("the last methods count", func(t *testing.T) { testLastMethods(t, pair) })
			t.Run("no methods", func(t *testing.T) { testNoMethods(t, pair) })
			t.Run("no method that fits", func(t *testing.T) { testUnfit(t, pair) })
			t.Run("closed in the middle of a call", func(t *testing.T) { testClosedInCall(t, pair) })
			t.Run("closed in the middle of a message", func(t *testing.T) { testClosedInMessage(t, pair) })
			t.Run("a host with types of its own", func(t *testing.T) { testHostRPC(t, pair) })
		})
	}
}

type pairing func(*testing.T) (client, server net.Conn)

func socketPair(t *testing.T) (client, server net.Conn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		ends[i], err = net.FileConn(file)
		must(t, errors.Join(err, file.Close()))
	}
	return ends[0], ends[1]
}

// serving registers methods and serves them on one end of a pair; ended is closed when the server returns.
func serving(t *testing.T, pair pairing, methods ...any) (name string, client net.Conn, ended chan struct{}) {
	t.Helper()
	name = newName()
	engine.RegisterOperations(name, new(shell))
	for _, each := range methods {
		engine.RegisterRPCMethods(name, each)
	}
	e, err := engine.Get(document(name, "{}"))
	must(t, err)
	client, server := pair(t)
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		engine.ServeRPCRequests(e, server)
	}()
	t.Cleanup(func() {
		if err := client.Close(); !errors.Is(err, net.ErrClosed) {
			must(t, err)
		}
		wait(t, "the server's end", ended)
	})
	return name, client, ended
}

func wait[T any](t *testing.T, what string, event <-chan T) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		t.Errorf("%s did not come within %v", what, patience)
	}
}

// calling is a client whose connection the test closes.
func calling(connection net.Conn) *rpc.Client {
	return rpc.NewClient(struct {
		io.Reader
		io.Writer
		io.Closer
	}{connection, connection, io.NopCloser(nil)})
}

func add(t *testing.T, client *rpc.Client, method string, a, b int) {
	t.Helper()
	var sum int
	must(t, client.Call(method, Operands{a, b}, &sum))
	equal(t, method, sum, a+b)
}

func testCalls(t *testing.T, pair pairing) {
	name, connection, _ := serving(t, pair, new(Arithmetic))
	client := calling(connection)
	add(t, client, name+".Add", 2, 3)
	for method, want := range map[string]string{
		name + ".Fail":        "cannot: on purpose",
		name + ".Nope":        "rpc: can't find method " + name + ".Nope",
		name + ".NoError":     "rpc: can't find method " + name + ".NoError",
		name + ".NoPointer":   "rpc: can't find method " + name + ".NoPointer",
		name + ".OneArgument": "rpc: can't find method " + name + ".OneArgument",
		name + ".Hidden":      "rpc: can't find method " + name + ".Hidden",
		"Arithmetic.Add":      "rpc: can't find service Arithmetic.Add",
	} {
		err := client.Call(method, Operands{}, new(int))
		if err != rpc.ServerError(want) {
			t.Errorf("%s: %v, not %q", method, err, want)
		}
	}
	add(t, client, name+".Add", 4, 5)
}

func testManyCalls(t *testing.T, pair pairing) {
	name, connection, _ := serving(t, pair, new(Arithmetic))
	client := calling(connection)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			var sum int
			if err := client.Call(name+".Add", Operands{i, 1000}, &sum); err != nil {
				t.Error(err)
			}
			equal(t, "sum", sum, i+1000)
		})
	}
	all.Wait()
}

// Each call has a goroutine of its own: one that waits holds nobody up.
func testCallsBesideEachOther(t *testing.T, pair pairing) {
	methods := &Arithmetic{entered: make(chan struct{}), release: make(chan struct{})}
	name, connection, _ := serving(t, pair, methods)
	client := calling(connection)
	var waiting []*rpc.Call
	for range 3 {
		waiting = append(waiting, client.Go(name+".Wait", Operands{}, new(int), make(chan *rpc.Call, 1)))
		wait(t, "the call", methods.entered)
	}
	add(t, client, name+".Add", 5, 6)
	close(methods.release)
	for _, call := range waiting {
		wait(t, "the call's end", call.Done)
		must(t, call.Error)
	}
}

func testLastMethods(t *testing.T, pair pairing) {
	name, connection, _ := serving(t, pair, new(Subtraction), new(Arithmetic), nil)
	client := calling(connection)
	add(t, client, name+".Add", 1, 2)
	refused(t, client.Call(name+".Subtract", Operands{}, new(int)), "rpc: can't find method "+name+".Subtract")
}

// Subtraction is a value with other methods.
type Subtraction struct{}

// Subtract subtracts.
func (*Subtraction) Subtract(operands Operands, difference *int) error {
	*difference = operands.A - operands.B
	return nil
}

func testNoMethods(t *testing.T, pair pairing) {
	_, _, ended := serving(t, pair)
	wait(t, "the server's end", ended)
	_, _, ended = serving(t, pair, nil)
	wait(t, "the server's end", ended)
}

func testUnfit(t *testing.T, pair pairing) {
	name, connection, _ := serving(t, pair, new(unfit))
	refused(t, calling(connection).Call(name+".Nothing", Operands{}, new(int)), "rpc: can't find ", name+".Nothing")
}

func testClosedInCall(t *testing.T, pair pairing) {
	methods := &Arithmetic{entered: make(chan struct{}), release: make(chan struct{})}
	name, connection, ended := serving(t, pair, methods)
	call := calling(connection).Go(name+".Wait", Operands{}, new(int), make(chan *rpc.Call, 1))
	wait(t, "the call", methods.entered)
	must(t, connection.Close())
	wait(t, "the call's end", call.Done)
	close(methods.release)
	wait(t, "the server's end", ended)
	if call.Error == nil {
		t.Error("a call that was cut off succeeded")
	}
}

func testClosedInMessage(t *testing.T, pair pairing) {
	_, connection, ended := serving(t, pair, new(Arithmetic))
	// The first byte of a gob message is its length.
	_, err := connection.Write([]byte{60, 1, 2, 3})
	must(t, err)
	must(t, connection.Close())
	wait(t, "the server's end", ended)
}

func testHostRPC(t *testing.T, pair pairing) {
	name := newName()
	hostRegistry.RegisterOperations(name, new(hostShell))
	hostRegistry.RegisterRPCMethods(name, new(Arithmetic))
	connection, server := pair(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		hostRegistry.ServeRPC(name, server)
	}()
	add(t, calling(connection), name+".Add", 7, 8)
	must(t, connection.Close())
	wait(t, "the server's end", ended)
}
