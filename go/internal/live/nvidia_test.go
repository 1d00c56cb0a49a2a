// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

const nvidia = "nvidia-container-cli"

// nvidiaCapabilities are the bits of what nvidia-container-cli needs.
const nvidiaCapabilities = "00000000082c11ef"

// newNvidia makes a stand-in and a root for it to be called for.
func newNvidia(t *testing.T, does behaviour) (*bench, *args.NvCCLIArgs) {
	b := newBench(t, nvidia, does)
	b.must(os.Mkdir(b.path("root"), 0o755))
	return b, &args.NvCCLIArgs{
		Flags:      []string{"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=9.0"},
		RootFsPath: b.path("root"),
	}
}

// checkArguments checks what was asked of the program, and that ldconfig is the host's.
func checkArguments(t *testing.T, saw record, before []string, root string) {
	t.Helper()
	want := append(before, "configure", "--no-cgroups", "--device=all", "--compute", "--utility", "--require=cuda>=9.0")
	got := saw.Args[1:]
	if len(got) != len(want)+2 || !slices.Equal(got[:len(want)], want) || got[len(want)+1] != root {
		t.Fatalf("arguments %q", got)
	}
	ldconfig := regexp.MustCompile(`^--ldconfig=@/proc/self/fd/(\d+)$`).FindStringSubmatch(got[len(want)])
	if ldconfig == nil {
		t.Fatal(got[len(want)])
	}
	beyond := []string{}
	for _, file := range saw.Files {
		number, target, _ := strings.Cut(file, " ")
		switch {
		case number == "0" && target == "/dev/null", number == "1" || number == "2":
		case number == ldconfig[1] && strings.HasSuffix(target, "/ldconfig"):
		case target == programs+"/"+nvidia:
		default:
			beyond = append(beyond, file)
		}
	}
	if len(beyond) > 0 || len(saw.Files) != 5 {
		t.Errorf("it has %q", saw.Files)
	}
}

func TestNvidiaAsRoot(t *testing.T) {
	b, arguments := newNvidia(t, behaviour{})
	file, err := os.Open("/")
	b.must(err)
	defer file.Close()
	s := serveWith(t, []*os.File{file})
	b.mountedFor(s)
	zero := 1
	s.ok("NvCCLI", arguments, &zero)
	if zero != 0 {
		t.Error(zero)
	}
	saw := b.saw("configure")
	checkArguments(t, saw, nil, arguments.RootFsPath)
	checkBareProcess(t, saw)
	checkRoot(t, saw)
	for _, set := range []string{"CapInh", "CapAmb"} {
		if saw.field(set) != nvidiaCapabilities {
			t.Errorf("%s: %s", set, saw.field(set))
		}
	}
	if saw.IPC != s.link("ns/ipc") {
		t.Error("not in the server's IPC namespace")
	}
}

func TestNvidiaForAnOrdinaryUser(t *testing.T) {
	b, arguments := newNvidia(t, behaviour{})
	attributes := ordinary(t)
	attributes.AmbientCaps = nil
	s := serveAs(t, attributes, nil)
	b.mountedFor(s)
	before := s.file("status")
	if effective := (record{State: before}).field("CapEff"); effective != "0000000000000000" {
		t.Fatal(effective)
	}
	s.ok("NvCCLI", arguments, new(int))
	saw := b.saw("configure")
	checkArguments(t, saw, nil, arguments.RootFsPath)
	checkBareProcess(t, saw)
	checkRoot(t, saw)
	if saw.field("CapAmb") != nvidiaCapabilities {
		t.Error(saw.field("CapAmb"))
	}
	now := record{State: s.file("status")}
	for _, name := range []string{"Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb", "Umask", "SigBlk", "SigIgn"} {
		if old := (record{State: before}).field(name); now.field(name) != old {
			t.Errorf("the server's %s was %s and is %s", name, old, now.field(name))
		}
	}
}

func TestNvidiaUnderIgnoredSignals(t *testing.T) {
	b, arguments := newNvidia(t, behaviour{})
	s := serveAs(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}, nil, "env", "--ignore-signal=HUP,INT,CHLD")
	b.mountedFor(s)
	s.ok("NvCCLI", arguments, new(int))
	checkBareProcess(t, b.saw("configure"))
}

func TestNvidiaInAUserNamespace(t *testing.T) {
	for _, id := range []int{0, 1000} {
		t.Run(strconv.Itoa(id), func(t *testing.T) { nvidiaInAUserNamespace(t, id) })
	}
}

func nvidiaInAUserNamespace(t *testing.T, id int) {
	b, arguments := newNvidia(t, behaviour{})
	// Root of the host has no id here.
	attributes := ordinary(t)
	attributes.Unshareflags = 0
	attributes.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: 1000, Size: 1}}
	attributes.GidMappings = attributes.UidMappings
	attributes.Credential = &syscall.Credential{Uid: uint32(id), Gid: uint32(id), NoSetGroups: true}
	s := serveAs(t, attributes, nil)
	b.mountedFor(s)
	text := s.fails("NvCCLI", arguments, new(int))
	if !strings.Contains(text, `use "/usr/local/sbin/nvidia-container-cli": owned by user 65534, not by root`) {
		t.Error(text)
	}
	arguments.UserNS = true
	s.ok("NvCCLI", arguments, new(int))
	saw := b.saw("--user")
	checkArguments(t, saw, []string{"--user"}, arguments.RootFsPath)
	checkBareProcess(t, saw)
	if want := strings.TrimSpace(strings.Repeat(strconv.Itoa(id)+" ", 4)); saw.field("Uid") != want {
		t.Error(saw.field("Uid"))
	}
	if saw.field("CapAmb") != nvidiaCapabilities {
		t.Error(saw.field("CapAmb"))
	}
	// Root has its bounding set; who is not root has what was given.
	if id != 0 && saw.field("CapEff") != nvidiaCapabilities {
		t.Error(saw.field("CapEff"))
	}
}

func TestNvidiaWithoutATrustedProgram(t *testing.T) {
	b, arguments := newNvidia(t, behaviour{})
	s := serveAs(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}, []string{"PATH=" + b.directory})
	text := s.fails("NvCCLI", arguments, new(int))
	if !strings.HasSuffix(text, "use nvidia-container-cli: not found in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; install NVIDIA's Container Toolkit") {
		t.Error(text)
	}
	b.mountedFor(s)
	b.must(os.Chmod(b.path(nvidia), 0o775))
	text = s.fails("NvCCLI", arguments, new(int))
	if !strings.HasSuffix(text, "writable by others than its owner; chmod go-w /usr/local/sbin/nvidia-container-cli") {
		t.Error(text)
	}
	b.must(os.Chmod(b.path(nvidia), 0o755))
	b.must(os.Chown(b.path(nvidia), 1000, 0))
	text = s.fails("NvCCLI", arguments, new(int))
	if !strings.HasSuffix(text, "owned by user 1000, not by root") {
		t.Error(text)
	}
	if b.started() {
		t.Error("it ran")
	}
}

func TestNvidiaRefusals(t *testing.T) {
	b, good := newNvidia(t, behaviour{Says: "initialization error:\n no driver\n", Exit: 7})
	s := serve(t)
	b.mountedFor(s)
	prefix := `set up NVIDIA for "` + good.RootFsPath + `": `
	if text := s.fails("NvCCLI", good, new(int)); text != prefix+"nvidia-container-cli: exit code 7: initialization error:; no driver" {
		t.Error(text)
	}
	b.does(behaviour{Kill: true})
	if text := s.fails("NvCCLI", good, new(int)); text != prefix+"nvidia-container-cli: signal 9" {
		t.Error(text)
	}
	for _, bad := range []struct {
		flags []string
		root  string
		want  string
	}{
		{nil, "relative", "no absolute path"},
		{nil, "/none-such", "no such directory"},
		{[]string{"--ldconfig=@/tmp/mine"}, good.RootFsPath, "its name does not begin with NVIDIA_"},
		{[]string{"NVIDIA_VISIBLE_DEVICES"}, good.RootFsPath, "no value"},
	} {
		if text := s.fails("NvCCLI", &args.NvCCLIArgs{Flags: bad.flags, RootFsPath: bad.root}, new(int)); !strings.HasSuffix(text, bad.want) {
			t.Errorf("%v %s: %s", bad.flags, bad.root, text)
		}
	}
	if s.ok("Chroot", &args.ChrootArgs{Root: good.RootFsPath, Method: "chroot"}, new(int)); true {
		text := s.fails("NvCCLI", &args.NvCCLIArgs{RootFsPath: "/"}, new(int))
		if !strings.HasSuffix(text, "use nvidia-container-cli: the root directory is the container's already; call this before Chroot") {
			t.Error(text)
		}
	}
}

func TestNvidiaWithASmallBoundingSet(t *testing.T) {
	b, arguments := newNvidia(t, behaviour{})
	s := serveAs(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}, nil, "setpriv", "--bounding-set", "-net_admin,-kill")
	b.mountedFor(s)
	text := s.fails("NvCCLI", arguments, new(int))
	if !strings.HasSuffix(text, "may not give nvidia-container-cli CAP_KILL CAP_NET_ADMIN: its bounding set needs SetNvCCLICaps") {
		t.Error(text)
	}
	if b.started() {
		t.Error("it ran")
	}
}

func TestNvidiaDiesWithTheServer(t *testing.T) {
	for name, attributes := range map[string]*syscall.SysProcAttr{
		"root":     {Unshareflags: syscall.CLONE_NEWNS},
		"ordinary": ordinary(t),
	} {
		t.Run(name, func(t *testing.T) {
			b, arguments := newNvidia(t, behaviour{Hang: "alive"})
			b.must(syscall.Mkfifo(b.path("alive"), 0o600))
			s := serveAs(t, attributes, nil)
			b.mountedFor(s)
			call := s.Go(service+".NvCCLI", arguments, new(int), nil)
			opened := make(chan *os.File)
			go func() {
				// Opens once the stand-in has; ends once nobody has it open any more.
				alive, _ := os.Open(b.path("alive"))
				opened <- alive
			}()
			var alive *os.File
			select {
			case alive = <-opened:
				defer alive.Close()
			case <-call.Done:
				other, err := os.OpenFile(b.path("alive"), os.O_RDWR, 0)
				b.must(err)
				(<-opened).Close()
				other.Close()
				t.Fatal(call.Error)
			}
			b.must(s.process.Process.Kill())
			if _, err := alive.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
				t.Error(err)
			}
			if (<-call.Done).Error == nil {
				t.Error("the call succeeded")
			}
		})
	}
}
