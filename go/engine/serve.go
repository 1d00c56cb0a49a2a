// SPDX-License-Identifier: Apache-2.0 OR MIT

package engine

import (
	"net"
	"net/rpc"

	"github.com/pinion-runtime/pinion/go/internal/hook"
	"github.com/pinion-runtime/pinion/go/internal/reflectrpc"
)

// serve serves the methods of an engine until the peer closes the connection.
func (r *registry) serve(name string, conn net.Conn) {
	receiver, core := r.receiver(name), hook.Current()
	if receiver == nil && (core == nil || r.has(name)) {
		return
	}
	if core != nil {
		// The published function has no result: what ends the connection ends the call.
		_ = core.Serve(name, conn)
		conn.Close()
		return
	}
	// The server that net/rpc keeps for the whole process would mix the methods of engines.
	server := rpc.NewServer()
	// It prints a line where no method fits: then it is not asked.
	if methods, _ := reflectrpc.New(receiver); len(methods) > 0 {
		// Nothing is left that could fail: the name was checked, and the server is new.
		_ = server.RegisterName(name, receiver)
	}
	server.ServeConn(conn)
}
