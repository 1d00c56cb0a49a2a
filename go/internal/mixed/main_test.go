// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package mixed tests programs in which engines, RPC methods, starters and launchers of different languages work together. What
// is in C lies in testdata and is linked into the Go programs in the subfolders. From the environment the tests take
// PKG_CONFIG_PATH, as a host's build does, and PINION, the program beside which the starter in Rust lies.
package mixed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// folder is where the programs of the tests are: the two in Go, cstarter and hello.
var folder string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the programs of the tests:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// Whatever a start leaves behind becomes this process's child.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	if folder, err = os.MkdirTemp("", "pinion-mixed-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	if err := build(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// build compiles the objects, and links the programs.
func build() error {
	engine, err := object("testdata/engine.c")
	if err != nil {
		return err
	}
	methods, err := object("testdata/methods.c")
	if err != nil {
		return err
	}
	bench, err := object("testdata/bench_engine.c")
	if err != nil {
		return err
	}
	if err := link("mixedstarter", engine, methods); err != nil {
		return err
	}
	if err := link("mixedfront", engine, methods, bench); err != nil {
		return err
	}
	if err := compile("cstarter", "testdata/starter.c", engine); err != nil {
		return err
	}
	return compile("hello", "../../../c-tests/hello_starter.c")
}

func program(name string) string { return filepath.Join(folder, name) }

// object compiles a file in C, as strictly as can be.
func object(source string) (path string, err error) {
	flags, err := output("pkg-config", "--cflags", "pinion")
	if err != nil {
		return "", err
	}
	path = program(strings.TrimSuffix(filepath.Base(source), ".c") + ".o")
	words := []string{"-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-c", source, "-o", path}
	_, err = output("cc", append(words, strings.Fields(flags)...)...)
	return path, err
}

// compile builds a program in C.
func compile(name string, sources ...string) error {
	libraries, err := output("pkg-config", "--cflags", "--libs", "--static", "pinion")
	if err != nil {
		return err
	}
	_, err = output("cc", append(append([]string{"-o", program(name)}, sources...), strings.Fields(libraries)...)...)
	return err
}

// link builds a program in Go together with objects. They are words for the linker alone: with those of CGO_LDFLAGS, which name
// another folder each time, the go command would compile every package with C in it, and all that use one, anew.
func link(name string, objects ...string) error {
	flags := "-ldflags=-linkmode=external '-extldflags=" + strings.Join(objects, " ") + "'"
	_, err := output("go", "build", flags, "-o", program(name), "./"+name)
	return err
}

// output runs a command and returns what it wrote.
func output(name string, words ...string) (string, error) {
	command := exec.Command(name, words...)
	var failed strings.Builder
	command.Stderr = &failed
	wrote, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(words, " "), err, failed.String())
	}
	return string(wrote), nil
}
