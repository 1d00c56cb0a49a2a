// SPDX-License-Identifier: Apache-2.0 OR MIT

package main

import (
	"fmt"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/starter"
)

// kept outlives PrepareConfig.
var kept *starter.Config

// setters are those that return an error.
var setters = map[string]func(*starter.Config) error{
	"KeepFileDescriptor": func(c *starter.Config) error { return c.KeepFileDescriptor(0) },
	"Write":              func(c *starter.Config) error { return c.Write(settings{}) },
	"AddUIDMappings":     func(c *starter.Config) error { return c.AddUIDMappings([]specs.LinuxIDMapping{{Size: 1}}) },
	"AddGIDMappings":     func(c *starter.Config) error { return c.AddGIDMappings([]specs.LinuxIDMapping{{Size: 1}}) },
	"SetNewUIDMapPath":   func(c *starter.Config) error { return c.SetNewUIDMapPath() },
	"SetNewGIDMapPath":   func(c *starter.Config) error { return c.SetNewGIDMapPath() },
	"SetNsPath":          func(c *starter.Config) error { return c.SetNsPath("pid", "/proc/self/ns/pid") },
	"SetNsPathFromSpec": func(c *starter.Config) error {
		return c.SetNsPathFromSpec([]specs.LinuxNamespace{{Type: "pid", Path: "/proc/self/ns/pid"}})
	},
	"SetTimeouts":   func(c *starter.Config) error { return c.SetTimeouts(time.Second, 0) },
	"NoteMount":     func(c *starter.Config) error { return c.NoteMount("/nonexistent/pinion") },
	"NoteFile":      func(c *starter.Config) error { return c.NoteFile("/nonexistent/pinion") },
	"NoteDirectory": func(c *starter.Config) error { return c.NoteDirectory("/nonexistent/pinion") },
	"Release":       func(c *starter.Config) error { return c.Release() },
}

// silent are the setters whose error is PrepareConfig's.
var silent = map[string]func(*starter.Config){
	"SetInstance":               func(c *starter.Config) { c.SetInstance(false) },
	"SetNoNewPrivs":             func(c *starter.Config) { c.SetNoNewPrivs(false) },
	"SetMasterPropagateMount":   func(c *starter.Config) { c.SetMasterPropagateMount(false) },
	"SetNamespaceJoinOnly":      func(c *starter.Config) { c.SetNamespaceJoinOnly(false) },
	"SetBringLoopbackInterface": func(c *starter.Config) { c.SetBringLoopbackInterface(false) },
	"SetMountPropagation":       func(c *starter.Config) { c.SetMountPropagation("private") },
	"SetWorkingDirectoryFd":     func(c *starter.Config) { c.SetWorkingDirectoryFd(0) },
	"SetImageFd":                func(c *starter.Config) { c.SetImageFd(0) },
	"SetNvCCLICaps":             func(c *starter.Config) { c.SetNvCCLICaps(false) },
	"SetHybridWorkflow":         func(c *starter.Config) { c.SetHybridWorkflow(false) },
	"SetAllowSetgroups":         func(c *starter.Config) { c.SetAllowSetgroups(false) },
	"SetNoSetgroups":            func(c *starter.Config) { c.SetNoSetgroups(false) },
	"SetNativeRPC":              func(c *starter.Config) { c.SetNativeRPC(false) },
	"SetNsFlags":                func(c *starter.Config) { c.SetNsFlags(0) },
	"SetNsFlagsFromSpec":        func(c *starter.Config) { c.SetNsFlagsFromSpec([]specs.LinuxNamespace{{Type: "pid"}}) },
	"SetCapabilities":           func(c *starter.Config) { c.SetCapabilities("effective", []string{"CAP_CHOWN"}) },
	"SetTargetUID":              func(c *starter.Config) { c.SetTargetUID(0) },
	"SetTargetGID":              func(c *starter.Config) { c.SetTargetGID([]int{0}) },
}

func init() {
	released := func(c *starter.Config) error {
		if err := c.Release(); err != nil {
			return fmt.Errorf("the first release: %w", err)
		}
		return nil
	}
	add(map[string]deed{
		"release": func(at *place) error { return released(at.config) },
		"release and call setters": func(at *place) error {
			if err := released(at.config); err != nil {
				return err
			}
			tellSetters("after Release", at.config)
			return nil
		},
		"release and call getters": func(at *place) error {
			if err := released(at.config); err != nil {
				return err
			}
			tellGetters("after Release", at.config)
			return nil
		},
		"keep": func(at *place) error {
			kept = at.config
			return nil
		},
		"keep and fail": func(at *place) error {
			kept = at.config
			return errMine
		},
		"use what was kept": func(at *place) error {
			tellGetters(at.callback, kept)
			tellSetters(at.callback, kept)
			for _, set := range silent {
				set(kept)
			}
			return nil
		},
		"keep for MarshalJSON": func(at *place) error {
			kept = at.config
			at.engine.own.Odd = marshals{func() error {
				tellGetters("MarshalJSON", kept)
				tellSetters("MarshalJSON", kept)
				return nil
			}}
			return nil
		},
		"call setters elsewhere": func(at *place) error {
			done := make(chan struct{})
			go func() {
				defer close(done)
				tellSetters("elsewhere", at.config)
				tellGetters("elsewhere", at.config)
			}()
			<-done
			return nil
		},
	})
	for name, set := range silent {
		deeds["release and "+name] = func(at *place) error {
			if err := released(at.config); err != nil {
				return err
			}
			set(at.config)
			return nil
		}
	}
}

func tellSetters(when string, c *starter.Config) {
	for name, set := range setters {
		say("%s: %s: %v", when, name, set(c))
	}
}

func tellGetters(when string, c *starter.Config) {
	say("%s: suid %v, pid %d, image %d, document %q", when, c.GetIsSUID(), c.GetContainerPid(), c.GetImageFd(), c.GetJSONConfig())
}

// setEverything sets what changes nothing for the container, with arguments made for the call.
func setEverything(c *starter.Config) error {
	c.SetNsFlagsFromSpec([]specs.LinuxNamespace{{Type: specs.LinuxNamespaceType(fresh("pid"))},
		{Type: specs.LinuxNamespaceType(fresh("mount"))}})
	c.SetMountPropagation(fresh("rprivate"))
	c.SetTargetGID([]int{0})
	c.SetCapabilities(fresh("ambient"), []string{})
	if err := c.Write(map[string]string{fresh("a"): fresh("b")}); err != nil {
		return err
	}
	if written := string(c.GetJSONConfig()); written != `{"a":"b"}` {
		return fmt.Errorf("read what was not written: %q", written)
	}
	return c.SetTimeouts(time.Minute, 0)
}

// fresh is a text that only its user refers to.
func fresh(text string) string { return string(append([]byte(nil), text...)) }
