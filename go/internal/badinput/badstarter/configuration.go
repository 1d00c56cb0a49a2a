// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/pinion-runtime/pinion/go/engine"
	"github.com/pinion-runtime/pinion/go/engine/config"
	"github.com/pinion-runtime/pinion/go/starter"
)

// marshals is what has no JSON, or one that calls something.
type marshals struct{ do func() error }

func (m marshals) MarshalJSON() ([]byte, error) {
	if err := m.do(); err != nil {
		return nil, err
	}
	return []byte("null"), nil
}

// unmarshals cannot be read.
type unmarshals struct{}

func (*unmarshals) UnmarshalJSON([]byte) error { panic("UnmarshalJSON panics") }

// answering is an engine whose Config answers what it is told to.
type answering struct {
	badEngine
	answer func() config.EngineConfig
}

func (a *answering) Config() config.EngineConfig { return a.answer() }

// InitConfig leaves the zero value to the callbacks: what Config answered is none of their settings.
func (a *answering) InitConfig(common *config.Common) { a.own, a.common = new(settings), common }

// unwrapping is a wrapper that has nothing to give.
type unwrapping struct{ engine.Operations }

func (*unwrapping) Unwrap() engine.Operations { panic("Unwrap panics") }

func odd(value any) deed {
	return func(at *place) error {
		at.engine.own.Odd = value
		return nil
	}
}

const most = 64 << 20

func init() {
	add(map[string]deed{
		"leave a channel": odd(make(chan int)),
		"leave what does not marshal": odd(marshals{func() error {
			return fmt.Errorf("no JSON of mine: %w", errMine)
		}}),
		"leave what panics when marshalled": odd(marshals{func() error { panic("MarshalJSON panics") }}),
		"leave what exits when marshalled":  odd(marshals{func() error { os.Exit(3); return nil }}),
		"leave 64 MiB and a byte":           fill(most + 1),
		"write 64 MiB and a byte": func(at *place) error {
			return at.config.Write(strings.Repeat("x", most-1))
		},
		"write a channel": func(at *place) error { return at.config.Write(make(chan int)) },
		"write what panics": func(at *place) error {
			return at.config.Write(marshals{func() error { panic("MarshalJSON panics") }})
		},
		"tell the length": func(at *place) error {
			say("%s: text of %d bytes", at.callback, len(at.engine.own.Text))
			return nil
		},
		// For the next process there is nothing to be read.
		"leave nil": func(at *place) error {
			at.engine.common.EngineConfig = nil
			return nil
		},
		"leave another name": func(at *place) error {
			at.engine.common.EngineName = "nobody"
			return nil
		},
		"leave no name": func(at *place) error {
			at.engine.common.EngineName = ""
			return nil
		},
	})
	for name, answer := range map[string]func() config.EngineConfig{
		"nil config":       func() config.EngineConfig { return nil },
		"typed nil config": func() config.EngineConfig { return (*settings)(nil) },
		"config panics":    func() config.EngineConfig { panic("Config panics") },
		"config exits":     func() config.EngineConfig { os.Exit(3); return nil },
		"unmarshal panics": func() config.EngineConfig { return new(unmarshals) },
		"a channel":        func() config.EngineConfig { return new(chan int) },
		"a function":       func() config.EngineConfig { return new(func()) },
	} {
		engine.RegisterOperations(name, &answering{answer: answer})
	}
	engine.RegisterOperations("typed nil", (*badEngine)(nil))
}

// fill makes the document so many bytes long.
func fill(size int) deed {
	return func(at *place) error {
		at.engine.own.Text = "x"
		document, err := json.Marshal(at.engine.common)
		if err != nil {
			return err
		}
		at.engine.own.Text = strings.Repeat("x", size-len(document)+1)
		return nil
	}
}

// keepPipes makes two pipes that the later processes have at the same numbers.
func (s *settings) keepPipes(c *starter.Config) error {
	for i := 0; i < len(s.Pipes); i += 2 {
		if err := syscall.Pipe2(s.Pipes[i:i+2], syscall.O_CLOEXEC); err != nil {
			return err
		}
	}
	for _, fd := range s.Pipes {
		if err := c.KeepFileDescriptor(fd); err != nil {
			return err
		}
	}
	return nil
}
