// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package capi is the core's C interface in Go's types: the only package beside boot that knows C. Handles of the core stay in
// here; what other packages get are interfaces of package hook.
package capi

/*
#cgo CFLAGS: -std=gnu99
#include <stdlib.h>
#include "vtable.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/cgo"
	"strings"
	"unsafe"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// The levels of messages that are used here.
const (
	levelFatal   = -4
	levelError   = -3
	levelWarning = -2
	levelDebug   = 5
)

// exitFailure is the exit code of the runtime's own failures.
const exitFailure = 255

// CheckABI refuses a library that is another one than the header.
func CheckABI() error {
	if is := uint32(C.pinion_abi_version()); is != C.PINION_ABI_VERSION {
		return fmt.Errorf("use libpinion: its interface has version %d, and this program was built for version %d: "+
			"build the program again with the header that belongs to the library", is, C.PINION_ABI_VERSION)
	}
	// The shared library, which may be exchanged, says 0.
	if with, is := uint64(C.pinion_go_build), uint64(C.pinion_build()); with != 0 && is != 0 && with != is {
		return fmt.Errorf("use libpinion: this program was compiled for build %016x of the archive and linked with build %016x: "+
			"build it with go build -a, as the go command does not look into archives", with, is)
	}
	return nil
}

// Version returns the library's version.
func Version() string {
	return C.GoString(C.pinion_version())
}

// view lends a Go string for one call.
func view(text string) C.pinion_view {
	return C.pinion_view{data: (*C.uint8_t)(unsafe.StringData(text)), length: C.size_t(len(text))}
}

// viewOf lends Go bytes for one call.
func viewOf(bytes []byte) C.pinion_view {
	return C.pinion_view{data: (*C.uint8_t)(unsafe.SliceData(bytes)), length: C.size_t(len(bytes))}
}

// lent is what the core lends for one call.
func lent(view C.pinion_view) []byte {
	return unsafe.Slice((*byte)(view.data), int(view.length))
}

// taken copies bytes of the core's and frees them.
func taken(bytes *C.pinion_bytes) []byte {
	defer C.pinion_bytes_free(bytes)
	return append([]byte(nil), lent(C.pinion_bytes_view(bytes))...)
}

// give makes bytes for the core.
func give(bytes []byte, into **C.pinion_bytes) error {
	return lift(C.pinion_bytes_new(viewOf(bytes), into))
}

//export pinionGoDrop
func pinionGoDrop(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}

// Log says something as the core does: at a level from -4 (fatal) to 5 (debug), in one line.
func Log(level int, text string) {
	C.pinion_log(C.int32_t(level), view(strings.ToValidUTF8(text, "\uFFFD")))
}

// sink gets the core's messages.
var sink func(level int, text string)

// SetSink lets messages of the core go to a function in place of the standard error stream. Any thread calls it at any moment.
func SetSink(to func(level int, text string)) error {
	sink = to
	return lift(C.pinion_go_set_sink())
}

//export pinionGoSay
func pinionGoSay(level C.int32_t, text *C.char) {
	// A panic must not cross the core's frames, and the message must not be lost.
	defer func() {
		if panicked := recover(); panicked != nil {
			fmt.Fprintf(os.Stderr, "pinion: error: %s\npinion: error: the host's log panicked: %v\n", C.GoString(text), panicked)
		}
	}()
	sink(int(level), C.GoString(text))
}

// SetDescribe chooses how an engine's error is told to people.
func SetDescribe(to func(error) string) {
	describe = to
}

// RecordIsOn says whether a record of the life is kept.
func RecordIsOn() bool {
	return bool(C.pinion_record_is_on())
}

// RecordEvent adds an event to the record, if one is kept: keys is what encoding/json makes an object of, or nil.
func RecordEvent(name string, keys any) error {
	text := []byte{}
	if keys != nil {
		var err error
		if text, err = json.Marshal(keys); err != nil {
			return fmt.Errorf("record %q: %w", name, err)
		}
	}
	return lift(C.pinion_record_event(view(name), viewOf(text)))
}

// Credentials are ids and capability sets of a thread: real, effective, saved; bit 0 is CAP_CHOWN.
type Credentials struct {
	UID, GID                          [3]uint32
	Effective, Permitted, Inheritable uint64
}

// ReadCredentials reads what the kernel says of the calling thread.
func ReadCredentials() (Credentials, error) {
	var raw C.pinion_credentials
	raw.size = C.size_t(unsafe.Sizeof(raw))
	if err := lift(C.pinion_credentials_read(&raw)); err != nil {
		return Credentials{}, err
	}
	made := Credentials{
		Effective:   uint64(raw.effective),
		Permitted:   uint64(raw.permitted),
		Inheritable: uint64(raw.inheritable),
	}
	for i := range 3 {
		made.UID[i], made.GID[i] = uint32(raw.uid[i]), uint32(raw.gid[i])
	}
	return made, nil
}

// ObjectCount is how many objects of the core this process holds, for tests of leaks.
func ObjectCount() int {
	return int(C.pinion_object_count())
}

// Role is what this process does in a lifecycle.
type Role int

// The roles.
const (
	RoleNone          Role = C.PINION_ROLE_NONE
	RolePostStartHost Role = C.PINION_ROLE_POST_START_HOST
	RoleCleanupHost   Role = C.PINION_ROLE_CLEANUP_HOST
	RoleCleanupSpare  Role = C.PINION_ROLE_CLEANUP_SPARE
	RoleStage1        Role = C.PINION_ROLE_STAGE1
	RoleMaster        Role = C.PINION_ROLE_MASTER
	RoleRPCServer     Role = C.PINION_ROLE_RPC_SERVER
	RoleStage2        Role = C.PINION_ROLE_STAGE2
)

// CurrentRole returns the role of this process.
func CurrentRole() Role {
	return Role(C.pinion_lifecycle_role())
}

// RunRole runs the role and ends the process. It returns only with an error: there is no role.
func RunRole() error {
	hook.Begin()
	return came(C.pinion_lifecycle_run_role())
}

// FailRole ends the role by an error of the program's, and the process. It returns only with an error: there is no role.
func FailRole(failure error) error {
	return came(C.pinion_lifecycle_fail_role(lower(failure)))
}

func came(raw *C.pinion_error) error {
	err := lift(raw)
	if err == nil {
		err = errors.New("run the role of this process: it came back")
	}
	return err
}
