// SPDX-License-Identifier: Apache-2.0 OR MIT

package building

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each way of building makes a starter whose container starts, with signals as any program expects them.
func TestAStarterIsBuilt(t *testing.T) {
	for _, way := range []struct {
		name  string
		words []string
		check func(t *testing.T, h host, program string)
	}{
		{"plainly", []string{"./cmd/starter"}, needsNoLibrary},
		{"of one file by its path", []string{"./cmd/starter/main_linux.go"}, needsNoLibrary},
		{"to be put anywhere in memory, with no path of whoever built it",
			[]string{"-buildmode=pie", "-trimpath", "./cmd/starter/main_linux.go"}, isMovable},
		{"without symbols", []string{"-ldflags=-s -w", "./cmd/starter"}, isStripped},
		{"without what is not used", []string{"-ldflags=-extldflags=-Wl,--gc-sections", "./cmd/starter"}, needsNoLibrary},
		{"without any library that is searched for",
			[]string{"-ldflags=-linkmode=external -extldflags=-static", "./cmd/starter"}, isStatic},
	} {
		t.Run(way.name, func(t *testing.T) {
			h := newHost(t)
			program := h.build(t, way.words...)
			way.check(t, h, program)
			starts(t, program)
		})
	}
}

func TestAStarterIsBuiltWithTheSharedLibrary(t *testing.T) {
	h := newHost(t)
	program := h.build(t, "-tags=pinion_shared", "./cmd/starter")
	if list := libraries(t, program); !slices.Contains(list, "libpinion.so.0") {
		t.Errorf("needs %q, and no libpinion.so.0", list)
	}
	starts(t, program, "LD_LIBRARY_PATH="+library(t, "libdir"))
}

func TestAVendoredModuleIsBuilt(t *testing.T) {
	h := newHost(t)
	h.goes(t, environment(), "mod", "vendor")
	if _, err := os.Stat(filepath.Join(h.folder, "vendor/github.com/pinion-runtime/pinion/go/starter/boot/boot.c")); err != nil {
		t.Error(err)
	}
	starts(t, h.build(t, "-mod=vendor", "./cmd/starter"))
}

// The archive may lie in the host's own tree: nothing is installed, and pkg-config is not asked.
func TestAVendoredArchiveIsLinked(t *testing.T) {
	h := newHost(t)
	h.goes(t, environment(), "mod", "vendor")
	folder := filepath.Join(h.folder, "vendor/github.com/pinion-runtime/pinion/go/internal/capi")
	if said, err := exec.Command("../../../include/vendor.sh", folder).CombinedOutput(); err != nil {
		t.Fatalf("vendor.sh: %v\n%s", err, said)
	}
	program := filepath.Join(h.folder, "program")
	build := func() {
		h.goes(t, environment("PKG_CONFIG=/nonexistent"), "build", "-mod=vendor", "-tags=pinion_vendored", "-o", program, "./cmd/starter")
	}
	build()
	needsNoLibrary(t, h, program)
	starts(t, program)
	// One of the two is exchanged without the other.
	header := filepath.Join(folder, "pinion.h")
	write(t, header, regexp.MustCompile(`PINION_BUILD 0x.*`).ReplaceAll(read(t, header), []byte("PINION_BUILD 0x0123456789abcdef")))
	build()
	status, said := start(t, program, "host", []string{"/bin/echo", "ran"})
	exits(t, status, 255, said)
	if !strings.HasPrefix(said, "pinion: error: use libpinion: this program was compiled for build 0123456789abcdef") {
		t.Errorf("said %q", said)
	}
}

// The front end is built where there is no C compiler and no library, and launches a starter.
func TestAFrontEndIsBuiltWithoutC(t *testing.T) {
	h := newHost(t)
	starter, front := h.build(t, "./cmd/starter"), filepath.Join(h.folder, "front")
	h.goes(t, environment("CGO_ENABLED=0", "CC=/nonexistent", "PKG_CONFIG=/nonexistent"), "build", "-o", front, "./cmd/front")
	isStatic(t, h, front)
	if os.Getuid() != 0 {
		t.Skip("left out: needs root")
	}
	status, said := end(t, bounded(t, front, starter, "/bin/sh", "-c", script))
	exits(t, status, exitCode, said)
	isUntouched(t, said)
}

func TestVetIsContentWithAHost(t *testing.T) {
	h := newHost(t)
	if said := h.goes(t, environment(), "vet", "./..."); said != "" {
		t.Errorf("go vet: %s", said)
	}
}

// needsNoLibrary says that the archive is the default.
func needsNoLibrary(t *testing.T, _ host, program string) {
	t.Helper()
	for _, name := range libraries(t, program) {
		if strings.Contains(name, "pinion") {
			t.Errorf("needs the shared library %q", name)
		}
	}
}

func isMovable(t *testing.T, h host, program string) {
	t.Helper()
	file := open(t, program)
	if file.Type != elf.ET_DYN {
		t.Errorf("is an %v, not an %v", file.Type, elf.ET_DYN)
	}
	if bytes.Contains(read(t, program), []byte(h.folder)) {
		t.Errorf("has the path %q in it", h.folder)
	}
}

func isStripped(t *testing.T, _ host, program string) {
	t.Helper()
	for _, section := range open(t, program).Sections {
		if section.Type == elf.SHT_SYMTAB || strings.HasPrefix(section.Name, ".debug") {
			t.Errorf("has the section %q", section.Name)
		}
	}
}

func isStatic(t *testing.T, _ host, program string) {
	t.Helper()
	for _, part := range open(t, program).Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("asks for a program that loads libraries")
		}
	}
}

func libraries(t *testing.T, program string) []string {
	t.Helper()
	list, err := open(t, program).ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func open(t *testing.T, program string) *elf.File {
	t.Helper()
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}
