// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include "vtable.h"
*/
import "C"

import (
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// share makes a connection of Go's own over a socket of the core's.
func share(fd int, what string) (*net.UnixConn, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("share %s: duplicate descriptor %d: %w", what, fd, err)
	}
	file := os.NewFile(uintptr(own), what)
	defer file.Close()
	connection, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("share %s: %w", what, err)
	}
	stream, is := connection.(*net.UnixConn)
	if !is {
		connection.Close()
		return nil, fmt.Errorf("share %s: descriptor %d is a %T and no Unix socket", what, fd, connection)
	}
	return stream, nil
}

// master is StartProcess's connection: once it is closed the container counts as started, for which the core's descriptor has to
// be closed as well.
type master struct {
	*net.UnixConn
	raw  *C.pinion_master
	once sync.Once
	err  error
}

func shareMaster(raw *C.pinion_master) (*master, error) {
	stream, err := share(int(C.pinion_master_fd(raw)), "the connection to master")
	if err != nil {
		return nil, err
	}
	return &master{UnixConn: stream, raw: raw}, nil
}

// Close says that the container has started. On the thread of StartProcess.
func (m *master) Close() error {
	m.once.Do(func() {
		m.err = m.UnixConn.Close()
		if err := lift(C.pinion_master_close(m.raw)); err != nil {
			m.err = err
		}
	})
	return m.err
}
