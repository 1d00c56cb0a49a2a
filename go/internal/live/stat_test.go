// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	args "github.com/pinion-runtime/pinion/go/internal/wire/rpc"
)

// must ends the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// everyKind makes a directory with files of every kind and returns it.
func everyKind(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"file", "setuid", "setgid", "no bits", strings.Repeat("n", 255), "bytes\xff\xfe", "old", "ancient"} {
		must(t, os.WriteFile(at(name), []byte(name), 0o644))
	}
	must(t, os.Chmod(at("setuid"), 0o755|fs.ModeSetuid))
	must(t, os.Chmod(at("setgid"), 0o2|fs.ModeSetgid))
	must(t, os.Chmod(at("no bits"), 0))
	must(t, os.Chown(at("no bits"), 123456, 654321))
	must(t, os.Chtimes(at("old"), time.Unix(-1, 999_999_999), time.Unix(-86_400, 1)))
	must(t, os.Chtimes(at("ancient"), time.Unix(0, 0), time.Unix(0, 0)))
	must(t, os.Mkdir(at("dir"), 0o700))
	must(t, os.Mkdir(at("sticky"), 0))
	must(t, os.Chmod(at("sticky"), 0o777|fs.ModeSticky|fs.ModeSetgid))
	must(t, os.WriteFile(at("sparse"), nil, 0o600))
	must(t, os.Truncate(at("sparse"), 1<<40))
	must(t, os.Symlink("dir", at("good")))
	must(t, os.Symlink("nowhere", at("dangling")))
	must(t, os.Symlink("loop", at("loop")))
	must(t, os.Link(at("file"), at("second name")))
	must(t, syscall.Mkfifo(at("fifo"), 0o640))
	must(t, syscall.Mknod(at("char"), syscall.S_IFCHR|0o666, 1<<8|3))
	must(t, syscall.Mknod(at("block"), syscall.S_IFBLK|0o600, 7<<8|200))
	must(t, syscall.Mknod(at("socket"), syscall.S_IFSOCK|0o755, 0))
	return dir
}

// sameInfo compares what the server said of a file with what Go says.
func sameInfo(t *testing.T, call, path string, got, want fs.FileInfo) {
	t.Helper()
	show := func(fi fs.FileInfo) string {
		sys, ok := fi.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Sprintf("Sys is a %T", fi.Sys())
		}
		return fmt.Sprintf("%q %d %v %v %v %+v", fi.Name(), fi.Size(), fi.Mode(), fi.ModTime().UTC(), fi.IsDir(), *sys)
	}
	if show(got) != show(want) || !got.ModTime().Equal(want.ModTime()) || !reflect.DeepEqual(got.Sys(), want.Sys()) {
		t.Errorf("%s %q:\n%s, not\n%s", call, path, show(got), show(want))
	}
}

// sameError compares the server's error for a file with Go's.
func sameError(t *testing.T, call, path string, got, want error) {
	t.Helper()
	var gotPath, wantPath *fs.PathError
	if !errors.As(got, &gotPath) || !errors.As(want, &wantPath) || *gotPath != *wantPath || got.Error() != want.Error() {
		t.Errorf("%s %q: %#v, not %#v", call, path, got, want)
	}
	for _, target := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, syscall.ELOOP, syscall.ENOTDIR, syscall.ENOENT} {
		if errors.Is(got, target) != errors.Is(want, target) {
			t.Errorf("%s %q: is %v: %v", call, path, target, errors.Is(got, target))
		}
	}
}

// sameStatus compares Stat and Lstat of a server with Go's own.
func (s *server) sameStatus(path string) {
	s.t.Helper()
	for call, own := range map[string]func(string) (fs.FileInfo, error){"Stat": os.Stat, "Lstat": os.Lstat} {
		var reply args.StatReply
		want, wantErr := own(path)
		s.ok(call, &args.StatArgs{Path: path}, &reply)
		switch {
		case (reply.Err == nil) != (wantErr == nil) || (reply.Fi == nil) != (want == nil):
			s.t.Errorf("%s %q: %v %v, not %v %v", call, path, reply.Fi, reply.Err, want, wantErr)
		case wantErr != nil:
			sameError(s.t, call, path, reply.Err, wantErr)
		default:
			sameInfo(s.t, call, path, reply.Fi, want)
		}
	}
}

func TestStatusOfEveryKindOfFile(t *testing.T) {
	dir := everyKind(t)
	s := serve(t)
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 19 {
		t.Fatal(len(entries))
	}
	for _, entry := range entries {
		s.sameStatus(dir + "/" + entry.Name())
	}
	for _, name := range []string{"dir/", "dir//", "good/", "dir/..", "dir/../file", "good/.", ""} {
		s.sameStatus(dir + "/" + name)
	}
	for _, path := range []string{"/", "//", ".", "..", "live_test.go"} {
		s.sameStatus(path)
	}
}

func TestStatusOfWhatIsNotThere(t *testing.T) {
	dir := everyKind(t)
	s := serve(t)
	for _, name := range []string{"none", "none/x", "file/x", "file/", "dangling/", "loop/x", strings.Repeat("n", 256), "nul\x00byte", "bytes\xff\xfd"} {
		s.sameStatus(dir + "/" + name)
	}
	s.sameStatus("/" + strings.Repeat("x/", 2048))
	s.sameStatus("")
	s.sameStatus("x\x00")
}

// serveBare starts a server that is root like any other user: without capabilities.
func serveBare(t *testing.T, options ...string) *server {
	t.Helper()
	wrapper := filepath.Join(t.TempDir(), "bare")
	text := "#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all '" + pinion(t) + "' \"$@\"\n"
	must(t, os.WriteFile(wrapper, []byte(text), 0o755))
	t.Setenv("PINION", wrapper)
	return serve(t, options...)
}

func TestStatusWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "closed"), 0o700))
	must(t, os.Chown(filepath.Join(dir, "closed"), 1000, 1000))
	s := serveBare(t)
	path := filepath.Join(dir, "closed/x")
	for call, op := range map[string]string{"Stat": "stat", "Lstat": "lstat"} {
		var reply args.StatReply
		s.ok(call, &args.StatArgs{Path: path}, &reply)
		sameError(t, call, path, reply.Err, &fs.PathError{Op: op, Path: path, Err: syscall.EACCES})
	}
}

func TestRepliesThatNobodyWants(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/", "/none", ""} {
		// The first definitions of the reply's types go past as well.
		s.ok("Stat", &args.StatArgs{Path: path}, nil)
	}
	s.sameStatus("live_test.go")
	s.sameStatus("/none")
}

func TestStatusAfterAChangeOfRoot(t *testing.T) {
	s := serve(t)
	root := everyKind(t)
	s.ok("Chroot", &args.ChrootArgs{Root: root, Method: "chroot"}, new(int))
	var reply args.StatReply
	s.ok("Stat", &args.StatArgs{Path: "/good"}, &reply)
	want, err := os.Stat(filepath.Join(root, "good"))
	must(t, err)
	sameInfo(t, "Stat", "/good", reply.Fi, want)
}

func TestNamesOfAnotherProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names.json")
	must(t, os.WriteFile(file, []byte(`{"*rpc.fileInfo": "*other.fileInfo", "*os.LinkError": "*other.LinkError"}`), 0o644))
	s := serve(t, "--names", file)
	want := `reading body gob: name not registered for interface: "*other.fileInfo"`
	if text := s.fails("Stat", &args.StatArgs{Path: "/"}, new(args.StatReply)); text != want {
		t.Errorf("%s, not %s", text, want)
	}
}
