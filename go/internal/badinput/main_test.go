// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// program is the starter of the tests.
var program string

// TestMain is the caller of a start as well, for what must not happen to this process.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "caller" {
		fmt.Fprintln(os.Stderr, become(os.Args[2]))
		os.Exit(99)
	}
	// Whatever a start leaves behind becomes this process's child.
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	var folder string
	if err == nil {
		folder, err = os.MkdirTemp("", "pinion-badinput-")
	}
	if err == nil {
		program = filepath.Join(folder, "badstarter")
		build := exec.Command("go", "build", "-o", program, "./badstarter")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the starter of the tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}
