// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// mounted is the line of the server's mountinfo for a place, without its numbers, or "".
func (s *server) mounted(place string) string {
	s.t.Helper()
	found := ""
	for line := range strings.Lines(s.file("mountinfo")) {
		if words := strings.Fields(line); words[4] == place {
			found = strings.Join(words[5:], " ")
		}
	}
	return found
}

func TestFlagsOfMount(t *testing.T) {
	s := serve(t)
	root := t.TempDir()
	source := filepath.Join(t.TempDir(), "source")
	for _, folder := range []string{source, filepath.Join(root, "bind"), filepath.Join(root, "moved")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(source, target string, flags uintptr) {
		t.Helper()
		var failure args.MountErrorReply
		s.ok("Mount", &args.MountArgs{Root: root, Source: source, Target: target, Mountflags: flags}, &failure)
		if failure != (args.MountErrorReply{}) {
			t.Fatal(failure)
		}
	}
	has := func(place string, options ...string) {
		t.Helper()
		line := s.mounted(filepath.Join(root, place))
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == ':' })
		for _, option := range options {
			if !strings.Contains(" "+strings.Join(words, " ")+" ", " "+option+" ") {
				t.Errorf("%s is not %s: %q", place, option, line)
			}
		}
	}
	mount(source, "/bind", syscall.MS_BIND|syscall.MS_REC)
	has("bind", "rw")
	mount("", "/bind", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NOATIME)
	has("bind", "ro", "nosuid", "noatime")
	// Without a word of access times they stay; all else is as the flags say.
	mount("", "/bind", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_NODEV)
	has("bind", "rw", "nodev", "noatime")
	mount("", "/bind", syscall.MS_SHARED)
	has("bind", "shared")
	mount("", "/bind", syscall.MS_PRIVATE|syscall.MS_REC)
	if line := s.mounted(filepath.Join(root, "bind")); strings.Contains(line, "shared") {
		t.Error(line)
	}
	mount(filepath.Join(root, "bind"), "/moved", syscall.MS_MOVE)
	has("moved", "rw", "nodev", "noatime")
	if line := s.mounted(filepath.Join(root, "bind")); line != "" {
		t.Error(line)
	}
}

func TestErrnosOfMount(t *testing.T) {
	s := serve(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		source, target, filesystem string
		flags                      uintptr
		errno                      syscall.Errno
	}{
		{"/none", "/", "", syscall.MS_BIND, syscall.ENOENT},
		{"", "/", "", syscall.MS_BIND, syscall.EINVAL},
		{"/", "file", "", syscall.MS_BIND, syscall.ENOTDIR},
		{"", "file", "", syscall.MS_BIND | syscall.MS_REMOUNT, syscall.EINVAL},
		{"", "/", "", syscall.MS_PRIVATE | syscall.MS_SHARED, syscall.EINVAL},
		{root, "/", "", syscall.MS_MOVE, syscall.EINVAL},
		{"x", "/", "", 0, syscall.ENODEV},
		{"x", "/", "nosuchfs", 0, syscall.ENODEV},
		{"x", "out/x", "tmpfs", 0, syscall.EXDEV},
	} {
		var failure args.MountErrorReply
		s.ok("Mount", &args.MountArgs{
			Root: root, Source: want.source, Target: want.target, Filesystem: want.filesystem, Mountflags: want.flags,
		}, &failure)
		if syscall.Errno(failure.Errno) != want.errno || failure.IsNotExist != (want.errno == syscall.ENOENT) || failure.Message == "" {
			t.Errorf("%+v: %+v", want, failure)
		}
	}
}
