// SPDX-License-Identifier: Apache-2.0 OR MIT

// The other side of the tests in gob_go.rs: Go's own gob and net/rpc.
package main

import (
	"encoding/gob"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail("which part?")
	}
	switch os.Args[1] {
	case "encode":
		encodeSamples()
	case "decode":
		decodeSamples()
	case "mountargs":
		args := MountArgs{"/r", "proc", "/r/proc", "proc", 14, "x=y"}
		if err := gob.NewEncoder(os.Stdout).Encode(&args); err != nil {
			fail(err)
		}
	case "client":
		client(os.Args[2])
	case "server":
		server(os.Args[2])
	default:
		fail("no part " + os.Args[1])
	}
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func must[T any](value T, err error) T {
	if err != nil {
		fail(err)
	}
	return value
}
