// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/launch"
)

func TestTheExitStatusIsTheStarters(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t)})
	for _, status := range []int{1, 127, 255} {
		err := launch.Run(orders{Exit: status}.name(), struct{}{})
		// Hosts assert the type, as they do for os/exec.
		exit, is := err.(*exec.ExitError)
		if !is || exit.ExitCode() != status {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestTheSignalIsTheStarters(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t)})
	err := launch.Run(orders{Signal: unix.SIGKILL}.name(), struct{}{})
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	status, is := exit.Sys().(syscall.WaitStatus)
	if !is || !status.Signaled() || status.Signal() != unix.SIGKILL || exit.ExitCode() != -1 {
		t.Error(exit)
	}
}

func TestStreamsOfThisProgramAreCopied(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t), ByDescriptor: true})
	input := strings.Repeat("more than a pipe holds ", 10_000)
	var stdout, stderr bytes.Buffer
	err := launch.Run(orders{Copy: true}.name(), struct{}{},
		launch.WithStdin(strings.NewReader(input)), launch.WithStdout(&stdout), launch.WithStderr(&stderr))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, stdout.String() == input, true)
	equal(t, stderr.String(), "copied\n")
}

func TestAWriterForBothStreams(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t)})
	var both bytes.Buffer
	err := launch.Run(orders{Copy: true}.name(), struct{}{},
		launch.WithStdin(strings.NewReader("input")), launch.WithStdout(&both), launch.WithStderr(&both))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, both.String(), "copied\ninput")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestAWriterThatFailsIsReported(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t)})
	err := launch.Run(orders{}.name(), struct{}{}, launch.WithStdout(full{}))
	if !errors.Is(err, io.ErrShortWrite) || !strings.HasPrefix(err.Error(), "wait for starter ") {
		t.Error(err)
	}
}

func TestFilesAreHandedOver(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t)})
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reported := filepath.Join(t.TempDir(), "report")
	err = launch.Run(orders{Report: reported}.name(), struct{}{},
		launch.WithStdin(file), launch.WithStdout(file), launch.WithStderr(file))
	if err != nil {
		t.Fatal(err)
	}
	var given report
	read(t, reported, &given)
	equal(t, given.Streams, [3]string{file.Name(), file.Name(), file.Name()})
}

func TestStreamsThatAreNotGivenAreTheNullDevice(t *testing.T) {
	launch.Setup(launch.Host{Starter: executable(t)})
	reported := filepath.Join(t.TempDir(), "report")
	if err := launch.Run(orders{Report: reported}.name(), struct{}{}, launch.WithStdin(nil)); err != nil {
		t.Fatal(err)
	}
	var given report
	read(t, reported, &given)
	equal(t, given.Streams, [3]string{os.DevNull, os.DevNull, os.DevNull})
}

func TestSeveralStartersRunAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for _, byDescriptor := range []bool{false, true, false, true} {
		all.Go(func() {
			launch.Setup(launch.Host{Starter: executable(t), ByDescriptor: byDescriptor})
			var stdout bytes.Buffer
			if err := launch.Run(orders{}.name(), sized(500_000), launch.WithStdout(&stdout)); err != nil {
				t.Error(err)
			}
			if !strings.Contains(stdout.String(), sum(sized(500_000).text())) {
				t.Errorf("another configuration arrived: %.200s", stdout.String())
			}
		})
	}
	all.Wait()
}
