// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package live points an unmodified net/rpc client at the core's server: `pinion rpc serve` on one end of a socket pair, in
// namespaces of its own. The environment variable PINION names the program.
package live

import (
	"errors"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// service is the name of the served engine.
const service = "singularity"

// server is a running `pinion rpc serve` and a client of it.
type server struct {
	*rpc.Client
	t       *testing.T
	process *exec.Cmd
}

// pinion is the program to test.
func pinion(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PINION")
	if path == "" {
		t.Fatal("PINION names no program: cargo build, then PINION=$PWD/target/debug/pinion")
	}
	return path
}

// serve starts a server with the given options, with mounts, host name and System V IPC of its own. It ends with the test.
func serve(t *testing.T, options ...string) *server {
	t.Helper()
	return serveWith(t, nil, options...)
}

// serveWith hands files down to the server as descriptors 4, 5, …
func serveWith(t *testing.T, files []*os.File, options ...string) *server {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	defer near.Close()
	defer far.Close()
	process := exec.Command(pinion(t), append([]string{"rpc", "serve", "--fd", "3", "--name", service}, options...)...)
	process.ExtraFiles = append([]*os.File{far}, files...)
	process.Stderr = os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{
		// With a new mount namespace Go makes all mounts private.
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(near)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{rpc.NewClient(conn), t, process}
	t.Cleanup(s.end)
	return s
}

// end closes the connection, at which the server ends well.
func (s *server) end() {
	s.Close()
	if err := s.process.Wait(); err != nil && !s.killed() {
		s.t.Errorf("the server ended with %v", err)
	}
}

func (s *server) killed() bool {
	status, ok := s.process.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// ok makes a call that has to succeed.
func (s *server) ok(method string, arguments, reply any) {
	s.t.Helper()
	if err := s.Call(service+"."+method, arguments, reply); err != nil {
		s.t.Fatalf("%s %+v: %v", method, arguments, err)
	}
}

// fails makes a call that has to fail, and returns the error's text.
func (s *server) fails(method string, arguments, reply any) string {
	s.t.Helper()
	err := s.Call(service+"."+method, arguments, reply)
	if err == nil {
		s.t.Fatalf("%s %+v succeeded", method, arguments)
	}
	return err.Error()
}

// link reads a link of the server's directory in /proc: "root", "cwd", "ns/uts" …
func (s *server) link(name string) string {
	s.t.Helper()
	target, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(s.process.Process.Pid), name))
	if err != nil {
		s.t.Fatal(err)
	}
	return target
}

// file reads a file of the server's directory in /proc.
func (s *server) file(name string) string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Process.Pid), name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

func TestTextsOfTheServer(t *testing.T) {
	s := serve(t)
	var zero int
	for method, want := range map[string]string{
		"singularity.Nope":  "rpc: can't find method singularity.Nope",
		"other.Mkdir":       "rpc: can't find service other.Mkdir",
		"ill":               "rpc: service/method request ill-formed: ill",
		"":                  "rpc: service/method request ill-formed: ",
		".":                 "rpc: can't find service .",
		"singularity.mkdir": "rpc: can't find method singularity.mkdir",
	} {
		if err := s.Call(method, &args.MkdirArgs{}, &zero); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %q", method, err, want)
		}
	}
}

func TestDirectoriesAndMounts(t *testing.T) {
	s := serve(t)
	root := t.TempDir()
	var zero int
	var failure args.MountErrorReply
	s.ok("Mkdir", &args.MkdirArgs{Root: root, Path: "/a", Perm: 0o1 << 6 * 7}, &zero)
	s.ok("Mount", &args.MountArgs{Root: root, Source: "tmpfs", Target: filepath.Join(root, "a"), Filesystem: "tmpfs"}, &failure)
	if failure != (args.MountErrorReply{}) {
		t.Fatal(failure)
	}
	if !strings.Contains(s.file("mountinfo"), " "+root+"/a ") {
		t.Error("not in the server's mounts")
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(mounts), root) {
		t.Error("the mount reached the host")
	}
	s.ok("Mount", &args.MountArgs{Root: root, Source: "x", Target: "none", Filesystem: "tmpfs"}, &failure)
	if !failure.IsNotExist || syscall.Errno(failure.Errno) != syscall.ENOENT {
		t.Error(failure)
	}
}

func TestHostnameDirectoryAndRoot(t *testing.T) {
	s := serve(t)
	before, _ := os.Hostname()
	root := t.TempDir()
	var zero int
	s.ok("SetHostname", &args.HostnameArgs{Hostname: "inside"}, &zero)
	if now, _ := os.Hostname(); now != before {
		t.Errorf("the host is called %q now", now)
	}
	s.ok("Chdir", &args.ChdirArgs{Dir: root}, &zero)
	if s.link("cwd") != root {
		t.Error(s.link("cwd"))
	}
	s.ok("Chroot", &args.ChrootArgs{Root: root, Method: "chroot"}, &zero)
	if s.link("root") != root {
		t.Error(s.link("root"))
	}
}

func TestAServerThatIsKilled(t *testing.T) {
	s := serve(t)
	call := s.Go(service+".Chdir", &args.ChdirArgs{Dir: "/"}, new(int), nil)
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Whether the server had read the request: the end of the stream, or the kernel's word for unread input.
	if err := (<-call.Done).Error; err != nil && err.Error() != "unexpected EOF" && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	// The client has noticed once a call fails for that.
	for {
		err := s.Call(service+".Chdir", &args.ChdirArgs{Dir: "/"}, new(int))
		if errors.Is(err, rpc.ErrShutdown) {
			return
		}
	}
}
