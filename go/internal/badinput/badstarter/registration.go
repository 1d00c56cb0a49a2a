// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/pinion-runtime/pinion/go/engine"
)

func init() {
	add(map[string]deed{
		"register": func(at *place) error {
			register(at)
			return nil
		},
		"register elsewhere": func(at *place) error {
			done := make(chan struct{})
			go func() {
				defer close(done)
				register(at)
			}()
			<-done
			return nil
		},
		"register its own name": func(at *place) error {
			engine.RegisterOperations("bad", new(badEngine))
			// It is given its own configuration again.
			document, err := json.Marshal(map[string]any{"engineName": "bad", "engineConfig": at.engine.own})
			if err != nil {
				return err
			}
			got, err := engine.Get(document)
			if err != nil {
				return err
			}
			say("%s: its own engine afterwards: %T", at.callback, got.Operations)
			return nil
		},
	})
	if len(os.Args) == 0 {
		return
	}
	// What no other start of this program is to see.
	switch os.Args[0] {
	case "registers nil":
		engine.RegisterOperations("late", nil)
	case "registers no name":
		engine.RegisterOperations("", new(badEngine))
	case "registers NUL":
		engine.RegisterOperations("a\x00b", new(badEngine))
	case "registers methods of NUL":
		engine.RegisterRPCMethods("a\x00b", new(methods))
	case "registers methods of no name":
		engine.RegisterRPCMethods("", new(methods))
	case "registers what panics":
		engine.RegisterOperations("late", &unwrapping{new(badEngine)})
	case "registers invalid UTF-8":
		engine.RegisterOperations("\xff", new(badEngine))
	}
}

// register registers too late: another name, the engine's own, and methods of both.
func register(at *place) {
	engine.RegisterOperations("late", new(badEngine))
	say("%s: operations: %v", at.callback, oneLine(engine.RegistrationError()))
	engine.RegisterRPCMethods("late", new(methods))
	say("%s: methods: %v", at.callback, oneLine(engine.RegistrationError()))
	engine.RegisterOperations("bad", new(badEngine))
	say("%s: own operations: %v", at.callback, oneLine(engine.RegistrationError()))
	engine.RegisterRPCMethods("bad", new(methods))
	say("%s: own methods: %v", at.callback, oneLine(engine.RegistrationError()))
	// A refused registration takes the name, which is not there then.
	_, err := engine.Get([]byte(`{"engineName":"late"}`))
	say("%s: get: %v", at.callback, err)
}

func oneLine(err error) string {
	if err == nil {
		return "no error"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
