// SPDX-License-Identifier: Apache-2.0 OR MIT

package probe

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/engine/config/starter"
)

func (p *probe) PrepareConfig(to *starter.Config) error {
	if err := p.config.makeDirectories(to); err != nil {
		return err
	}
	if err := p.enter("PrepareConfig", ""); err != nil {
		return err
	}
	choices := []func(*starter.Config) error{
		p.config.chooseNamespaces,
		p.config.chooseWorkingDirectory,
		p.config.chooseIDMaps,
		p.config.chooseFlow,
		p.config.choosePrivileges,
		p.config.keepFiles,
		p.config.chooseImage,
		p.config.writeDocument,
	}
	for _, choose := range choices {
		if err := choose(to); err != nil {
			return err
		}
	}
	if err := p.showTold(to); err != nil {
		return err
	}
	if p.config.Release {
		if err := to.Release(); err != nil {
			return err
		}
		to.SetNoNewPrivs(true)
	}
	p.config.Prepared = true
	return nil
}

// makeDirectories writes each down before it is made: whoever survives removes it.
func (c *Config) makeDirectories(to *starter.Config) error {
	for _, directory := range c.Make {
		if err := to.NoteDirectory(directory); err != nil {
			return err
		}
		if err := syscall.Mkdir(directory, 0o777); err != nil {
			return failed(err, "make %s", directory)
		}
	}
	return nil
}

func (c *Config) chooseNamespaces(to *starter.Config) error {
	var create []specs.LinuxNamespace
	for _, kind := range c.Create {
		create = append(create, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(kind)})
	}
	to.SetNsFlagsFromSpec(create)
	if c.NSFlags != nil {
		to.SetNsFlags(*c.NSFlags)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Join)) {
		if err := to.SetNsPath(specs.LinuxNamespaceType(kind), c.Join[kind]); err != nil {
			return err
		}
	}
	var join []specs.LinuxNamespace
	for kind, path := range c.JoinSpec {
		join = append(join, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(kind), Path: path})
	}
	if err := to.SetNsPathFromSpec(join); err != nil {
		return err
	}
	to.SetNamespaceJoinOnly(c.JoinOnly)
	return nil
}

// chooseWorkingDirectory leaves the descriptor open: it is used when PrepareConfig has returned, and closed with this process.
func (c *Config) chooseWorkingDirectory(to *starter.Config) error {
	if c.WorkingDirectory == "" {
		return nil
	}
	directory, err := syscall.Open(c.WorkingDirectory, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failed(err, "open %s", c.WorkingDirectory)
	}
	to.SetWorkingDirectoryFd(directory)
	return nil
}

func (c *Config) chooseIDMaps(to *starter.Config) error {
	if err := to.AddUIDMappings(lines(c.UIDMap)); err != nil {
		return err
	}
	if err := to.AddGIDMappings(lines(c.GIDMap)); err != nil {
		return err
	}
	to.SetHybridWorkflow(c.Hybrid)
	if c.MapHelpers {
		if err := to.SetNewUIDMapPath(); err != nil {
			return err
		}
		if err := to.SetNewGIDMapPath(); err != nil {
			return err
		}
	}
	to.SetAllowSetgroups(c.AllowSetgroups)
	to.SetNoSetgroups(c.NoSetgroups)
	return nil
}

func lines(own []mapping) []specs.LinuxIDMapping {
	made := make([]specs.LinuxIDMapping, len(own))
	for i, line := range own {
		made[i] = specs.LinuxIDMapping{ContainerID: line[0], HostID: line[1], Size: line[2]}
	}
	return made
}

func (c *Config) chooseFlow(to *starter.Config) error {
	to.SetInstance(c.Instance)
	to.SetNoNewPrivs(c.NoNewPrivs)
	to.SetMasterPropagateMount(c.ShareMounts)
	to.SetBringLoopbackInterface(c.Loopback)
	to.SetNvCCLICaps(c.NvCCLI)
	to.SetNativeRPC(c.NativeRPC)
	if c.Propagation != "" {
		to.SetMountPropagation(c.Propagation)
	}
	handshake := time.Minute
	if c.HandshakeMS != nil {
		handshake = time.Duration(*c.HandshakeMS) * time.Millisecond
	}
	return to.SetTimeouts(handshake, time.Duration(c.ContainerMS)*time.Millisecond)
}

func (c *Config) choosePrivileges(to *starter.Config) error {
	if c.TargetUID != nil {
		to.SetTargetUID(*c.TargetUID)
	}
	to.SetTargetGID(c.TargetGIDs)
	for _, set := range slices.Sorted(maps.Keys(c.Capabilities)) {
		to.SetCapabilities(set, c.Capabilities[set])
	}
	return nil
}

// keepFiles puts their numbers into the configuration, by which the later processes know them. They are no os.File, which the
// garbage collector would close.
func (c *Config) keepFiles(to *starter.Config) error {
	var kept []int
	for _, path := range c.Keep {
		file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return failed(err, "open %s", path)
		}
		if err := to.KeepFileDescriptor(file); err != nil {
			return err
		}
		kept = append(kept, file)
	}
	c.Kept = kept
	return nil
}

func (c *Config) chooseImage(to *starter.Config) error {
	if c.Image == "" {
		return nil
	}
	image, err := syscall.Open(c.Image, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failed(err, "open %s", c.Image)
	}
	to.SetImageFd(image)
	return nil
}

func (c *Config) writeDocument(to *starter.Config) error {
	if c.Write == "" {
		return nil
	}
	return to.Write(c.Write)
}

// showTold writes down what the starter configuration tells, the beginning of its document last.
func (p *probe) showTold(to *starter.Config) error {
	image := "none"
	if number := to.GetImageFd(); number >= 0 {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
		if err != nil {
			return failed(err, "look at the image")
		}
		image = target
	}
	document := to.GetJSONConfig()
	document = document[:min(len(document), 20)]
	return p.enter("Configured", "suid=%t container=%d image=%s document=%s",
		to.GetIsSUID(), to.GetContainerPid(), image, document)
}
