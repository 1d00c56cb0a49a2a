// SPDX-License-Identifier: Apache-2.0 OR MIT

package building

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Go's own linker takes the shared library, and leaves out every constructor.
func TestAMissingConstructorIsNamed(t *testing.T) {
	h := newHost(t)
	program := h.build(t, "-tags=pinion_shared", "-ldflags=-linkmode=internal", "./cmd/starter")
	status, said := start(t, program, "host", []string{"/bin/echo", "ran"}, "LD_LIBRARY_PATH="+library(t, "libdir"))
	exits(t, status, 255, said)
	const line = "pinion: error: run the starter: its constructor did not run before Go"
	if !strings.HasPrefix(said, line) || strings.Count(said, "\n") != 1 {
		t.Errorf("said %q, not one line that begins with %q", said, line)
	}
}

// The library stays as it is, and is one of another version, or another build, for a program that was compiled with other words.
func TestAnotherLibraryIsRefused(t *testing.T) {
	version, changed := otherHeader(t, read(t, filepath.Join(library(t, "includedir"), "pinion.h")))
	file := read(t, filepath.Join(library(t, "pcfiledir"), "pinion.pc"))
	build := string(regexp.MustCompile(`DPINION_BUILD=0x([0-9a-f]{16})`).FindSubmatch(file)[1])
	for _, other := range []struct {
		name, says       string
		from, to         string
		header           []byte
		program, library string
	}{
		{"version", "its interface", `(?m)^includedir=.*`, "includedir=${pcfiledir}", changed,
			"built for version " + strconv.Itoa(version+1), "has version " + strconv.Itoa(version)},
		{"build", "this program", `DPINION_BUILD=0x[0-9a-f]*`, "DPINION_BUILD=0x0123456789abcdef", nil,
			"compiled for build 0123456789abcdef", "linked with build " + build},
	} {
		t.Run(other.name, func(t *testing.T) {
			h := newHost(t)
			// A copy, for the go command has compiled this module with the real words and would take that.
			tree, packages := filepath.Join(h.folder, "pinion"), filepath.Join(h.folder, "packages")
			if err := os.CopyFS(tree, os.DirFS("../..")); err != nil {
				t.Fatal(err)
			}
			h.use(t, tree)
			if err := os.Mkdir(packages, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(packages, "pinion.pc"), regexp.MustCompile(other.from).ReplaceAllLiteral(file, []byte(other.to)))
			if other.header != nil {
				write(t, filepath.Join(packages, "pinion.h"), other.header)
			}
			path := "PKG_CONFIG_PATH=" + packages + ":" + os.Getenv("PKG_CONFIG_PATH")
			program := filepath.Join(h.folder, "program")
			h.goes(t, environment(path), "build", "-o", program, "./cmd/starter")

			status, said := start(t, program, "host", []string{"/bin/echo", "ran"}, "POST_START_HOST=1", "CLEANUP_HOST=1")
			exits(t, status, 255, said)
			// More lines would come from a process of a start.
			if !strings.HasPrefix(said, "pinion: error: use libpinion: "+other.says) || strings.Count(said, "\n") != 2 ||
				!strings.Contains(said, other.program) || !strings.Contains(said, other.library) ||
				!strings.Contains(said, "\n  help: build ") {
				t.Errorf("said %q", said)
			}
		})
	}
}

// otherHeader returns the header's version, and the header with the next one.
func otherHeader(t *testing.T, header []byte) (version int, changed []byte) {
	t.Helper()
	const define = "#define PINION_ABI_VERSION "
	line := regexp.MustCompile(define + `[0-9]+`).Find(header)
	version, err := strconv.Atoi(strings.TrimPrefix(string(line), define))
	if err != nil {
		t.Fatalf("pinion.h has no line %q with a number: %v", define, err)
	}
	return version, bytes.Replace(header, line, []byte(define+strconv.Itoa(version+1)), 1)
}
