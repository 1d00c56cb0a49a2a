// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"context"
	"fmt"
	"net"
	"net/rpc"
)

func (p *probe) CreateContainer(_ context.Context, container int, conn net.Conn) error {
	if err := p.enter("CreateContainer", "container=%d", container); err != nil {
		return err
	}
	switch p.config.Fail["CreateContainer"] {
	case "disconnect":
		return disconnect(conn)
	case "exec in the server":
		callExec(conn)
		return nil
	}
	if p.config.Hostname != "" {
		return setHostname(conn, p.config.Hostname)
	}
	return nil
}

// disconnect shuts the connection down, also for the others that hold it. Its end alone does not let the container go on: this
// callback has to succeed.
func disconnect(conn net.Conn) error {
	ends, is := conn.(interface {
		CloseRead() error
		CloseWrite() error
	})
	if !is {
		return fmt.Errorf("shut the connection down: a %T has no ends", conn)
	}
	if err := ends.CloseRead(); err != nil {
		return err
	}
	if err := ends.CloseWrite(); err != nil {
		return err
	}
	stay()
	return nil
}

// HostnameArgs is the argument of SetHostname.
type HostnameArgs struct{ Hostname string }

func setHostname(conn net.Conn, hostname string) error {
	client := rpc.NewClient(conn)
	defer client.Close()
	return client.Call(name+".SetHostname", &HostnameArgs{hostname}, new(int))
}

// callExec calls the method Exec: the connection's end is all that there is to hear.
func callExec(conn net.Conn) {
	client := rpc.NewClient(conn)
	defer client.Close()
	_ = client.Call(name+".Exec", 0, new(int))
}

// methods are this engine's own RPC methods.
type methods struct{}

// Exec makes the RPC server another program.
func (methods) Exec(int, *int) error {
	return becomeAnother()
}
