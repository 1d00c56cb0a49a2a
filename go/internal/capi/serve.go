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
	"time"

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

// serveSocket lets the core serve a duplicate: the connection stays its owner's, who may close it meanwhile, which ends the server
// as it would end Go's own.
func serveSocket(name string, connection *net.UnixConn) error {
	raw, err := connection.SyscallConn()
	if err != nil {
		return fmt.Errorf("serve the RPC methods of %q: %w", name, err)
	}
	duplicate, failed := -1, error(nil)
	if err := raw.Control(func(fd uintptr) { duplicate, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		failed = err
	}
	if failed != nil {
		return fmt.Errorf("serve the RPC methods of %q: duplicate the connection: %w", name, failed)
	}
	defer unix.Close(duplicate)
	served := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		// It takes nothing, and comes back when the connection is closed, or when its deadline is set.
		closed := raw.Read(func(uintptr) bool { return false })
		select {
		case <-served:
		default:
			if errors.Is(closed, net.ErrClosed) {
				unix.Shutdown(duplicate, unix.SHUT_RDWR)
			}
		}
	})
	err = lift(C.pinion_serve_rpc_methods(view(name), C.int32_t(duplicate)))
	close(served)
	// Those of a connection that is closed fail, and need not succeed.
	connection.SetReadDeadline(time.Unix(1, 0))
	watching.Wait()
	connection.SetReadDeadline(time.Time{})
	return err
}
