// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	sister "github.com/pinion-runtime/pinion/go/internal/wire/apptainer/rpc"
	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// receive takes one message's descriptors as Go clients do, without room for data.
func receive(t *testing.T, socket *os.File, count int) []*os.File {
	t.Helper()
	buffer := make([]byte, syscall.CmsgSpace(4*count))
	_, length, _, _, err := syscall.Recvmsg(int(socket.Fd()), nil, buffer, syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := syscall.ParseSocketControlMessage(buffer[:length])
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for _, message := range messages {
		fds, err := syscall.ParseUnixRights(&message)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			file := os.NewFile(uintptr(fd), "received")
			t.Cleanup(func() { file.Close() })
			files = append(files, file)
		}
	}
	if len(files) != count {
		t.Fatalf("%d descriptors, not %d", len(files), count)
	}
	return files
}

// sockets is a pair of the kind that engines keep for descriptors.
func sockets(t *testing.T) (near, far *os.File) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far = os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// same tells whether two files are one.
func same(t *testing.T, a *os.File, b string) bool {
	t.Helper()
	about, err := a.Stat()
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(about, other)
}

func TestDescriptorsOfTheServerAreSent(t *testing.T) {
	near, far := sockets(t)
	first, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	s := serveWith(t, []*os.File{far, first, null})
	namespace := fmt.Sprintf("/proc/%d/ns/user", s.process.Process.Pid)
	reply := -1
	s.ok("SendFuseFd", &args.SendFuseFdArgs{Socket: 4, Fds: []int{5, 6}}, &reply)
	got := receive(t, near, 3)
	if reply != 0 || !same(t, got[0], first.Name()) || !same(t, got[1], "/dev/null") || !same(t, got[2], namespace) {
		t.Error(reply, got)
	}
	s.ok("SendFuseFd", &args.SendFuseFdArgs{Socket: 4}, &reply)
	if got := receive(t, near, 1); !same(t, got[0], namespace) {
		t.Error("not the user namespace")
	}
	// A container's root without proc.
	s.ok("Chroot", &args.ChrootArgs{Root: t.TempDir(), Method: "chroot"}, &reply)
	s.ok("SendFuseFd", &args.SendFuseFdArgs{Socket: 4}, &reply)
	if got := receive(t, near, 1); !same(t, got[0], namespace) {
		t.Error("not the user namespace in another root")
	}
	for text, arguments := range map[string]args.SendFuseFdArgs{
		"descriptor 99: bad file descriptor":             {Socket: 4, Fds: []int{5, 99}},
		"descriptor 98: bad file descriptor":             {Socket: 98},
		"descriptor 5: socket operation on non-socket":   {Socket: 5},
		"at most 253 fit into one message; send them by": {Socket: 4, Fds: make([]int, 253)},
	} {
		if got := s.fails("SendFuseFd", &arguments, &reply); !strings.Contains(got, text) {
			t.Error(got)
		}
	}
}

func TestFuseIsOpenedAndSent(t *testing.T) {
	near, far := sockets(t)
	s := serveWith(t, []*os.File{far}, "--product", "apptainer")
	seen := map[string]bool{}
	for range 2 {
		var number int
		s.ok("OpenSendFuseFd", &sister.OpenSendFuseFdArgs{Socket: 4}, &number)
		got := receive(t, near, 1)[0]
		if !same(t, got, "/dev/fuse") {
			t.Error("not /dev/fuse")
		}
		// The server has it open under the number, for a Mount with fd=N.
		if own := fmt.Sprintf("fd/%d", number); s.link(own) != "/dev/fuse" || seen[own] {
			t.Error(own, s.link(own))
		} else {
			seen[own] = true
		}
		at, options := t.TempDir(), fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", number)
		var failure error
		s.ok("Mount", &sister.MountArgs{Source: "test", Target: at, Filesystem: "fuse", Data: options}, &failure)
		if failure != nil || !strings.Contains(s.file("mountinfo"), " "+at+" ") {
			t.Error("not mounted:", failure)
		}
		// The kernel's first request comes to the client's descriptor.
		request := make([]byte, 1<<17)
		if length, err := syscall.Read(int(got.Fd()), request); err != nil || length < 40 || request[4] != 26 {
			t.Error("no FUSE_INIT:", length, err)
		}
	}
	if got := s.fails("OpenSendFuseFd", &sister.OpenSendFuseFdArgs{Socket: 99}, new(int)); !strings.HasSuffix(got, "descriptor 99: bad file descriptor") {
		t.Error(got)
	}
}
