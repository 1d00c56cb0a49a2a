// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"fmt"
	"net"
	"net/rpc"
	"os"

	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// text and repeated are what the method Repeat takes and gives.
type text struct {
	Text  string
	Times int
}

type repeated struct {
	Text   string
	Length int
}

// call calls methods in C and in Rust over one connection, and tells what each answered.
func (m *mixed) call(connection net.Conn) error {
	client := rpc.NewClient(connection)
	defer client.Close()

	tell(client, "Repeat", text{"abc", 3}, new(repeated))
	tell(client, "Repeat", text{"abc", -1}, new(repeated))
	tell(client, "Double", 21, new(int))
	tell(client, "Double", -6, new(int))
	tell(client, "Double", 100, new(int))

	// Both are asked before one is answered, and the server goes on meanwhile.
	first, second := begin(client, "Ask", "who", new(string)), begin(client, "Ask", "refuse this", new(string))
	tell(client, "Mkdir", args.MkdirArgs{Root: m.Folder, Path: "/made", Perm: 0o700}, new(int))
	tell(client, "Answer", 0, new(bool))
	tell(client, "Answer", 0, new(bool))
	show("Ask", <-first.Done)
	show("Ask", <-second.Done)

	var info args.StatReply
	if err := client.Call("mixed-go.Stat", args.StatArgs{Path: m.Folder + "/made"}, &info); err != nil || info.Err != nil {
		return fmt.Errorf("call Stat: %v, %v", err, info.Err)
	}
	fmt.Fprintln(os.Stderr, "Stat:", info.Fi.Name(), info.Fi.Mode())
	tell(client, "Stat", args.StatArgs{Path: m.Folder + "/nothing"}, &info)
	tell(client, "Nope", 0, new(int))
	return nil
}

func begin(client *rpc.Client, method string, argument, reply any) *rpc.Call {
	return client.Go("mixed-go."+method, argument, reply, make(chan *rpc.Call, 1))
}

func tell(client *rpc.Client, method string, argument, reply any) {
	show(method, <-begin(client, method, argument, reply).Done)
}

// show writes one line, as master's other callbacks write nothing meanwhile.
func show(method string, call *rpc.Call) {
	var answer any = call.Error
	switch reply := call.Reply.(type) {
	case *repeated:
		answer = *reply
	case *int:
		answer = *reply
	case *bool:
		answer = *reply
	case *string:
		answer = *reply
	case *args.StatReply:
		answer = reply.Err
	}
	if call.Error != nil {
		answer = call.Error
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", method, answer)
}
