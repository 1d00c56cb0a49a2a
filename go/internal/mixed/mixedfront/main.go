// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command mixedfront is a program in Go with the core in it that is no starter. Objects in C that it is linked with (testdata)
// bring the engines "mixed-c" and "bench-c"; an engine in Go is called "peer". Its argument names the case that it runs; without
// one it lists them. Whatever is not as it should be it writes to the standard output, and ends with 1.
package main

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	_ "github.com/pinion-runtime/pinion/go/core"
	"github.com/pinion-runtime/pinion/go/internal/capi"
)

var cases = map[string]func(*run){}

// patience is how long something may take that is to happen.
const patience = 30 * time.Second

func main() {
	if len(os.Args) < 2 {
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			fmt.Println(name)
		}
		return
	}
	body, known := cases[os.Args[1]]
	if !known {
		fmt.Printf("there is no case %q\n", os.Args[1])
		os.Exit(2)
	}
	r := newRun()
	r.leavesNothing(body)
	if r.failed {
		os.Exit(1)
	}
}

// leavesNothing runs a case twice: what the first run has left over from beginning is no leak.
func (r *run) leavesNothing(body func(*run)) {
	body(r)
	objects, descriptors := capi.ObjectCount(), openDescriptors()
	body(r)
	// Engines of other languages are freed with the garbage, and with them what they have open: some of it that was there before
	// may be gone by now.
	r.eventually(func() bool {
		runtime.GC()
		return capi.ObjectCount() <= objects && within(openDescriptors(), descriptors)
	}, func() string {
		return fmt.Sprintf("objects of the core: %d, not %d; descriptors: %v, not %v", capi.ObjectCount(), objects, openDescriptors(), descriptors)
	})
}

// within says whether all of these are among those.
func within(these, those map[string]string) bool {
	for key, value := range these {
		if those[key] != value {
			return false
		}
	}
	return true
}

// eventually waits for what another goroutine does, with nothing to wait on: the garbage collector's.
func (r *run) eventually(is func() bool, otherwise func() string) {
	for end := time.Now().Add(patience); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			r.errorf("%s", otherwise())
			return
		}
	}
}

func openDescriptors() map[string]string {
	found := map[string]string{}
	list, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range list {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			found[entry.Name()] = target
		}
	}
	return found
}
