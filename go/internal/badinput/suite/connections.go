// SPDX-License-Identifier: Apache-2.0 OR MIT

package suite

import (
	"encoding/gob"
	"errors"
	"io"
	"net"
	"net/rpc"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-runtime/pinion/go/engine"
)

// patience is how long a test waits for what comes at once where all is well.
const patience = 2 * time.Second

// methods are served.
type methods struct{ entered, release chan struct{} }

// Big answers with more than a socket holds.
func (*methods) Big(_ int, reply *[]byte) error {
	*reply = make([]byte, 8<<20)
	return nil
}

// Next adds one.
func (*methods) Next(number int, next *int) error {
	*next = number + 1
	return nil
}

// Wait answers when the test says so.
func (m *methods) Wait(int, *int) error {
	close(m.entered)
	<-m.release
	return nil
}

// served is a connection that is served.
type served struct {
	name           string
	methods        *methods
	client, server *net.UnixConn
	// ended is closed when the server has returned.
	ended chan struct{}
}

func serve(t *testing.T) *served {
	t.Helper()
	_, name, document := registered()
	s := &served{name: name, methods: &methods{make(chan struct{}), make(chan struct{})}, ended: make(chan struct{})}
	engine.RegisterRPCMethods(name, s.methods)
	e, err := engine.Get(document)
	must(t, err)
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	for i, end := range []**net.UnixConn{&s.client, &s.server} {
		file := os.NewFile(uintptr(fds[i]), "socket")
		connection, err := net.FileConn(file)
		must(t, errors.Join(err, file.Close()))
		*end = connection.(*net.UnixConn)
	}
	go func() {
		defer close(s.ended)
		engine.ServeRPCRequests(e, s.server)
	}()
	t.Cleanup(func() {
		s.client.Close()
		s.ends(t)
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *served) ends(t *testing.T) {
	t.Helper()
	await(t, "the server's end", s.ended)
}

func await(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		t.Errorf("%s did not come within %v", what, patience)
	}
}

// closeServer closes the connection on the server's side, where nobody is to wait for the peer.
func (s *served) closeServer(t *testing.T) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.server.Close()
	}()
	await(t, "the return of Close", closed)
}

// request writes one by hand: a client would read on.
func (s *served) request(t *testing.T, method string) {
	t.Helper()
	request := gob.NewEncoder(s.client)
	must(t, errors.Join(request.Encode(rpc.Request{ServiceMethod: s.name + "." + method, Seq: 1}), request.Encode(0)))
}

func testEndInReply(t *testing.T) {
	s := serve(t)
	s.request(t, "Big")
	_, err := io.ReadFull(s.client, make([]byte, 1000))
	must(t, err)
	must(t, s.client.Close())
	s.ends(t)
}

func testHalfClosed(t *testing.T) {
	s := serve(t)
	s.request(t, "Next")
	must(t, s.client.CloseWrite())
	answers := gob.NewDecoder(s.client)
	var answer rpc.Response
	var next int
	must(t, errors.Join(answers.Decode(&answer), answers.Decode(&next)))
	if answer.Error != "" || next != 1 {
		t.Errorf("answer %+v, %d", answer, next)
	}
	s.ends(t)
}

// The connection is no more: that ends the server as any other error of it does.
func testClosedByItsOwner(t *testing.T) {
	s := serve(t)
	s.request(t, "Next")
	_, err := s.client.Read(make([]byte, 1))
	must(t, err)
	s.closeServer(t)
	s.ends(t)
}

func testBothClosed(t *testing.T) {
	s := serve(t)
	s.request(t, "Wait")
	<-s.methods.entered
	s.closeServer(t)
	must(t, s.client.Close())
	close(s.methods.release)
	s.ends(t)
}

func testClosedTwice(t *testing.T) {
	s := serve(t)
	must(t, s.client.Close())
	s.ends(t)
	for _, connection := range []net.Conn{s.client, s.server} {
		if err := connection.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed again: %v", err)
		}
	}
}
