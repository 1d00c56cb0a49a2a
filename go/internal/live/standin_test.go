// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

// programs is where the server looks for programs first. Tests mount a directory of their own there, in the server's mount
// namespace.
const programs = "/usr/local/sbin"

// record is what a stand-in has seen of itself.
type record struct {
	Args  []string
	Env   []string
	Files []string // what its descriptors are
	Input string
	Cwd   string
	IPC   string
	Core  syscall.Rlimit
	State string // its status file
}

// behaviour is what a stand-in does once it has written its record.
type behaviour struct {
	Says string
	Exit int
	// Kill lets it kill itself.
	Kill bool
	// Hang is a FIFO beside it to open for writing before it waits for ever.
	Hang string
	// Mapped is what the device that cryptsetup makes is to lead to. The real program checks the key.
	Mapped string
}

// The test program stands in for the programs that it has the name of.
func init() {
	switch filepath.Base(os.Args[0]) {
	case "cryptsetup", "nvidia-container-cli":
		if err := standIn(); err != nil {
			fmt.Fprintln(os.Stderr, "stand-in:", err)
			os.Exit(99)
		}
		os.Exit(0)
	}
}

func standIn() error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	beside := filepath.Dir(executable)
	saw, err := look()
	if err != nil {
		return err
	}
	text, err := json.Marshal(saw)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(beside, "record", filepath.Base(os.Args[0])+"-"+os.Args[1]), text, 0o666); err != nil {
		return err
	}
	text, err = os.ReadFile(filepath.Join(beside, "behaviour"))
	if err != nil {
		return err
	}
	var does behaviour
	if err := json.Unmarshal(text, &does); err != nil {
		return err
	}
	if does.Hang != "" {
		if _, err := os.OpenFile(filepath.Join(beside, does.Hang), os.O_WRONLY, 0); err != nil {
			return err
		}
		select {}
	}
	if does.Mapped != "" {
		if err := cryptsetup(os.Args[1:], saw.Input, does.Mapped); err != nil {
			return err
		}
	}
	if does.Kill && os.Args[1] != "close" {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Fprint(os.Stderr, does.Says)
	if does.Exit != 0 {
		os.Exit(does.Exit)
	}
	return nil
}

func look() (saw record, err error) {
	// Before anything is opened.
	for number := range 64 {
		target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(number))
		// Go's runtime reads its limits there.
		if err == nil && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
			saw.Files = append(saw.Files, fmt.Sprintf("%d %s", number, target))
		}
	}
	saw.Args, saw.Env = os.Args, os.Environ()
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return saw, err
	}
	saw.Input = string(input)
	if saw.Cwd, err = os.Getwd(); err != nil {
		return saw, err
	}
	if saw.IPC, err = os.Readlink("/proc/self/ns/ipc"); err != nil {
		return saw, err
	}
	if err = syscall.Getrlimit(syscall.RLIMIT_CORE, &saw.Core); err != nil {
		return saw, err
	}
	status, err := os.ReadFile("/proc/self/status")
	saw.State = string(status)
	return saw, err
}

// cryptsetup does without the kernel's device mapper: the real program checks the key, and the new device is a link.
func cryptsetup(arguments []string, key, mapped string) error {
	name := arguments[len(arguments)-1]
	if arguments[0] == "close" {
		return os.Remove("/dev/mapper/" + name)
	}
	check := append([]string{arguments[0], "--test-passphrase"}, arguments[1:len(arguments)-1]...)
	real := exec.Command("/usr/sbin/cryptsetup", check...)
	real.Stdin, real.Stdout, real.Stderr = strings.NewReader(key), os.Stdout, os.Stderr
	if err := real.Run(); err != nil {
		if real.ProcessState != nil && real.ProcessState.ExitCode() > 0 {
			os.Exit(real.ProcessState.ExitCode())
		}
		return err
	}
	return os.Symlink(mapped, "/dev/mapper/"+name)
}

// field is a line of the stand-in's status.
func (r record) field(name string) string {
	for line := range strings.Lines(r.State) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "no " + name
}

// bench is a directory with a stand-in.
type bench struct {
	t         *testing.T
	directory string
	program   string
}

// newBench makes a directory that every user can read, with the stand-in for a program.
func newBench(t *testing.T, program string, does behaviour) *bench {
	t.Helper()
	directory, err := os.MkdirTemp("", "pinion-live-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	b := &bench{t, directory, program}
	b.must(os.Chmod(directory, 0o755))
	b.must(os.Mkdir(b.path("record"), 0o777))
	b.must(os.Chmod(b.path("record"), 0o777))
	b.copy("/proc/self/exe", program)
	b.does(does)
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.directory, name) }

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// copy copies a program there, in a process of its own: a child that another test starts meanwhile would otherwise have it
// open for writing, which keeps it from being executed.
func (b *bench) copy(from, name string) {
	b.t.Helper()
	if from == "/proc/self/exe" {
		from, _ = os.Executable()
	}
	if out, err := exec.Command("install", "-m", "755", from, b.path(name)).CombinedOutput(); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
}

// does changes what the stand-in does.
func (b *bench) does(does behaviour) {
	b.t.Helper()
	text, err := json.Marshal(does)
	b.must(err)
	b.must(os.WriteFile(b.path("behaviour"), text, 0o644))
	b.must(os.Chmod(b.path("behaviour"), 0o644))
}

// mountedFor lets a server find the stand-in before every other program of that name.
func (b *bench) mountedFor(s *server) {
	b.t.Helper()
	var failure args.MountErrorReply
	mount := &args.MountArgs{Root: "/", Source: b.directory, Target: programs, Mountflags: syscall.MS_BIND}
	if s.ok("Mount", mount, &failure); failure.Errno != 0 {
		b.t.Fatal(failure)
	}
}

// saw is the record of the last time that the stand-in was given a command.
func (b *bench) saw(command string) (saw record) {
	b.t.Helper()
	text, err := os.ReadFile(b.path(filepath.Join("record", b.program+"-"+command)))
	b.must(err)
	b.must(json.Unmarshal(text, &saw))
	return saw
}

// started says whether the stand-in has run.
func (b *bench) started() bool {
	entries, err := os.ReadDir(b.path("record"))
	b.must(err)
	return len(entries) > 0
}

// serveAs starts a server with other credentials, a command before it or variables of its own.
func serveAs(t *testing.T, attributes *syscall.SysProcAttr, environment []string, before ...string) *server {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	defer near.Close()
	defer far.Close()
	// Where every user can execute it.
	b := &bench{t: t, directory: t.TempDir()}
	for directory := b.directory; directory != os.TempDir() && directory != "/"; directory = filepath.Dir(directory) {
		b.must(os.Chmod(directory, 0o755))
	}
	b.copy(pinion(t), "pinion")
	if attributes.Credential != nil && len(attributes.AmbientCaps) == 0 {
		// All permitted, none effective (capabilities(7), file capabilities of version 2), as in the setuid flow.
		all := []byte{0, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 0, 255, 1, 0, 0, 0, 0, 0, 0}
		b.must(syscall.Setxattr(b.path("pinion"), "security.capability", all, 0))
	}
	command := append(before, b.path("pinion"), "rpc", "serve", "--fd", "3", "--name", service)
	process := exec.Command(command[0], command[1:]...)
	process.Env = append(os.Environ(), environment...)
	process.ExtraFiles = []*os.File{far}
	process.Stderr = os.Stderr
	attributes.Pdeathsig = syscall.SIGKILL
	process.SysProcAttr = attributes
	b.must(process.Start())
	conn, err := net.FileConn(near)
	b.must(err)
	s := &server{Client: rpc.NewClient(conn), t: t, process: process}
	t.Cleanup(s.end)
	return s
}

// ordinary are the credentials of an ordinary user who has all capabilities that there are, as a server in the setuid flow.
func ordinary(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	permitted, err := strconv.ParseUint(record{State: string(status)}.field("CapPrm"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	var all []uintptr
	for number := range uintptr(64) {
		if permitted>>number&1 != 0 {
			all = append(all, number)
		}
	}
	return &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC,
		Credential:   &syscall.Credential{Uid: 1000, Gid: 1000, Groups: []uint32{1000, 1001}},
		AmbientCaps:  all,
	}
}

// checkBareProcess checks what every program that the server starts has in common.
func checkBareProcess(t *testing.T, saw record) {
	t.Helper()
	environment := []string{"LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, variable := range saw.Env {
		if !bytes.Contains([]byte(strings.Join(environment, "\n")), []byte(variable)) {
			t.Errorf("variable %s", variable)
		}
	}
	if len(saw.Env) != len(environment) {
		t.Errorf("environment %q", saw.Env)
	}
	for name, want := range map[string]string{
		"Umask": "0022", "SigBlk": "0000000000000000", "SigIgn": "0000000000000000",
	} {
		if saw.field(name) != want {
			t.Errorf("%s is %s", name, saw.field(name))
		}
	}
	if saw.Cwd != "/" {
		t.Errorf("it is in %s", saw.Cwd)
	}
	if saw.Core.Max != 0 {
		t.Error("it may leave a core file")
	}
}

// checkRoot checks that a program ran with root's ids and no others.
func checkRoot(t *testing.T, saw record) {
	t.Helper()
	for name, want := range map[string]string{"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": ""} {
		if saw.field(name) != want {
			t.Errorf("%s: %s", name, saw.field(name))
		}
	}
}
