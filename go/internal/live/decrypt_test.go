// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

const key = "a key that nobody may see"

var mapperName = regexp.MustCompile(`^/dev/mapper/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// tool runs a program that prepares something, and returns its output.
func tool(t *testing.T, input string, command ...string) string {
	t.Helper()
	process := exec.Command(command[0], command[1:]...)
	process.Stdin = strings.NewReader(input)
	out, err := process.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// looped attaches a file to a loop device for the length of the test.
func looped(t *testing.T, file string) string {
	t.Helper()
	device := tool(t, "", "losetup", "--find", "--show", file)
	t.Cleanup(func() { exec.Command("losetup", "--detach", device).Run() })
	return device
}

// encrypted makes an image with a LUKS2 header that the key opens, and cheaply so, on a loop device.
func encrypted(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	tool(t, key, "cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
		"--pbkdf-force-iterations", "1000", "--key-file", "-", image)
	return looped(t, image)
}

// fileSystem makes an ext4 image with a file in it.
func fileSystem(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	content, image := filepath.Join(directory, "content"), filepath.Join(directory, "image")
	if err := os.Mkdir(content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(content, "file"), []byte("decrypted"), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "mkfs.ext4", "-q", "-d", content, image, "4M")
	return image
}

// ownDevices gives a server a /dev of its own with these devices, and returns its /dev/mapper as seen from here.
func ownDevices(s *server, devices ...string) string {
	s.t.Helper()
	var failure args.MountErrorReply
	mount := &args.MountArgs{Root: "/", Source: "tmpfs", Target: "/dev", Filesystem: "tmpfs", Data: "mode=755"}
	if s.ok("Mount", mount, &failure); failure.Errno != 0 {
		s.t.Fatal(failure)
	}
	dev := fmt.Sprintf("/proc/%d/root/dev", s.process.Process.Pid)
	if err := os.Mkdir(dev+"/mapper", 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, device := range append(devices, "/dev/null", "/dev/urandom", "/dev/random") {
		var status syscall.Stat_t
		if err := syscall.Stat(device, &status); err != nil {
			s.t.Fatal(err)
		}
		path := filepath.Join(dev, filepath.Base(device))
		if err := syscall.Mknod(path, status.Mode, int(status.Rdev)); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chmod(path, 0o666); err != nil {
			s.t.Fatal(err)
		}
	}
	return dev + "/mapper"
}

// mountAndRead mounts a device and reads the file in it.
func mountAndRead(s *server, device string) {
	s.t.Helper()
	root, err := os.MkdirTemp("", "pinion-live-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		s.t.Fatal(err)
	}
	var failure args.MountErrorReply
	mount := &args.MountArgs{Root: root, Source: device, Target: root, Filesystem: "ext4", Mountflags: syscall.MS_RDONLY}
	if s.ok("Mount", mount, &failure); failure.Errno != 0 {
		s.t.Fatal(failure)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/file", s.process.Process.Pid, root))
	if err != nil || string(text) != "decrypted" {
		s.t.Errorf("%q, %v", text, err)
	}
}

// mapped counts the devices there, leaving out the node that cryptsetup makes for itself.
func mapped(t *testing.T, mapper string) int {
	t.Helper()
	entries, err := os.ReadDir(mapper)
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(entries, func(entry os.DirEntry) bool { return entry.Name() == "control" }))
}

// checkCryptsetup checks what was asked of the program, and that the key was its input and nothing else.
func checkCryptsetup(t *testing.T, saw record, device, mapped string) {
	t.Helper()
	want := []string{programs + "/cryptsetup", "open", "--batch-mode", "--type", "luks2", "--key-file", "-", "--",
		device, filepath.Base(mapped)}
	if !slices.Equal(saw.Args, want) {
		t.Errorf("arguments %q", saw.Args)
	}
	if saw.Input != key {
		t.Errorf("input %q", saw.Input)
	}
	if len(saw.Files) != 4 || !strings.HasSuffix(saw.Files[3], programs+"/cryptsetup") {
		t.Errorf("it has %q", saw.Files)
	}
	checkBareProcess(t, saw)
	checkRoot(t, saw)
	for _, set := range []string{"CapInh", "CapAmb"} {
		if saw.field(set) != "0000000000000000" {
			t.Errorf("%s: %s", set, saw.field(set))
		}
	}
}

func TestDecrypt(t *testing.T) {
	device, plain := encrypted(t), looped(t, fileSystem(t))
	host, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func() *server{
		"root":     func() *server { return serve(t) },
		"ordinary": func() *server { return serveAs(t, ordinary(t), nil) },
		"setuid": func() *server {
			attributes := ordinary(t)
			attributes.AmbientCaps = nil
			return serveAs(t, attributes, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "cryptsetup", behaviour{Mapped: plain})
			s := start()
			s.t = t
			b.mountedFor(s)
			mapper := ownDevices(s, device, plain)
			before := s.link("ns/ipc")
			if before == host {
				t.Fatal("the server is in the host's IPC namespace")
			}
			// The offset is that of the loop device in its image; it is not counted twice.
			arguments := &args.DecryptArgs{Offset: 4096, Loopdev: device, Key: []byte(key), MasterPid: os.Getpid()}
			var reply string
			s.ok("Decrypt", arguments, &reply)
			if !mapperName.MatchString(reply) {
				t.Fatal(reply)
			}
			saw := b.saw("open")
			checkCryptsetup(t, saw, device, reply)
			if saw.IPC != host {
				t.Error("it did not run in the host's IPC namespace")
			}
			mountAndRead(s, reply)
			arguments.MasterPid = 0
			s.ok("Decrypt", arguments, &reply)
			if saw := b.saw("open"); saw.IPC != before {
				t.Error("it did not run in the server's IPC namespace")
			}
			if count := mapped(t, mapper); count != 2 {
				t.Errorf("%d devices", count)
			}
			if s.link("ns/ipc") != before {
				t.Error("the server is in another IPC namespace")
			}
		})
	}
}

func TestDecryptWithTheKernel(t *testing.T) {
	device := encrypted(t)
	if misc, _ := os.ReadFile("/proc/misc"); !bytes.Contains(misc, []byte(" device-mapper\n")) {
		s := serve(t)
		text := s.fails("Decrypt", &args.DecryptArgs{Loopdev: device, Key: []byte(key)}, new(string))
		if !strings.Contains(text, "modprobe dm_crypt") {
			t.Error(text)
		}
		return
	}
	name := fmt.Sprintf("pinion-live-%d", os.Getpid())
	tool(t, key, "cryptsetup", "open", "--key-file", "-", device, name)
	tool(t, "", "dd", "if="+fileSystem(t), "of=/dev/mapper/"+name, "bs=1M", "conv=fsync")
	tool(t, "", "cryptsetup", "close", name)
	s := serve(t)
	var reply string
	arguments := &args.DecryptArgs{Loopdev: device, Key: []byte("another"), MasterPid: os.Getpid()}
	before, _ := filepath.Glob("/dev/mapper/*")
	text := s.fails("Decrypt", arguments, &reply)
	if after, _ := filepath.Glob("/dev/mapper/*"); !strings.Contains(text, "the key does not fit") || len(after) != len(before) {
		t.Errorf("%s, %v", text, after)
	}
	arguments.Key = []byte(key)
	s.ok("Decrypt", arguments, &reply)
	t.Cleanup(func() { exec.Command("cryptsetup", "close", "--deferred", filepath.Base(reply)).Run() })
	mountAndRead(s, reply)
}

func TestDecryptWithAWrongKey(t *testing.T) {
	device := encrypted(t)
	b := newBench(t, "cryptsetup", behaviour{Mapped: "/none"})
	s := serve(t)
	b.mountedFor(s)
	mapper := ownDevices(s, device)
	arguments := &args.DecryptArgs{Loopdev: device, Key: []byte("another secret")}
	text := s.fails("Decrypt", arguments, new(string))
	want := fmt.Sprintf("decrypt %q: the key does not fit: cryptsetup: exit code 2: No key available with this passphrase.", device)
	if text != want {
		t.Error(text)
	}
	if mapped(t, mapper) != 0 {
		t.Error("a device is left")
	}
	arguments.Key = nil
	if text = s.fails("Decrypt", arguments, new(string)); !strings.Contains(text, "cryptsetup: exit code ") {
		t.Error(text)
	}
	arguments.Key = bytes.Repeat([]byte("secret"), 1<<20)
	if text = s.fails("Decrypt", arguments, new(string)); !strings.HasSuffix(text, "an input of 6291456 bytes fills more than a pipe") {
		t.Error(text)
	}
}

func TestDecryptThatIsKilledLeavesNoDevice(t *testing.T) {
	device := encrypted(t)
	b := newBench(t, "cryptsetup", behaviour{Mapped: device, Kill: true})
	s := serve(t)
	b.mountedFor(s)
	mapper := ownDevices(s, device)
	text := s.fails("Decrypt", &args.DecryptArgs{Loopdev: device, Key: []byte(key)}, new(string))
	if text != fmt.Sprintf("decrypt %q: cryptsetup: signal 9", device) {
		t.Error(text)
	}
	if closed, opened := b.saw("close").Args, b.saw("open").Args; closed[len(closed)-1] != opened[len(opened)-1] {
		t.Error(closed)
	}
	if mapped(t, mapper) != 0 {
		t.Error("a device is left")
	}
}

func TestDecryptRefusals(t *testing.T) {
	file := fileSystem(t)
	device := looped(t, file)
	b := newBench(t, "cryptsetup", behaviour{})
	s := serve(t)
	b.mountedFor(s)
	dev := filepath.Dir(ownDevices(s, device))
	b.must(syscall.Mknod(dev+"/disk", syscall.S_IFBLK|0o600, 8<<8))
	b.must(os.Symlink(device, b.path("link")))
	for loopdev, want := range map[string]string{
		"":                          "no loop device; as /dev/loop0",
		"--master-key":              "no loop device; as /dev/loop0",
		"/dev/":                     "no loop device; as /dev/loop0",
		"/dev/null":                 "no loop device; as /dev/loop0",
		"/dev/disk":                 "no loop device; as /dev/loop0",
		"/dev/../" + b.path("link"): "no loop device; as /dev/loop0",
		b.path("link"):              "no loop device; as /dev/loop0",
		file:                        "no loop device; as /dev/loop0",
		"/dev/none":                 "look at it: no such file or directory",
		"/dev/nul\x00l":             "look at it: invalid argument",
	} {
		text := s.fails("Decrypt", &args.DecryptArgs{Loopdev: loopdev, Key: []byte(key)}, new(string))
		if !strings.HasSuffix(text, ": "+want) {
			t.Errorf("%q: %s", loopdev, text)
		}
	}
	text := s.fails("Decrypt", &args.DecryptArgs{Loopdev: device, Key: []byte(key), MasterPid: 1 << 30}, new(string))
	if !strings.HasSuffix(text, "open the IPC namespace of process 1073741824: no such file or directory") {
		t.Error(text)
	}
	b.must(os.Chmod(b.path("cryptsetup"), 0o757))
	text = s.fails("Decrypt", &args.DecryptArgs{Loopdev: device, Key: []byte(key)}, new(string))
	if !strings.HasSuffix(text, "writable by others than its owner; chmod go-w /usr/local/sbin/cryptsetup") {
		t.Error(text)
	}
	s.ok("Chroot", &args.ChrootArgs{Root: "/usr", Method: "chroot"}, new(int))
	text = s.fails("Decrypt", &args.DecryptArgs{Loopdev: device, Key: []byte(key)}, new(string))
	if !strings.HasSuffix(text, "use cryptsetup: the root directory is the container's already; call this before Chroot") {
		t.Error(text)
	}
	if b.started() {
		t.Error("it ran")
	}
}
