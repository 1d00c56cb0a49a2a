// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const mebibyte = 1 << 20

// textPanics is an error that cannot be told.
type textPanics struct{ error }

func (textPanics) Error() string { panic("an error's text panics") }

func (t textPanics) Unwrap() error { return t.error }

// asPanics is an error that cannot be looked into.
type asPanics struct{ error }

func (asPanics) As(any) bool { panic("an error's As panics") }

// nilPanics is an error whose nil pointer is not nil in an interface.
type nilPanics struct{ text string }

func (n *nilPanics) Error() string { return n.text }

func mine(text string) deed {
	return func(*place) error { return fmt.Errorf("%s: %w", text, errMine) }
}

func init() {
	add(map[string]deed{
		"error":                   mine("told to fail"),
		"error of 1 MiB":          mine("long " + strings.Repeat("x", mebibyte)),
		"error of 1 MiB of \\x01": mine("control " + strings.Repeat("\x01", mebibyte)),
		"error with NULs":         mine("before\x00after"),
		"error of bytes":          mine("before\xff\xfeafter"),
		"error without text":      func(*place) error { return errors.New("") },
		"error that panics":       func(*place) error { return textPanics{errMine} },
		"error whose As panics":   func(*place) error { return asPanics{errMine} },
		"error that is nil":       func(*place) error { return (*nilPanics)(nil) },
		"panic":                   func(*place) error { panic("on purpose") },
		"panic nil":               func(*place) error { panic(nil) },
		"panic error":             func(*place) error { panic(fmt.Errorf("panicked with: %w", errMine)) },
		"panic error that panics": func(*place) error {
			panic(textPanics{errMine})
		},
		"panic of 1 MiB": func(*place) error { panic(strings.Repeat("x", mebibyte)) },
		"exit":           func(*place) error { os.Exit(3); return nil },
		"exit 0":         func(*place) error { os.Exit(0); return nil },
		"hang": func(at *place) error {
			say("%s hangs", at.callback)
			stay()
			return nil
		},
		"hang until cancelled": func(at *place) error {
			say("%s hangs", at.callback)
			<-at.ctx.Done()
			say("%s: %v", at.callback, at.ctx.Err())
			close(cancelled)
			return at.ctx.Err()
		},
		"await another callback's cancellation": func(*place) error {
			<-cancelled
			return nil
		},
		"hang until a signal": func(at *place) error {
			say("%s hangs", at.callback)
			return fmt.Errorf("signal %v came", <-at.signals)
		},
		"limit handshakes to 300 ms": func(at *place) error { return at.config.SetTimeouts(300*time.Millisecond, 0) },
		"nothing":                    func(*place) error { return nil },
	})
}

// cancelled is closed when a context was.
var cancelled = make(chan struct{})

// stay never returns. With a timer Go does not take it for a deadlock.
func stay() {
	for {
		time.Sleep(time.Hour)
	}
}
