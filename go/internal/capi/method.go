// SPDX-License-Identifier: Apache-2.0 OR MIT

package capi

/*
#include <unistd.h>
#include "vtable.h"
*/
import "C"

import (
	"runtime/cgo"
	"strings"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// As in net/rpc the argument is read where requests are, and each call has a goroutine of its own.
//
//export pinionGoBegin
func pinionGoBegin(handle C.uintptr_t, argument C.pinion_view, owed *C.pinion_call) {
	method := cgo.Handle(handle).Value().(hook.Method)
	call, err := method.Begin(lent(argument))
	if err != nil {
		refuse(owed, err.Error())
		return
	}
	go answer(method.Name(), call, owed)
}

// answer runs one call and answers it, whatever becomes of it.
func answer(name string, call func() ([]byte, error), owed *C.pinion_call) {
	returned := false
	defer func() {
		if forked() {
			endFork(name)
		}
		if returned {
			return
		}
		text := name + " called runtime.Goexit"
		if panicked := recover(); panicked != nil {
			text = panicText(name, panicked)
		}
		refuse(owed, text)
	}()
	reply, err := call()
	returned = true
	if forked() {
		return
	}
	if err != nil {
		refuse(owed, err.Error())
		return
	}
	warn(lift(C.pinion_call_reply(owed, viewOf(reply))))
}

func refuse(owed *C.pinion_call, text string) {
	warn(lift(C.pinion_call_fail(owed, view(strings.ToValidUTF8(text, "\uFFFD")))))
}

// warn says what nobody is left to be told.
func warn(err error) {
	if err != nil {
		Log(levelWarning, err.Error())
	}
}

// endFork ends a child in which a callback returned: it would wait for ever for Go's other threads, which it does not have.
func endFork(name string) {
	Log(levelError, name+" returned in a process that it has forked as well\n  help: such a child executes a program or calls _exit")
	C._exit(exitFailure)
}
