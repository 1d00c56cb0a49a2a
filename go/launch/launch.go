// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package launch starts a starter from a front end. The starter's environment is made from nothing; the engine configuration
// travels in it, or in a sealed memory file.
//
//	launch.Setup(launch.Host{Starter: "/usr/libexec/product/starter"})
//	err := launch.Run("Product runtime parent", common, launch.WithStdout(os.Stdout), launch.WithStderr(os.Stderr))
//
// The package is pure Go, prints nothing, and changes nothing of the process but for the time of a call. It is for Linux.
package launch

// Exec replaces this program by the starter, with name as argv[0] and config as the engine configuration: normally a
// *config.Common, and in any case a value that encoding/json writes as an object. It returns only with an error; the process is
// then as it was before.
//
// A standard stream that no option gives stays this program's. One that is given must be an *[os.File]: nobody would be left to
// copy from or to anything else. Other descriptors without close-on-exec are the starter's, at their own numbers.
//
// As with [syscall.Exec], deferred functions do not run, and the starter ignores the signals that this program ignores. No other
// goroutine can start a program meanwhile, so that nothing of the starter's gets into one; but where the starter cannot be
// executed after all, what another goroutine read from or wrote to a standard stream may have been the starter's.
//
// Errors: no Setup; no setuid starter; the starter not found or not executable; a name, path or level variable that no program
// can get; a configuration that cannot be serialised or is too big for its way; a stack limit that is too low for it; a stream
// that is not open; a system call. The errno, where there is one, is found by [errors.Is] and [errors.As]; what helps is in parentheses.
func Exec(name string, config any, ops ...CommandOp) error {
	command, err := newCommand(name, config, ops)
	if err != nil {
		return err
	}
	return command.exec()
}

// Run starts the starter, with name and config as Exec has them, and waits for its end. Where that is no success, the error is an
// *[exec.ExitError] itself: it has the exit code, and in Sys the [syscall.WaitStatus] with the signal.
//
// Streams are those of [exec.Cmd]: one that no option gives is the null device; an *[os.File] is handed over; anything else is
// copied through a pipe by a goroutine, for whose end Run waits. The reader of a standard input that never ends is therefore
// better given as a file. Other descriptors without close-on-exec are the starter's, at their own numbers.
//
// A program that ignores SIGCHLD, or waits for any child in another goroutine, must not call it: the status would be lost. Signals
// are not passed on. Several goroutines may run starters at once.
//
// Errors before the start: as Exec. After it: that of waiting or copying, where the starter itself succeeded.
func Run(name string, config any, ops ...CommandOp) error {
	command, err := newCommand(name, config, ops)
	if err != nil {
		return err
	}
	return command.run()
}
