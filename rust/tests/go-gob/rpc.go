// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type MkdirArgs struct {
	Root string
	Path string
	Perm os.FileMode
}

type MountArgs struct {
	Root, Source, Target, Filesystem string
	Mountflags                       uintptr
	Data                             string
}

type MountErrorReply struct {
	Message                  string
	Errno                    uint
	IsNotExist, IsPermission bool
}

type EchoArgs struct {
	Text  string
	Count int
	Data  []byte
	Extra string
}

type EchoReply struct {
	Count int
	Text  string
	Data  []byte
}

type fileInfo struct {
	N  string
	S  int64
	M  os.FileMode
	T  time.Time
	Sy any
}

func (f fileInfo) Name() string       { return f.N }
func (f fileInfo) Size() int64        { return f.S }
func (f fileInfo) Mode() os.FileMode  { return f.M }
func (f fileInfo) ModTime() time.Time { return f.T }
func (f fileInfo) IsDir() bool        { return f.M.IsDir() }
func (f fileInfo) Sys() any           { return f.Sy }

type StatReply struct {
	Fi  os.FileInfo
	Err error
}

func init() {
	gob.Register(syscall.Errno(0))
	gob.Register(&fileInfo{})
	gob.Register(&fs.PathError{})
}

// client calls the Rust server and prints what comes back.
func client(path string) {
	conn := must(net.Dial("unix", path))
	c := rpc.NewClient(conn)
	dir := must(os.MkdirTemp("", "gogob"))
	defer os.RemoveAll(dir)
	show := func(what string, reply any, err error) { fmt.Printf("%s: %v %v\n", what, reply, err) }

	var zero int
	err := c.Call("t.Mkdir", &MkdirArgs{dir, "/new", 0o1 << 6 * 7}, &zero)
	show("mkdir", zero, err)
	err = c.Call("t.Mkdir", &MkdirArgs{dir, filepath.Join(dir, "new"), 0o755}, &zero)
	show("mkdir again", strings.Contains(fmt.Sprint(err), "new: file exists"), nil)
	show("mkdir setuid", nil, c.Call("t.Mkdir", &MkdirArgs{"/", "/x", 0o755 | os.ModeSetuid}, &zero))
	show("no method", nil, c.Call("t.Nope", 5, &zero))
	show("no service", nil, c.Call("u.Mkdir", &MkdirArgs{}, &zero))
	show("ill", nil, c.Call("ill", "x", &zero))
	show("wrong kind", nil, c.Call("t.Mkdir", "text", &zero))
	show("wrong field", nil, c.Call("t.Mkdir", &struct{ Root int }{3}, &zero))
	show("no common field", nil, c.Call("t.Mkdir", &struct{ Other int }{3}, &zero))
	show("fail", nil, c.Call("t.Fail", 1, &zero))
	show("boom", nil, c.Call("t.Boom", 1, &zero))

	var echo EchoReply
	err = c.Call("t.Echo", &EchoArgs{"a\xffb", -3, []byte{0, 1}, "unknown there"}, &echo)
	show("echo", fmt.Sprintf("%q %d %v", echo.Text, echo.Count, echo.Data), err)

	// Methods that are written for JSON and for gob.
	for range 3 {
		echo = EchoReply{}
		err = c.Call("t.JSONEcho", &EchoArgs{"a", -3, []byte{0, 1}, "x"}, &echo)
	}
	show("json echo", fmt.Sprintf("%q %d %v", echo.Text, echo.Count, echo.Data), err)
	echo = EchoReply{}
	err = c.Call("t.JSONEcho", &EchoArgs{}, &echo)
	show("json echo of zeros", fmt.Sprintf("%q %d %v", echo.Text, echo.Count, echo.Data), err)
	var shown StatReply
	err = c.Call("t.JSONStat", "n", &shown)
	show("json stat", fmt.Sprint(shown.Fi.Name(), shown.Fi.Size(), shown.Fi.Mode(), shown.Fi.ModTime().UTC()), err)
	shown = StatReply{}
	err = c.Call("t.JSONStat", "", &shown)
	show("json stat none", fmt.Sprint(errors.Is(shown.Err, fs.ErrNotExist), shown.Err), err)
	var same EchoArgs
	for range 3 {
		same = EchoArgs{}
		err = c.Call("t.GobEcho", &EchoArgs{"a\xffb", -3, []byte{0, 1}, "known there"}, &same)
	}
	show("gob echo", fmt.Sprintf("{%q %d %v %q}", same.Text, same.Count, same.Data, same.Extra), err)
	shown = StatReply{}
	err = c.Call("t.GobEcho", &StatReply{&fileInfo{"n", 5, 0, time.Time{}, nil}, syscall.ENOENT}, &shown)
	show("gob echo of interfaces", fmt.Sprint(shown.Fi.Name(), shown.Fi.Size(), errors.Is(shown.Err, fs.ErrNotExist)), err)

	var failure MountErrorReply
	err = c.Call("t.Mount", &MountArgs{Root: dir, Target: "/none/x", Filesystem: "proc"}, &failure)
	show("mount", failure, err)
	var plain error
	err = c.Call("t.PlainMount", &MountArgs{Root: dir, Target: "/none/x", Filesystem: "proc"}, &plain)
	show("plain mount", errors.Is(plain, fs.ErrNotExist), err)
	plain = nil
	err = c.Call("t.PlainNil", 1, &plain)
	show("plain nil", plain, err)

	var stat StatReply
	err = c.Call("t.Stat", "name", &stat)
	show("stat", fmt.Sprint(stat.Fi.Name(), stat.Fi.Size(), stat.Fi.Mode(), stat.Fi.ModTime().UTC(), stat.Err), err)
	stat = StatReply{}
	err = c.Call("t.Stat", "", &stat)
	show("stat none", fmt.Sprint(stat.Fi, errors.Is(stat.Err, fs.ErrNotExist), stat.Err), err)
	// Passing over an interface value needs right byte counts.
	show("stat dropped", nil, c.Call("t.Stat", "name", nil))

	calls := make([]*rpc.Call, 200)
	for i := range calls {
		calls[i] = c.Go("t.Echo", &EchoArgs{Count: i, Data: make([]byte, 3000)}, &EchoReply{}, make(chan *rpc.Call, 1))
	}
	sum := 0
	for _, call := range calls {
		<-call.Done
		if call.Error != nil {
			fail(call.Error)
		}
		sum += call.Reply.(*EchoReply).Count
	}
	show("together", sum, nil)
	c.Close()
	show("after close", nil, c.Call("t.Echo", &EchoArgs{}, &echo))
}

type T int

func (T) Echo(args EchoArgs, reply *EchoReply) error {
	*reply = EchoReply{args.Count, args.Text, args.Data}
	return nil
}

func (T) Slow(ms int, reply *int) error {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	*reply = ms
	return nil
}

func (T) Fail(_ int, _ *int) error { return errors.New("no: such luck") }

func (T) Mkdir(args MkdirArgs, reply *int) error {
	return os.Mkdir(filepath.Join(args.Root, args.Path), args.Perm)
}

func (T) Stat(path string, reply *StatReply) error {
	if path == "" {
		reply.Err = &fs.PathError{Op: "stat", Path: path, Err: syscall.ENOENT}
		return nil
	}
	reply.Fi = &fileInfo{path, 42, 0o644, time.Unix(1, 2), deepBox{}}
	return nil
}

// Panic ends the server: net/rpc recovers nothing.
func (T) Panic(_ int, _ *int) error {
	panic("on purpose")
}

// server answers Rust clients until its input ends.
func server(path string) {
	listener := must(net.Listen("unix", path))
	if err := rpc.RegisterName("t", T(0)); err != nil {
		fail(err)
	}
	go rpc.Accept(listener)
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}
