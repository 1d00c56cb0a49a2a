// SPDX-License-Identifier: Apache-2.0 OR MIT

// Command badstarter is a starter whose engine misbehaves as its configuration says, for the tests of bad input. argv[0] chooses
// what the host is like; standard error tells what was seen.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"syscall"

	"github.com/pinion-runtime/pinion/go/internal/capi"
	"github.com/pinion-runtime/pinion/go/starter"
)

// say writes one line that a test looks for, in one piece: several processes write at once. Not by os.Stderr, so that a callback
// which closed Go's own descriptors can still speak.
func say(format string, values ...any) {
	syscall.Write(2, fmt.Appendf(nil, "bad: "+format+"\n", values...))
}

// work is for the main thread.
var work = make(chan func())

// hosts are the hosts by argv[0].
var hosts = map[string]func() starter.Host{
	"log panics": func() starter.Host {
		return starter.Host{Log: func(_ int, text string) { panic("the host's log panics at " + strconv.Quote(text)) }}
	},
	"log waits": func() starter.Host {
		// Only the other goroutine can let it go on.
		return starter.Host{Log: func(level int, text string) {
			done := make(chan struct{})
			go func() {
				runtime.GC()
				close(done)
			}()
			<-done
			say("log %d: %s", level, text)
		}}
	},
	"log blocks": func() starter.Host {
		return starter.Host{Log: func(_ int, text string) {
			say("the log blocks at: %s", text)
			stay()
		}}
	},
	"log logs": func() starter.Host {
		return starter.Host{Log: func(level int, text string) {
			capi.Log(level, "from inside of the log: "+text)
			say("log %d: %s", level, text)
		}}
	},
	"log exits": func() starter.Host {
		return starter.Host{Log: func(int, string) { os.Exit(9) }}
	},
	"explain panics": func() starter.Host {
		return starter.Host{Explain: func(error) string { panic("the host cannot explain") }}
	},
	"explain says nothing": func() starter.Host {
		return starter.Host{Explain: func(error) string { return "" }}
	},
	"main thread is closed": func() starter.Host {
		closed := make(chan func())
		close(closed)
		return starter.Host{MainThread: closed}
	},
	"main thread": func() starter.Host { return starter.Host{MainThread: work} },
}

func main() {
	var host starter.Host
	if len(os.Args) > 0 {
		if made, known := hosts[os.Args[0]]; known {
			host = made()
		}
	}
	starter.Main(host)
}
