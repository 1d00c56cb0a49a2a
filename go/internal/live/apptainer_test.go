// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	sister "github.com/pinion-runtime/pinion/go/internal/wire/apptainer/rpc"
	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// serveApptainer starts a server for clients of Apptainer.
func serveApptainer(t *testing.T, options ...string) *server {
	return serve(t, append([]string{"--product", "apptainer"}, options...)...)
}

// same makes a call that has to end like Go's own function: without an error, or with one of the same text.
func (s *server) same(method string, arguments any, own error) {
	s.t.Helper()
	err := s.Call(service+"."+method, arguments, nil)
	if (err == nil) != (own == nil) || err != nil && err.Error() != own.Error() {
		s.t.Errorf("%s %+v: %v, not %v", method, arguments, err, own)
	}
}

func TestApptainersMounts(t *testing.T) {
	s := serveApptainer(t)
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/real", 0o755))
	must(t, os.Symlink("real", dir+"/link"))
	mounted := func() bool { return strings.Contains(s.file("mountinfo"), " "+dir+"/real ") }
	var failure error
	s.ok("Mount", &sister.MountArgs{Source: "tmpfs", Target: dir + "/link", Filesystem: "tmpfs", Data: "size=64k"}, &failure)
	if failure != nil || !mounted() {
		t.Error("not mounted:", failure)
	}
	if mounts, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(mounts), dir) {
		t.Error("the mount reached the host")
	}
	s.ok("Unmount", &sister.UnmountArgs{Target: dir + "/link", Unmountflags: 0x8}, &failure)
	if failure != syscall.EINVAL || !mounted() {
		t.Error("UMOUNT_NOFOLLOW:", failure)
	}
	failure = nil
	s.ok("Unmount", &sister.UnmountArgs{Target: dir + "/link", Unmountflags: syscall.MNT_DETACH}, &failure)
	if failure != nil || mounted() {
		t.Error("still mounted:", failure)
	}
	for _, name := range []string{"low", "up", "work"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	s.ok("Mount", &sister.MountArgs{Source: "tmpfs", Target: dir + "/real", Filesystem: "tmpfs"}, &failure)
	for _, name := range []string{"low", "up", "work", "over"} {
		s.ok("Mkdir", &sister.MkdirArgs{Path: dir + "/real/" + name, Perm: 0o755}, nil)
	}
	s.ok("Chdir", &args.ChdirArgs{Dir: dir + "/real"}, nil)
	s.ok("Mount", &sister.MountArgs{Source: "overlay", Target: "over", Filesystem: "overlay",
		Data: "lowerdir=low,upperdir=up,workdir=work"}, &failure)
	if failure != nil {
		t.Error(failure)
	}
}

func TestApptainersFailedMounts(t *testing.T) {
	s := serveApptainer(t)
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	for _, a := range []sister.MountArgs{
		{Source: "tmpfs", Target: dir + "/none", Filesystem: "tmpfs"},
		{Source: "tmpfs", Target: "", Filesystem: "tmpfs"},
		{Source: "tmpfs", Target: dir + "/file", Filesystem: "tmpfs"},
		{Source: "x", Target: dir, Filesystem: "no such type"},
		{Source: "x", Target: dir},
		{Source: dir + "/none", Target: dir, Mountflags: syscall.MS_BIND},
		{Target: dir, Mountflags: syscall.MS_REMOUNT},
		{Target: dir, Mountflags: syscall.MS_PRIVATE},
		{Source: "tmpfs", Target: dir + "\x00", Filesystem: "tmpfs"},
	} {
		own := syscall.Mount(a.Source, a.Target, a.Filesystem, a.Mountflags, a.Data)
		var failure error
		s.ok("Mount", &a, &failure)
		if own == nil || failure != own {
			t.Errorf("%+v: %v, not %v", a, failure, own)
		}
		// As Apptainer does with errors that it does not await.
		s.ok("Mount", &a, nil)
	}
	for _, a := range []sister.UnmountArgs{
		{Target: "/none"},
		{Target: dir},
		{Target: dir, Unmountflags: syscall.MNT_DETACH},
		{Target: dir, Unmountflags: 1 << 20},
		{Target: ""},
		{Target: "x\x00"},
	} {
		var failure error
		s.ok("Unmount", &a, &failure)
		if own := syscall.Unmount(a.Target, a.Unmountflags); own == nil || failure != own {
			t.Errorf("%+v: %v, not %v", a, failure, own)
		}
	}
	var failure args.MountErrorReply
	s = serveApptainer(t, "--mount-reply", "struct")
	s.ok("Mount", &sister.MountArgs{Source: "x", Target: "/none", Filesystem: "tmpfs"}, &failure)
	want := args.MountErrorReply{Message: `mount "x" on "/none": no such file or directory`, Errno: uint(syscall.ENOENT), IsNotExist: true}
	if failure != want {
		t.Error(failure)
	}
}

func TestApptainersDirectories(t *testing.T) {
	s := serveApptainer(t)
	dir := t.TempDir()
	for number, perm := range []fs.FileMode{0, 0o777, 0o1, fs.ModeSticky | 0o777, fs.ModeSetuid | fs.ModeSetgid | 0o755, fs.ModeDir | 0o700, 0o7000 | 0o750} {
		path := fmt.Sprintf("%s/%d", dir, number)
		s.ok("Mkdir", &sister.MkdirArgs{Path: path, Perm: perm}, nil)
		info, err := os.Lstat(path)
		must(t, err)
		// The kernel gives a new directory no setuid or setgid.
		if want := fs.ModeDir | perm&(fs.ModeSticky|fs.ModePerm); info.Mode() != want {
			t.Errorf("%v: %v, not %v", perm, info.Mode(), want)
		}
		s.same("Mkdir", &sister.MkdirArgs{Path: path, Perm: perm}, os.Mkdir(path, perm))
	}
	if !strings.Contains(s.file("status"), fmt.Sprintf("Umask:\t%04o\n", umask(t))) {
		t.Error("the umask is another now")
	}
	for _, path := range []string{"", "/", dir + "/none/x", dir + "/" + strings.Repeat("n", 256), "x\x00", "."} {
		s.same("Mkdir", &sister.MkdirArgs{Path: path, Perm: 0o755}, os.Mkdir(path, 0o755))
	}
	s.ok("Chdir", &args.ChdirArgs{Dir: dir}, nil)
	s.ok("Mkdir", &sister.MkdirArgs{Path: "relative", Perm: 0o755}, nil)
	if _, err := os.Stat(dir + "/relative"); err != nil {
		t.Error(err)
	}
}

// umask is the test's own, which a server inherits.
func umask(t *testing.T) (mask int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	_, line, _ := strings.Cut(string(status), "\nUmask:")
	_, err = fmt.Sscanf(line, "%o", &mask)
	must(t, err)
	return mask
}

func TestUmask(t *testing.T) {
	s := serveApptainer(t)
	before := umask(t)
	for _, masks := range [][2]int{{0o77, before}, {0o7777, 0o77}, {-1, 0o777}, {0, 0o777}, {1 << 40, 0}} {
		var previous int
		s.ok("Umask", &sister.UmaskArgs{Mask: masks[0]}, &previous)
		if previous != masks[1] {
			t.Errorf("%o before %o, not %o", previous, masks[0], masks[1])
		}
		if want := fmt.Sprintf("Umask:\t%04o\n", masks[0]&0o777); !strings.Contains(s.file("status"), want) {
			t.Errorf("no %q", want)
		}
	}
	if umask(t) != before {
		t.Error("the test's own changed")
	}
}

func TestAccess(t *testing.T) {
	s := serveApptainer(t)
	dir := everyKind(t)
	for _, name := range []string{"file", "setuid", "no bits", "dir", "dangling", "loop", "good", "none", "file/x", "char", "fifo", "bytes\xff\xfe", "x\x00"} {
		for _, mode := range []uint32{0, 1, 2, 4, 7, 8, 1 << 31} {
			var reply sister.AccessReply
			path := dir + "/" + name
			s.ok("Access", &sister.AccessArgs{Path: path, Mode: mode}, &reply)
			if own := syscall.Access(path, mode); reply.Err != own {
				t.Errorf("%q %o: %v, not %v", name, mode, reply.Err, own)
			}
		}
	}
	must(t, os.Mkdir(dir+"/closed", 0o700))
	must(t, os.Chown(dir+"/closed", 1000, 1000))
	s = serveBare(t, "--product", "apptainer")
	var reply sister.AccessReply
	s.ok("Access", &sister.AccessArgs{Path: dir + "/closed/x", Mode: 2}, &reply)
	if reply.Err != syscall.EACCES || !errors.Is(reply.Err, fs.ErrPermission) {
		t.Error(reply.Err)
	}
}

func TestLinks(t *testing.T) {
	s := serveApptainer(t)
	dir := everyKind(t)
	for number, target := range []string{"x", "/", "../..", "bytes\xff", strings.Repeat("x", 4095), "a b"} {
		link := fmt.Sprintf("%s/link%d", dir, number)
		s.ok("Symlink", &sister.SymlinkArgs{Target: target, Link: link}, nil)
		if own, err := os.Readlink(link); err != nil || own != target {
			t.Errorf("%q, not %q: %v", own, target, err)
		}
		var got string
		s.ok("Readlink", &sister.ReadlinkArgs{Name: link}, &got)
		if got != target {
			t.Errorf("%q, not %q", got, target)
		}
	}
	for _, a := range []sister.SymlinkArgs{
		{Target: "a", Link: dir + "/file"},
		{Target: "a", Link: dir + "/none/x"},
		{Target: "a", Link: dir + "/file/x"},
		{Target: "a", Link: dir + "/" + strings.Repeat("x", 256)},
		{Target: "a", Link: ""},
		{Target: "", Link: dir + "/empty"},
		{Target: strings.Repeat("x", 4096), Link: dir + "/long"},
		{Target: "a\x00", Link: dir + "/nul"},
	} {
		s.same("Symlink", &a, os.Symlink(a.Target, a.Link))
	}
	for _, name := range []string{"file", "dir", "none", "loop/x", "good/", "x\x00"} {
		_, own := os.Readlink(dir + "/" + name)
		s.same("Readlink", &sister.ReadlinkArgs{Name: dir + "/" + name}, own)
	}
}

func TestOwners(t *testing.T) {
	dir := everyKind(t)
	s := serveApptainer(t)
	owner := func(path string) [2]uint32 {
		info, err := os.Lstat(path)
		must(t, err)
		stat := info.Sys().(*syscall.Stat_t)
		return [2]uint32{stat.Uid, stat.Gid}
	}
	for _, c := range []struct {
		uid, gid int
		want     [2]uint32
	}{{7, 8, [2]uint32{7, 8}}, {-1, 9, [2]uint32{7, 9}}, {1 << 31, -1, [2]uint32{1 << 31, 9}}, {1<<32 - 1, 1<<32 + 3, [2]uint32{1 << 31, 3}}} {
		s.ok("Chown", &sister.ChownArgs{Name: dir + "/good", UID: c.uid, GID: c.gid}, nil)
		s.ok("Lchown", &sister.ChownArgs{Name: dir + "/dangling", UID: c.uid, GID: c.gid}, nil)
		if got := owner(dir + "/dir"); got != c.want || owner(dir+"/dangling") != c.want || owner(dir+"/good") != [2]uint32{} {
			t.Errorf("%+v: %v %v", c, got, owner(dir+"/dangling"))
		}
	}
	for _, name := range []string{"none", "dangling", "loop", "file/x", "", "x\x00"} {
		path := dir + "/" + name
		s.same("Chown", &sister.ChownArgs{Name: path, UID: 0, GID: 0}, os.Chown(path, 0, 0))
		s.same("Lchown", &sister.ChownArgs{Name: path, UID: 0, GID: 0}, os.Lchown(path, 0, 0))
	}
	s = serveBare(t, "--product", "apptainer")
	for call, op := range map[string]string{"Chown": "chown", "Lchown": "lchown"} {
		own := &fs.PathError{Op: op, Path: dir + "/file", Err: syscall.EPERM}
		s.same(call, &sister.ChownArgs{Name: dir + "/file", UID: 5, GID: 5}, own)
	}
}

func TestWriteFile(t *testing.T) {
	s := serveApptainer(t)
	dir := t.TempDir()
	for number, perm := range []fs.FileMode{0, 0o666, 0o777, fs.ModeSetuid | fs.ModeSticky | 0o755, fs.ModeSetgid | 0o700, fs.ModeDir | 0o600} {
		content := []byte(strings.Repeat("\x00x", number*40_000))
		theirs, own := fmt.Sprintf("%s/%d", dir, number), fmt.Sprintf("%s/own%d", dir, number)
		s.ok("WriteFile", &sister.WriteFileArgs{Filename: theirs, Data: content, Perm: perm}, nil)
		file, err := os.OpenFile(own, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
		must(t, err)
		// To write takes setuid away.
		if len(content) > 0 {
			_, err = file.Write(content)
			must(t, err)
		}
		must(t, file.Close())
		got, err := os.ReadFile(theirs)
		must(t, err)
		a, _ := os.Lstat(theirs)
		b, _ := os.Lstat(own)
		if string(got) != string(content) || a.Mode() != b.Mode() {
			t.Errorf("%v: %d bytes, %v, not %v", perm, len(got), a.Mode(), b.Mode())
		}
	}
	must(t, os.Symlink("nowhere", dir+"/dangling"))
	for _, name := range []string{dir + "/1", dir, dir + "/dangling", dir + "/none/x", dir + "/1/x", "", "x\x00", "/proc/x", dir + "/x/"} {
		_, own := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		s.same("WriteFile", &sister.WriteFileArgs{Filename: name, Data: []byte("new"), Perm: 0o600}, own)
	}
	if content, _ := os.ReadFile(dir + "/1"); len(content) != 80_000 {
		t.Error("a file that was there has changed")
	}
	var failure error
	must(t, os.Mkdir(dir+"/small", 0o755))
	s.ok("Mount", &sister.MountArgs{Source: "tmpfs", Target: dir + "/small", Filesystem: "tmpfs", Data: "size=4k"}, &failure)
	full := &fs.PathError{Op: "write", Path: dir + "/small/x", Err: syscall.ENOSPC}
	s.same("WriteFile", &sister.WriteFileArgs{Filename: full.Path, Data: make([]byte, 20_000), Perm: 0o600}, full)
}

func TestReadDir(t *testing.T) {
	s := serveApptainer(t)
	dir := everyKind(t)
	for _, name := range []string{"file", "none", "dir", "loop", "good", "fifo", "x\x00"} {
		_, own := os.ReadDir(dir + "/" + name)
		s.same("ReadDir", &sister.ReadDirArgs{Dir: dir + "/" + name}, own)
	}
	reply := sister.ReadDirReply{}
	s.ok("ReadDir", &sister.ReadDirArgs{Dir: dir + "/dir"}, &reply)
	if len(reply.Files) != 0 {
		t.Error(reply)
	}
	// Go's own server closes the connection here, since it cannot encode its reply.
	want := "readdir " + dir + ": gob cannot carry its entries: rpc.dirEntry has no exported fields"
	if text := s.fails("ReadDir", &sister.ReadDirArgs{Dir: dir}, &reply); text != want {
		t.Errorf("%s, not %s", text, want)
	}
	s.sameStatus(dir)
}

func TestEvalRelative(t *testing.T) {
	s := serveApptainer(t)
	root := t.TempDir()
	must(t, os.MkdirAll(root+"/usr/lib", 0o755))
	for link, target := range map[string]string{"lib": "usr/lib", "etc": "/usr/../conf", "up": "../../../../../../../etc", "loop": "loop", "usr/lib/bytes": "x\xff",
		"usr/lib/64": "../lib64/y"} {
		must(t, os.Symlink(target, root+"/"+link))
	}
	for path, want := range map[string]string{
		"":               "/",
		"/":              "/",
		"a/../b//":       "/b",
		"/lib/x":         "/usr/lib/x",
		"/lib/../x":      "/x",
		"../../lib":      "/usr/lib",
		"/etc/passwd":    "/conf/passwd",
		"/up/passwd":     "/conf/passwd",
		"/loop/x":        "/loop",
		"/lib/bytes/z":   "/usr/lib/x\xff/z",
		"/lib/none/../x": "/usr/lib/x",
		// Apptainer takes lib64 for something in lib, and the letter after it for a slash.
		"/lib/64": "/usr/lib/4/y",
	} {
		for _, written := range []string{root, root + "/", root[1:] + "/usr/.."} {
			var got string
			s.ok("EvalRelative", &sister.EvalRelativeArgs{Name: path, Root: written}, &got)
			if got != want {
				t.Errorf("%q: %q, not %q", path, got, want)
			}
		}
	}
	var got string
	s.ok("EvalRelative", &sister.EvalRelativeArgs{Name: strings.Repeat("/x", 1<<20), Root: root}, &got)
	if len(got) != 2<<20 {
		t.Error(len(got))
	}
}

func TestWhatApptainerHasInCommon(t *testing.T) {
	s := serveApptainer(t)
	root := everyKind(t)
	s.sameStatus(root + "/good")
	s.sameStatus(root + "/none")
	s.ok("SetHostname", &args.HostnameArgs{Hostname: "inside"}, new(int))
	s.ok("Chdir", &args.ChdirArgs{Dir: root}, new(int))
	s.ok("Chroot", &args.ChrootArgs{Root: ".", Method: "chroot"}, new(int))
	if s.link("root") != root {
		t.Error(s.link("root"))
	}
	var reply args.StatReply
	s.ok("Lstat", &args.StatArgs{Path: "/good"}, &reply)
	want, err := os.Lstat(root + "/good")
	must(t, err)
	sameInfo(t, "Lstat", "/good", reply.Fi, want)
}
