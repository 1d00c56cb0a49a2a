// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package starterconfig is the starter configuration of a host that has one of its own.
package starterconfig

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Plan is what stage 1 hands on to the other processes.
type Plan struct {
	Document         json.RawMessage
	Create           uintptr
	Join             map[specs.LinuxNamespaceType]string
	JoinOnly         bool
	Propagation      string
	WorkingDirectory int
	Kept             []int
	NoNewPrivs       bool
	// Capabilities has what is set of the five sets; sets that are not mentioned are empty.
	Capabilities map[string]uint64
	UID          *int
	GIDs         []int
	UIDMappings  []specs.LinuxIDMapping
	GIDMappings  []specs.LinuxIDMapping
	NoSetgroups  bool
}

// Config is what PrepareConfig decides.
type Config struct {
	plan  Plan
	first error
}

// New makes one around a document.
func New(document []byte) *Config {
	return &Config{plan: Plan{Document: document, WorkingDirectory: -1}}
}

// Plan returns what was decided, or the first error of a setter that has no result.
func (c *Config) Plan() (Plan, error) { return c.plan, c.first }

func (c *Config) keep(err error) {
	if c.first == nil {
		c.first = err
	}
}

// GetIsSUID says that there is no setuid flow.
func (c *Config) GetIsSUID() bool { return false }

// GetJSONConfig returns the document.
func (c *Config) GetJSONConfig() []byte { return c.plan.Document }

// SetNoNewPrivs sets no_new_privs for the container.
func (c *Config) SetNoNewPrivs(on bool) { c.plan.NoNewPrivs = on }

// SetNamespaceJoinOnly joins a running container.
func (c *Config) SetNamespaceJoinOnly(on bool) { c.plan.JoinOnly = on }

// SetMountPropagation sets the propagation of / in the new mount namespace.
func (c *Config) SetMountPropagation(propagation string) { c.plan.Propagation = propagation }

// SetWorkingDirectoryFd sets the starter's working directory.
func (c *Config) SetWorkingDirectoryFd(fd int) { c.plan.WorkingDirectory = fd }

// KeepFileDescriptor lets a descriptor survive stage 1 at its number.
func (c *Config) KeepFileDescriptor(fd int) error {
	c.plan.Kept = append(c.plan.Kept, fd)
	return nil
}

// SetNoSetgroups keeps the host's supplementary groups.
func (c *Config) SetNoSetgroups(on bool) { c.plan.NoSetgroups = on }

// AddUIDMappings sets the user id map.
func (c *Config) AddUIDMappings(lines []specs.LinuxIDMapping) error {
	c.plan.UIDMappings = lines
	return nil
}

// AddGIDMappings sets the group id map.
func (c *Config) AddGIDMappings(lines []specs.LinuxIDMapping) error {
	c.plan.GIDMappings = lines
	return nil
}

// Flags are the clone flags of the namespaces.
var Flags = map[specs.LinuxNamespaceType]uintptr{
	specs.PIDNamespace:     unix.CLONE_NEWPID,
	specs.MountNamespace:   unix.CLONE_NEWNS,
	specs.NetworkNamespace: unix.CLONE_NEWNET,
	specs.UTSNamespace:     unix.CLONE_NEWUTS,
	specs.IPCNamespace:     unix.CLONE_NEWIPC,
	specs.CgroupNamespace:  unix.CLONE_NEWCGROUP,
	specs.UserNamespace:    unix.CLONE_NEWUSER,
}

// SetNsFlagsFromSpec sets the namespaces to create, which have no path.
func (c *Config) SetNsFlagsFromSpec(namespaces []specs.LinuxNamespace) {
	c.plan.Create = 0
	for _, namespace := range namespaces {
		if namespace.Path == "" {
			c.plan.Create |= Flags[namespace.Type]
		}
	}
}

// SetNsPath sets a namespace to join.
func (c *Config) SetNsPath(kind specs.LinuxNamespaceType, path string) error {
	if Flags[kind] == 0 {
		return fmt.Errorf("join namespace %q: no such kind", kind)
	}
	if c.plan.Join == nil {
		c.plan.Join = map[specs.LinuxNamespaceType]string{}
	}
	c.plan.Join[kind] = path
	return nil
}

// SetNsPathFromSpec sets the namespaces to join, which have a path.
func (c *Config) SetNsPathFromSpec(namespaces []specs.LinuxNamespace) error {
	for _, namespace := range namespaces {
		if namespace.Path == "" {
			continue
		}
		if err := c.SetNsPath(namespace.Type, namespace.Path); err != nil {
			return err
		}
	}
	return nil
}

// SetCapabilities sets one of the container's five sets.
func (c *Config) SetCapabilities(set string, names []string) {
	if c.plan.Capabilities == nil {
		c.plan.Capabilities = map[string]uint64{}
	}
	c.plan.Capabilities[set] = 0
	for _, name := range names {
		number, known := capabilities[name]
		if !known {
			c.keep(fmt.Errorf("set the %s capabilities: %s is none", set, name))
		}
		c.plan.Capabilities[set] |= 1 << number
	}
}

// SetTargetUID sets the container's user id.
func (c *Config) SetTargetUID(uid int) { c.plan.UID = &uid }

// SetTargetGID sets the container's group ids.
func (c *Config) SetTargetGID(gids []int) { c.plan.GIDs = gids }

// capabilities are those that the engine gives to containers.
var capabilities = map[string]uint{
	"CAP_CHOWN":            unix.CAP_CHOWN,
	"CAP_KILL":             unix.CAP_KILL,
	"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
	"CAP_SETGID":           unix.CAP_SETGID,
	"CAP_SETUID":           unix.CAP_SETUID,
	"CAP_SYS_ADMIN":        unix.CAP_SYS_ADMIN,
}
