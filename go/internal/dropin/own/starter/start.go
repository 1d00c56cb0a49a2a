// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"
)

// start goes from the launcher's exec to the role of master.
func start(load Load) (code int, err error) {
	if err := clearSignals(); err != nil {
		return 0, err
	}
	document, err := environmentConfig()
	if err != nil {
		return 0, err
	}
	_, postStartHost := os.LookupEnv("POST_START_HOST")
	_, cleanupHost := os.LookupEnv("CLEANUP_HOST")
	given := handover{Name: os.Args[0], Plan: starterconfig.Plan{Document: document}, CleanupHost: cleanupHost}
	if postStartHost {
		if given.PostStart, err = hostProcess(rolePostStartHost, given); err != nil {
			return 0, err
		}
	}
	if cleanupHost {
		if given.Cleanup, err = hostProcess(roleCleanupHost, given); err != nil {
			return 0, err
		}
	}
	// The processes on the host have it as it was.
	keepEnvironment()
	plan, code, err := askEngine(given)
	if err != nil || code != 0 {
		return code, errors.Join(err, standDown(given))
	}
	given.Plan = plan
	if plan.WorkingDirectory >= 0 {
		if err := syscall.Fchdir(plan.WorkingDirectory); err != nil {
			return 0, fmt.Errorf("change to the working directory: %w", err)
		}
	}
	if plan.Create&unix.CLONE_NEWUSER != 0 {
		return masterInUserNamespace(given)
	}
	return master(given, load)
}

// standDown tells the host processes that the run has failed before it began, and waits until they have heard it.
func standDown(given handover) error {
	var failed error
	for _, socket := range []int{given.PostStart, given.Cleanup} {
		if socket > 0 {
			failed = errors.Join(failed, writeByte(socket, 'q'))
			readByte(socket)
		}
	}
	return failed
}

// clearSignals lets this program begin once more where the caller has ignored or blocked signals: Go hands on to its children
// what it began with.
func clearSignals() error {
	var mask unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, &mask); err != nil {
		return fmt.Errorf("clear the signal mask: %w", err)
	}
	if mask == (unix.Sigset_t{}) && !signal.Ignored(syscall.SIGHUP) && !signal.Ignored(syscall.SIGINT) {
		return nil
	}
	signal.Reset()
	for _, kind := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if err := defaultAction(kind); err != nil {
			return err
		}
	}
	path, err := os.Executable()
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	return fmt.Errorf("begin once more: %w", err)
}

// environmentConfig puts the document together.
func environmentConfig() ([]byte, error) {
	count, err := strconv.Atoi(os.Getenv("ENGINE_CONFIG_CHUNKS"))
	if err != nil || count < 1 || count > 8 {
		return nil, fmt.Errorf("read the configuration: ENGINE_CONFIG_CHUNKS is %q", os.Getenv("ENGINE_CONFIG_CHUNKS"))
	}
	var document strings.Builder
	for i := range count {
		chunk, there := os.LookupEnv(fmt.Sprintf("ENGINE_CONFIG%d", i+1))
		if !there {
			return nil, fmt.Errorf("read the configuration: chunk %d of %d is missing", i+1, count)
		}
		document.WriteString(chunk)
	}
	return []byte(document.String()), nil
}

// keepEnvironment leaves what the other processes may see.
func keepEnvironment() {
	kept := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name != "GOGC" && name != "GODEBUG" && !strings.HasSuffix(name, "_MESSAGELEVEL")
	})
	os.Clearenv()
	for _, variable := range kept {
		name, value, _ := strings.Cut(variable, "=")
		os.Setenv(name, value)
	}
}

// hostProcess makes a process that stays on the host, and returns the socket to it.
func hostProcess(role string, given handover) (socket int, err error) {
	pair, err := socketPair()
	if err != nil {
		return 0, err
	}
	given.Socket, given.PostStart, given.Cleanup = pair[1], 0, 0
	_, err = spawn(role, given, []int{pair[1]}, syscall.SysProcAttr{})
	unix.Close(pair[1])
	return pair[0], err
}

// askEngine has stage 1 call PrepareConfig. A code other than 0 is how it ended that way.
func askEngine(given handover) (plan starterconfig.Plan, code int, err error) {
	pair, err := socketPair()
	if err != nil {
		return plan, 0, err
	}
	given.Socket = pair[1]
	pid, err := spawn(roleStage1, given, []int{pair[1]}, syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL})
	unix.Close(pair[1])
	if err != nil {
		return plan, 0, err
	}
	plan, received := receivePlan(pair[0])
	unix.Close(pair[0])
	status, err := await(pid)
	switch {
	case err != nil:
		return plan, 0, fmt.Errorf("wait for stage 1: %w", err)
	case status.Signaled():
		return plan, 0, repeat(status.Signal())
	case status.ExitStatus() != 0:
		return plan, status.ExitStatus(), nil
	}
	return plan, 0, received
}
