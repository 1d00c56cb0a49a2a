// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/launch"
)

// refusal is what both calls say of a launch that cannot be.
func refusal(t *testing.T, host launch.Host, config any, ops ...launch.CommandOp) string {
	t.Helper()
	if host.Starter == "" {
		host.Starter = executable(t)
	}
	return refusalOf(t, host, "name", config, ops...).Error()
}

func refusalOf(t *testing.T, host launch.Host, name string, config any, ops ...launch.CommandOp) error {
	t.Helper()
	launch.Setup(host)
	ran, executed := launch.Run(name, config, ops...), launch.Exec(name, config, ops...)
	if ran == nil || executed == nil {
		t.Fatalf("accepted: %v, %v", ran, executed)
	}
	equal(t, ran.Error(), executed.Error())
	return executed
}

func TestWithoutSetupALaunchSaysSo(t *testing.T) {
	for _, replaces := range []bool{false, true} {
		equal(t, frontEnd{Starter: "none", Exec: replaces}.start(t, "").Error,
			"launch a starter: the host is not set up (call launch.Setup first, with the path of the starter)")
	}
}

func TestAHostThatNamesNoUsableStarter(t *testing.T) {
	equal(t, refusal(t, launch.Host{}, struct{}{}, launch.UseSuid(true)),
		"launch the setuid starter: this host has none (install it, or launch without setuid)")
	equal(t, refusalOf(t, launch.Host{}, "name", struct{}{}).Error(),
		"launch the starter: the host names none (give launch.Setup its path)")
	equal(t, refusal(t, launch.Host{Starter: "bin/starter"}, struct{}{}), `launch starter "bin/starter": the path is not absolute`)
	equal(t, refusal(t, launch.Host{StarterSuid: "bin/suid"}, struct{}{}, launch.UseSuid(true)),
		`launch setuid starter "bin/suid": the path is not absolute`)
	equal(t, refusal(t, launch.Host{Starter: "/bin\x00"}, struct{}{}), `the starter's path "/bin\x00": has a NUL`)
}

func TestAStarterThatCannotBeExecutedComesWithAdvice(t *testing.T) {
	directory := t.TempDir()
	missing, plain, empty := filepath.Join(directory, "no"), filepath.Join(directory, "plain"), filepath.Join(directory, "empty")
	for path, mode := range map[string]fs.FileMode{plain: 0o644, empty: 0o755} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	const allowed = " (it must be executable for this user, and not on a file system mounted noexec)"
	for _, c := range []struct {
		path  string
		errno unix.Errno
		help  string
	}{
		{missing, unix.ENOENT, " (is it installed there, and is the loader that it asks for?)"},
		{plain, unix.EACCES, allowed},
		{directory, unix.EACCES, allowed},
		{empty, unix.ENOEXEC, ""},
	} {
		err := refusalOf(t, launch.Host{Starter: c.path}, "name", struct{}{})
		equal(t, err.Error(), `launch starter "`+c.path+`": `+c.errno.Error()+c.help)
		if !errors.Is(err, c.errno) {
			t.Errorf("%v has lost its errno", err)
		}
	}
}

func TestAStarterWhoseLoaderIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/nonexistent/loader\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := refusalOf(t, launch.Host{Starter: path, ByDescriptor: true}, "name", struct{}{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the loader that it asks for") {
		t.Error(err)
	}
}

func TestANameThatIsTooLongForTheKernel(t *testing.T) {
	err := refusalOf(t, launch.Host{Starter: executable(t)}, strings.Repeat("n", 1<<17), struct{}{})
	if !errors.Is(err, unix.E2BIG) {
		t.Error(err)
	}
}

func TestWordsThatNoProgramCanGet(t *testing.T) {
	host := launch.Host{Starter: executable(t)}
	equal(t, refusalOf(t, host, "a\x00b", struct{}{}).Error(), `argv[0] "a\x00b": has a NUL`)
	equal(t, refusal(t, launch.Host{LevelVariable: "A\x00"}, struct{}{}), `level variable "A\x00": has a NUL`)
	equal(t, refusal(t, launch.Host{LevelVariable: "A=B"}, struct{}{}), `level variable "A=B": not the name of a variable`)
}

func TestAConfigurationThatIsNone(t *testing.T) {
	const help = " (give a pointer to a configuration, or a json.RawMessage for what is JSON already)"
	equal(t, refusal(t, launch.Host{}, make(chan int)), "engine configuration: serialise chan int: json: unsupported type: chan int")
	equal(t, refusal(t, launch.Host{}, (*config.Common)(nil)), "engine configuration: *config.Common is no object in JSON but null"+help)
	equal(t, refusal(t, launch.Host{}, nil), "engine configuration: <nil> is no object in JSON but null"+help)
	equal(t, refusal(t, launch.Host{}, []byte(`{}`)), `engine configuration: []uint8 is no object in JSON but "e30="`+help)
}

func TestStreamsThatCannotBe(t *testing.T) {
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, refusal(t, launch.Host{}, struct{}{}, launch.WithStdin(file)),
		"standard input: the file is not open: file already closed")
	equal(t, refusal(t, launch.Host{}, struct{}{}, launch.WithStderr((*os.File)(nil))),
		"standard error stream: the file is not open: file already closed")

	const why = " is no open file, and nobody would be left to copy (give an *os.File, or use launch.Run)"
	launch.Setup(launch.Host{Starter: executable(t)})
	for text, op := range map[string]launch.CommandOp{
		"standard input: *strings.Reader":      launch.WithStdin(strings.NewReader("")),
		"standard output: *bytes.Buffer":       launch.WithStdout(&bytes.Buffer{}),
		"standard error stream: *bytes.Buffer": launch.WithStderr(&bytes.Buffer{}),
	} {
		equal(t, launch.Exec("name", struct{}{}, op).Error(), "launch in place of this program: "+text+why)
	}
}
