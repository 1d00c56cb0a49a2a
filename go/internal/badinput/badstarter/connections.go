// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"syscall"

	"github.com/pinion-runtime/pinion/go/starter"
)

// methods are the engine's RPC methods.
type methods struct{}

// Next adds one.
func (methods) Next(number int, next *int) error {
	*next = number + 1
	return nil
}

// Big answers with 8 MiB.
func (methods) Big(int, reply *[]byte) error {
	*reply = make([]byte, 8*mebibyte)
	for i := range *reply {
		(*reply)[i] = byte(i)
	}
	return nil
}

// Linger says on one pipe that it runs, and returns when another one says so.
func (methods) Linger(pipes [2]int, _ *int) error {
	if _, err := syscall.Write(pipes[0], []byte{1}); err != nil {
		return err
	}
	_, err := syscall.Read(pipes[1], make([]byte, 1))
	say("linger: %v", err)
	return err
}

// Panic panics.
func (methods) Panic(int, *int) error { panic("a method panics") }

// Exit ends the server.
func (methods) Exit(code int, _ *int) error {
	os.Exit(code)
	return nil
}

// HangUp shuts the server's sockets of this type down before it answers.
func (methods) HangUp(kind int, _ *int) error {
	for fd := 3; fd < 256; fd++ {
		if is, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE); err == nil && is == kind {
			syscall.Shutdown(fd, syscall.SHUT_RDWR)
		}
	}
	return nil
}

// Collect collects garbage while it runs.
func (methods) Collect(int, *int) error { return collect(&place{callback: "Collect"}) }

// TooMany does not fit.
func (methods) TooMany(int, int, *int) error { return nil }

// NoPointer does not fit.
func (methods) NoPointer(int, int) error { return nil }

// NoError does not fit.
func (methods) NoError(int, *int) int { return 0 }

// Function fits, though gob has no functions.
func (methods) Function(int, *func()) error { return nil }

// client leaves the connection open.
func client(conn net.Conn) *rpc.Client {
	return rpc.NewClient(struct {
		io.Reader
		io.Writer
		io.Closer
	}{conn, conn, io.NopCloser(nil)})
}

func call(method string, argument int) deed {
	return func(at *place) error {
		err := client(at.conn).Call("bad."+method, argument, new(int))
		say("%s: %v", method, err)
		return nil
	}
}

func next(client *rpc.Client, number int) error {
	var next int
	if err := client.Call("bad.Next", number, &next); err != nil {
		return err
	}
	if next != number+1 {
		return fmt.Errorf("%d follows on %d", next, number)
	}
	return nil
}

func init() {
	add(map[string]deed{
		"call Panic": func(at *place) error {
			client := client(at.conn)
			say("Panic: %v", client.Call("bad.Panic", 0, new(int)))
			return next(client, 1)
		},
		"call Exit":                 call("Exit", 0),
		"call HangUp":               call("HangUp", syscall.SOCK_STREAM),
		"call HangUp of the core's": call("HangUp", syscall.SOCK_SEQPACKET),
		"call Collect":              call("Collect", 0),
		"call Function":             call("Function", 0),
		"call what does not fit": func(at *place) error {
			client := client(at.conn)
			for _, method := range []string{"bad.TooMany", "bad.NoPointer", "bad.NoError", "bad.Nope", "good.Next", "", "x", "."} {
				say("%q: %v", method, client.Call(method, 0, new(int)))
			}
			return next(client, 1)
		},
		"close before the calls": func(at *place) error {
			at.conn.Close()
			return client(at.conn).Call("bad.Next", 0, new(int))
		},
		"close twice": func(at *place) error {
			say("close: %v", at.conn.Close())
			say("close again: an error %v", at.conn.Close() != nil)
			return nil
		},
		"close in a request": func(at *place) error {
			// The first byte of a gob message is its length.
			if _, err := at.conn.Write([]byte{60, 1, 2, 3}); err != nil {
				return err
			}
			return at.conn.Close()
		},
		"close in a reply": func(at *place) error {
			// By hand: a client would read on.
			request := gob.NewEncoder(at.conn)
			if err := errors.Join(request.Encode(rpc.Request{ServiceMethod: "bad.Big", Seq: 1}), request.Encode(0)); err != nil {
				return err
			}
			if _, err := io.ReadFull(at.conn, make([]byte, 3)); err != nil {
				return err
			}
			return hangUp(at.conn.(*net.UnixConn))
		},
		"close in a call": closeInCall,
		"write no gob": func(at *place) error {
			_, err := at.conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			return err
		},
		"hang up": func(at *place) error { return hangUp(at.conn.(*net.UnixConn)) },
		"shim": func(at *place) error {
			say("close: %v", at.conn.Close())
			say("close again: %v", at.conn.Close())
			_, err := at.conn.Write([]byte("x"))
			say("write then: an error %v", err != nil)
			if _, err := syscall.Read(0, make([]byte, 1)); err != nil {
				return err
			}
			return starter.Ended(7 << 8)
		},
		"shim that fails": func(at *place) error {
			at.conn.Close()
			return errMine
		},
		"send nil": func(at *place) error { at.fatal <- nil; return nil },
		"close the channel": func(at *place) error {
			close(at.fatal)
			return nil
		},
		"send an error": func(at *place) error { at.fatal <- errMine; return nil },
		"send an error later": func(at *place) error {
			go func() {
				// The container's program runs by then.
				<-started
				at.fatal <- errMine
			}()
			return nil
		},
		"send many errors": func(at *place) error {
			go func() {
				for {
					at.fatal <- errMine
				}
			}()
			return nil
		},
	})
}

// started is closed when PostStartProcess is called.
var started = make(chan struct{})

// hangUp ends the connection for everybody who has it.
func hangUp(conn *net.UnixConn) error {
	if err := conn.CloseRead(); err != nil {
		return err
	}
	return conn.CloseWrite()
}

// closeInCall closes the connection while a method runs, which ends after that. It uses both pipes before the container does.
func closeInCall(at *place) error {
	pipes := at.engine.own.Pipes
	client(at.conn).Go("bad.Linger", [2]int{pipes[1], pipes[2]}, new(int), make(chan *rpc.Call, 1))
	if _, err := syscall.Read(pipes[0], make([]byte, 1)); err != nil {
		return err
	}
	if err := at.conn.Close(); err != nil {
		return err
	}
	_, err := syscall.Write(pipes[3], []byte{1})
	return err
}
