// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package dropin tests that pinion can take the place of parts of a runtime: a small one, of a front end, a starter and an
// engine, is built three times from one source, and does the same each time. It stands for attached runs as root; what engines
// rely on in instances and in the setuid flow (lines 4, 10 and 13 of that list) is left out, since the core refuses both in this
// version.
package dropin

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// variant is the runtime with one set of host packages.
type variant struct {
	name string
	// tags are those that it is built with; none leaves those of the tests.
	tags string
	// frontend and starter are its programs.
	frontend, starter string
}

// variants begin with the one that the others are compared with.
var variants = []*variant{
	{name: "plain", tags: "dropin_plain"},
	{name: "level 1", tags: "dropin_level1"},
	{name: "everything", tags: ""},
}

// mixed has the host's own front end, which hands the configuration over by environment, and the starter of everything.
var mixed = &variant{name: "everything by environment"}

func TestMain(m *testing.M) {
	os.Exit(testAll(m))
}

func testAll(m *testing.M) int {
	if os.Getuid() != 0 {
		// Each test says that it is left out.
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "pinion-dropin-")
	if err == nil {
		defer os.RemoveAll(folder)
		err = build(folder)
	}
	if err == nil {
		// What a run leaves behind becomes a child of this process.
		err = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the drop-in:", err)
		return 1
	}
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" {
		for _, one := range unused() {
			fmt.Fprintf(os.Stderr, "no run shows the difference that is meant: %+v\n", one)
			code = 1
		}
	}
	return code
}

func build(folder string) error {
	for i, one := range variants {
		own := filepath.Join(folder, fmt.Sprint(i))
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		one.frontend, one.starter = filepath.Join(own, "frontend"), filepath.Join(own, "starter")
		command := exec.Command("go", "build", "-o", own+"/", "./frontend", "./starter")
		if one.tags != "" {
			// What has no core in it is pure Go.
			command = exec.Command("go", "build", "-tags", one.tags, "-o", own+"/", "./frontend", "./starter")
			command.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", one.name, err, output)
		}
	}
	mixed.frontend, mixed.starter = variants[0].frontend, variants[2].starter
	return nil
}
