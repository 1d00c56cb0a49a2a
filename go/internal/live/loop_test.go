// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	sister "github.com/pinion-runtime/pinion/go/internal/wire/apptainer/rpc"
	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
	"github.com/pinion-runtime/pinion/go/internal/wire/unix"
)

const (
	readOnly  = 1 // LO_FLAGS_READ_ONLY
	autoclear = 4 // LO_FLAGS_AUTOCLEAR
)

// imageOf makes a file system with a file "hello" in an image, and opens it. No loop device serves it after the test.
func imageOf(t *testing.T, flags int) *os.File {
	t.Helper()
	dir := t.TempDir()
	content := filepath.Join(dir, "content")
	if err := os.Mkdir(content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(content, "hello"), []byte("from the image"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "image")
	if err := exec.Command("truncate", "-s", "4M", path).Run(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-d", content, path).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v %s", err, out)
	}
	image, err := os.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		image.Close()
		// Somebody who looks at new devices, as udev does, may have one open for a moment.
		for deadline := time.Now().Add(20 * time.Second); ; {
			left := devicesOf(t, path)
			if len(left) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("left attached: %v", left)
			}
		}
	})
	return image
}

// devicesOf lists the loop devices that serve a file.
func devicesOf(t *testing.T, path string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) == path {
			found = append(found, file)
		}
	}
	return found
}

func loopArgs(fd uintptr, shared bool) *args.LoopArgs {
	info := unix.LoopInfo64{Flags: autoclear | readOnly}
	return &args.LoopArgs{ImageFd: fd, Mode: os.O_RDONLY, Info: info, MaxDevices: 1024, Shared: shared}
}

// attach makes a call of LoopDevice that has to succeed.
func (s *server) attach(arguments *args.LoopArgs) int {
	s.t.Helper()
	number := -1
	s.ok("LoopDevice", arguments, &number)
	return number
}

func TestAnImageIsAttachedAndMounted(t *testing.T) {
	image := imageOf(t, os.O_RDWR)
	s := serveWith(t, []*os.File{image})
	at := t.TempDir()
	// The descriptor stays the client's: it serves twice.
	for _, writable := range []bool{false, true} {
		arguments, flags := loopArgs(4, false), uintptr(syscall.MS_RDONLY)
		if writable {
			arguments.Mode, arguments.Info.Flags, flags = os.O_RDWR, autoclear, 0
		}
		arguments.Info.File_name = [64]uint8{'a', 'n', ' ', 'i', 'm', 'a', 'g', 'e'}
		device := fmt.Sprintf("/dev/loop%d", s.attach(arguments))
		var failure args.MountErrorReply
		s.ok("Mount", &args.MountArgs{Root: "/", Source: device, Target: at, Filesystem: "ext4", Mountflags: flags}, &failure)
		if failure != (args.MountErrorReply{}) {
			t.Fatal(failure)
		}
		inside := fmt.Sprintf("/proc/%d/root%s", s.process.Process.Pid, at)
		if text, err := os.ReadFile(inside + "/hello"); err != nil || string(text) != "from the image" {
			t.Error(string(text), err)
		}
		err := os.WriteFile(inside+"/new", nil, 0o644)
		if (err == nil) != writable {
			t.Error(writable, err)
		}
	}
}

func TestDevicesAreShared(t *testing.T) {
	image := imageOf(t, os.O_RDWR)
	two := serveWith(t, []*os.File{image})
	var first int
	// With it the first server ends, which takes nothing from the second one.
	t.Run("by two servers", func(t *testing.T) {
		one := serveWith(t, []*os.File{image})
		first = one.attach(loopArgs(4, true))
		if again := one.attach(loopArgs(4, true)); again != first {
			t.Errorf("loop%d and loop%d", first, again)
		}
		if other := two.attach(loopArgs(4, true)); other != first {
			t.Errorf("loop%d and loop%d in another server", first, other)
		}
	})
	if other := two.attach(loopArgs(4, true)); other != first {
		t.Errorf("loop%d and loop%d after the first server's end", first, other)
	}
	seen := map[int]string{first: "shared"}
	for name, change := range map[string]func(*args.LoopArgs){
		"exclusive":      func(a *args.LoopArgs) { a.Shared = false },
		"another offset": func(a *args.LoopArgs) { a.Info.Offset = 4096 },
		"another limit":  func(a *args.LoopArgs) { a.Info.Sizelimit = 1 << 20 },
		"writable":       func(a *args.LoopArgs) { a.Mode, a.Info.Flags = os.O_RDWR, autoclear },
	} {
		arguments := loopArgs(4, true)
		change(arguments)
		number := two.attach(arguments)
		if other, taken := seen[number]; taken {
			t.Errorf("%s has the device of %s", name, other)
		}
		seen[number] = name
	}
}

func TestImagesThatCannotBeAttached(t *testing.T) {
	image := imageOf(t, os.O_RDONLY)
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	empty, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	s := serveWith(t, []*os.File{image, null, empty})
	for text, change := range map[string]func(*args.LoopArgs){
		"descriptor 77 is not open in the server":            func(a *args.LoopArgs) { a.ImageFd = 77 },
		"descriptor 18446744073709551615 is not open":        func(a *args.LoopArgs) { a.ImageFd = ^uintptr(0) },
		"it is neither a file nor a block device":            func(a *args.LoopArgs) { a.ImageFd = 5 },
		"it has 0 bytes, and no sector of 512":               func(a *args.LoopArgs) { a.ImageFd = 6 },
		"it has 4194304 bytes, and no sector of 512":         func(a *args.LoopArgs) { a.Info.Offset = 4<<20 - 511 },
		"a limit of 511 bytes is below a sector":             func(a *args.LoopArgs) { a.Info.Sizelimit = 511 },
		"at most -1 devices are allowed (MaxDevices)":        func(a *args.LoopArgs) { a.MaxDevices = -1 },
		"mode 1: O_RDONLY and O_RDWR are possible":           func(a *args.LoopArgs) { a.Mode = os.O_WRONLY },
		"open for reading only: open it for writing, or ask": func(a *args.LoopArgs) { a.Mode, a.Info.Flags = os.O_RDWR, autoclear },
		"invalid argument":                                   func(a *args.LoopArgs) { a.Info.Encrypt_type = 18 },
	} {
		arguments := loopArgs(4, false)
		change(arguments)
		if got := s.fails("LoopDevice", arguments, new(int)); !strings.Contains(got, text) {
			t.Errorf("%q, not %q", got, text)
		}
	}
}

func TestApptainersImagesHavePaths(t *testing.T) {
	image := imageOf(t, os.O_RDWR)
	s := serveWith(t, []*os.File{image}, "--product", "apptainer")
	info := unix.LoopInfo64{Flags: autoclear}
	attach := func(path string) (number int) {
		s.ok("LoopDevice", &sister.LoopArgs{Image: path, Mode: os.O_RDWR, Info: info, MaxDevices: 1024, Shared: true}, &number)
		return number
	}
	byPath, byDescriptor := attach(image.Name()), attach("/proc/self/fd/4")
	if byPath != byDescriptor {
		t.Errorf("loop%d and loop%d", byPath, byDescriptor)
	}
	at := t.TempDir()
	var failure error
	s.ok("Mount", &sister.MountArgs{Source: fmt.Sprintf("/dev/loop%d", byPath), Target: at, Filesystem: "ext4"}, &failure)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/hello", s.process.Process.Pid, at))
	if failure != nil || err != nil || string(text) != "from the image" {
		t.Error(failure, err, string(text))
	}
}
