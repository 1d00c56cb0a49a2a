// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// serve lets the core answer on a connection. What is no Unix stream socket is copied to and from one.
func serve(name string, connection net.Conn) error {
	if own, is := connection.(*net.UnixConn); is {
		return serveSocket(name, own)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("serve the RPC methods of %q: %w", name, os.NewSyscallError("socketpair", err))
	}
	server, first := own(pair[0])
	client, second := own(pair[1])
	if err := errors.Join(first, second); err != nil {
		return err
	}
	var copying sync.WaitGroup
	copying.Go(func() {
		// Its error is the end of one of the two connections, which the other one sees.
		io.Copy(client, connection)
		client.CloseWrite()
	})
	copying.Go(func() {
		io.Copy(connection, client)
		connection.Close()
	})
	err = serveSocket(name, server)
	server.Close()
	copying.Wait()
	client.Close()
	return err
}

func own(fd int) (*net.UnixConn, error) {
	defer syscall.Close(fd)
	return share(fd, "a socket pair")
}

func serveSocket(name string, connection *net.UnixConn) error {
	raw, err := connection.SyscallConn()
	if err != nil {
		return fmt.Errorf("serve the RPC methods of %q: %w", name, err)
	}
	var served error
	err = raw.Control(func(fd uintptr) {
		// The core waits in its system calls; Go's other users of the connection get theirs back.
		if served = syscall.SetNonblock(int(fd), false); served == nil {
			served = lift(C.pinion_serve_rpc_methods(view(name), C.int32_t(fd)))
			syscall.SetNonblock(int(fd), true)
		}
	})
	if err != nil {
		return fmt.Errorf("serve the RPC methods of %q: %w", name, err)
	}
	return served
}
