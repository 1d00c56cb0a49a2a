// SPDX-License-Identifier: Apache-2.0 OR MIT

// Go's side of the benchmark in ../rpc: a client, a server and the codec, each plain net/rpc or encoding/gob. The client and the
// codec read how much to do from standard input, line by line, and answer with the nanoseconds that it took.
package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"strconv"
	"syscall"
	"time"
)

type ChdirArgs struct {
	Dir string
}

type MountArgs struct {
	Root, Source, Target, Filesystem string
	Mountflags                       uintptr
	Data                             string
}

// Methods are what the server answers.
type Methods struct{}

// Chdir does what the built-in method does.
func (Methods) Chdir(args *ChdirArgs, reply *int) error {
	return syscall.Chdir(args.Dir)
}

func main() {
	switch os.Args[1] {
	case "server":
		must(rpc.RegisterName("t", Methods{}))
		rpc.ServeConn(inherited(os.Args[2]))
	case "client":
		client := rpc.NewClient(inherited(os.Args[2]))
		answer(func(_ string, count int) {
			for i := 0; i < count; i++ {
				var reply int
				must(client.Call("t.Chdir", &ChdirArgs{"/"}, &reply))
			}
		})
	case "codec":
		answer(codec)
	}
}

// inherited is the connection with that number.
func inherited(number string) net.Conn {
	fd, err := strconv.Atoi(number)
	must(err)
	file := os.NewFile(uintptr(fd), "socket")
	conn, err := net.FileConn(file)
	must(err)
	must(file.Close())
	return conn
}

// answer measures until standard input ends.
func answer(work func(what string, count int)) {
	for {
		var what string
		var count int
		if _, err := fmt.Scanln(&what, &count); err != nil {
			return
		}
		start := time.Now()
		work(what, count)
		fmt.Println(time.Since(start).Nanoseconds())
	}
}

var kept MountArgs
var stream bytes.Buffer
var encoder = gob.NewEncoder(&stream)
var decoder = gob.NewDecoder(&stream)

// codec encodes and decodes the arguments of one Mount, with long-lived ends of one stream or new ones for each value.
func codec(what string, count int) {
	args := MountArgs{"/var/lib/pinion/root", "/dev/loop0", "/var/lib/pinion/root/image", "squashfs", 6, "errors=continue"}
	for i := 0; i < count; i++ {
		var got MountArgs
		if what == "fresh" {
			var stream bytes.Buffer
			must(gob.NewEncoder(&stream).Encode(&args))
			must(gob.NewDecoder(&stream).Decode(&got))
		} else {
			must(encoder.Encode(&args))
			must(decoder.Decode(&got))
		}
		kept = got
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
