// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include <stdlib.h>
#include "vtable.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"runtime/debug"
	"strings"
	"syscall"
)

// Error is an error of the core, or one that went through it.
type Error struct {
	// Code is one of the codes of the C interface, PINION_CALLBACK for example.
	Code int
	// Errno is that of the system call which failed, 0 if none did.
	Errno syscall.Errno
	text  string
	help  string
	cause error
}

// Error returns the error in one line, from outer to inner.
func (e *Error) Error() string { return e.text }

// Unwrap returns the Go error that a callback returned, or else the errno.
func (e *Error) Unwrap() error {
	if e.cause == nil && e.Errno != 0 {
		return e.Errno
	}
	return e.cause
}

// LogFatal says the error that ends the process as the core does its own, with what helps.
func LogFatal(err error) {
	text := err.Error()
	var own *Error
	if errors.As(err, &own) && own.help != "" {
		text += "\n  help: " + own.help
	}
	Log(levelFatal, text)
}

// describe makes the text of an engine's error; a host may have its own.
var describe = error.Error

// described is the text of an error, or why there is none: it is the engine's own code that makes it, or the host's.
func described(err error) (text string) {
	defer func() {
		if panicked := recover(); panicked != nil {
			text = fmt.Sprintf("%T: its text cannot be had: %v", err, panicked)
		}
	}()
	return describe(err)
}

// facts are what a C caller asks of an error.
func facts(err error) (code C.int32_t, errno syscall.Errno) {
	code = C.PINION_CALLBACK
	// The methods As, Is and Unwrap are the engine's own.
	defer func() { _ = recover() }()
	var own *Error
	if errors.As(err, &own) {
		code = C.int32_t(own.Code)
	}
	errors.As(err, &errno)
	return code, errno
}

// lower hands a Go error to the core, which keeps it.
func lower(err error) *C.pinion_error {
	if err == nil {
		return nil
	}
	code, errno := facts(err)
	return made(code, errno, described(err), err)
}

func made(code C.int32_t, errno syscall.Errno, text string, err error) *C.pinion_error {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if text == "" {
		text = "an error without a text"
	}
	return C.pinion_go_error(code, C.int32_t(errno), view(text), C.uintptr_t(cgo.NewHandle(err)))
}

// lift takes an error of the core's over.
func lift(raw *C.pinion_error) error {
	err := look(raw)
	C.pinion_error_free(raw)
	return err
}

// look makes a Go error of one that stays the core's.
func look(raw *C.pinion_error) error {
	if raw == nil {
		return nil
	}
	err := &Error{
		Code:  int(C.pinion_error_code(raw)),
		Errno: syscall.Errno(C.pinion_error_errno(raw)),
		text:  C.GoString(C.pinion_error_text(raw)),
	}
	if help := C.pinion_error_help(raw); help != nil {
		err.help = C.GoString(help)
	}
	if handle := C.pinion_go_error_data(raw); handle != 0 {
		err.cause, _ = cgo.Handle(handle).Value().(error)
		if err.cause != nil && described(err.cause) == err.text {
			return err.cause
		}
	}
	return err
}

// panicText says who panicked, and the stack to who wants to know.
func panicText(name string, panicked any) string {
	text := fmt.Sprintf("%s panicked: %v", name, panicked)
	Log(levelDebug, fmt.Sprintf("%s\n%s", text, debug.Stack()))
	return text
}

// guarded calls a callback and makes its error, or its panic, an error of the core.
func guarded(name string, body func() error) (raw *C.pinion_error) {
	returned := false
	defer func() {
		if forked() {
			endFork(name)
		}
		if returned {
			return
		}
		if panicked := recover(); panicked != nil {
			text := panicText(name, panicked)
			err, _ := panicked.(error)
			if err == nil {
				err = fmt.Errorf("%v", panicked)
			}
			raw = made(C.PINION_PANIC, 0, text, err)
			return
		}
		// runtime.Goexit: the goroutine is the core's, which waits for it on this thread, and cannot be ended alone.
		Log(levelError, name+" called runtime.Goexit, which ends the process: a callback returns")
		C.exit(exitFailure)
	}()
	err := body()
	returned = true
	return lower(err)
}
