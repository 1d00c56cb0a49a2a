// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/json"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	add(map[string]deed{
		"lock the thread": func(*place) error {
			runtime.LockOSThread()
			return nil
		},
		"unlock the thread": func(*place) error {
			// The starter's own locks too, if they can be.
			for range 8 {
				runtime.UnlockOSThread()
			}
			return nil
		},
		"goroutines": func(*place) error {
			for range 100 {
				go busy()
			}
			return nil
		},
		"collect garbage": collect,
		"collect garbage for ever": func(*place) error {
			go func() {
				for {
					runtime.GC()
				}
			}()
			return nil
		},
		"work on the main thread": func(at *place) error {
			done := make(chan int)
			work <- func() { done <- syscall.Gettid() }
			say("on the main thread: %v", <-done == syscall.Getpid())
			return nil
		},
		"panic on the main thread": func(*place) error {
			work <- func() { panic("work panics on the main thread") }
			stay()
			return nil
		},
		"nil on the main thread": func(*place) error {
			work <- nil
			stay()
			return nil
		},
		"exit on the main thread": func(*place) error {
			work <- func() { runtime.Goexit() }
			// Whether it ended or not, the role goes on.
			return nil
		},
		"block a signal": func(*place) error {
			var one unix.Sigset_t
			one.Val[0] = 1 << (syscall.SIGUSR1 - 1)
			return unix.PthreadSigmask(unix.SIG_BLOCK, &one, nil)
		},
		"block all signals": func(*place) error {
			var all unix.Sigset_t
			for i := range all.Val {
				all.Val[i] = ^uint64(0)
			}
			return unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil)
		},
	})
}

// busy never ends.
func busy() {
	for {
		_, _ = json.Marshal(map[string]int{"a": 1})
		time.Sleep(time.Millisecond)
	}
}

// collect collects garbage during the whole callback, which uses meanwhile what it was given, until a finalizer has run.
func collect(at *place) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	finalized := make(chan struct{})
	func() {
		garbage := new([4096]byte)
		runtime.SetFinalizer(garbage, func(*[4096]byte) { close(finalized) })
	}()
	err := use(at)
	<-finalized
	close(stop)
	<-stopped
	say("%s: a finalizer ran", at.callback)
	return err
}

// use uses what the callback was given, with arguments that nothing else refers to.
func use(at *place) error {
	switch {
	case at.config != nil:
		for range 50 {
			if err := setEverything(at.config); err != nil {
				return err
			}
		}
	case at.callback == "CreateContainer":
		client := client(at.conn)
		for number := range 50 {
			if err := next(client, number); err != nil {
				return err
			}
		}
		return client.Call("bad.Collect", 0, new(int))
	}
	return nil
}
