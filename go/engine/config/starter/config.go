// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package starter has the starter configuration: what an engine's PrepareConfig decides about everything that follows.
//
// It is pure Go: the configuration itself is the core's, and comes to PrepareConfig from there.
package starter

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/internal/hook"
)

// Config is the starter configuration. Its methods may be called in any order, and the last call wins. A setter without a
// result keeps its error for the end of PrepareConfig, which fails with the first one. It is valid for the call of
// PrepareConfig, in the goroutine of that; after Release each setter is an error and each getter neutral.
type Config struct {
	core  hook.Config
	first error
}

func init() {
	hook.WrapConfig = func(core hook.Config) any { return &Config{core: core} }
	hook.UnwrapConfig = func(config any) hook.Config {
		if own, is := config.(*Config); is && own != nil {
			return own.core
		}
		return nil
	}
	hook.ConfigError = func(config any) error { return config.(*Config).first }
}

// keep remembers the first error of the setters that return none.
func (c *Config) keep(err error) {
	if c.first == nil {
		c.first = err
	}
}

func (c *Config) set(setting hook.Setting, on bool) {
	c.keep(c.core.SetBool(setting, on))
}

// GetIsSUID says whether the setuid flow runs.
func (c *Config) GetIsSUID() bool {
	return c.core.IsSUID()
}

// GetContainerPid returns the container process's pid on the host. In stage 1 there is none yet: 0.
func (c *Config) GetContainerPid() int {
	return c.core.ContainerPID()
}

// SetInstance makes the container an instance: it runs on in a session of its own, with master, and who launched it gets 0 as soon
// as PostStartProcess has returned.
func (c *Config) SetInstance(instance bool) {
	c.set(hook.Instance, instance)
}

// SetNoNewPrivs sets no_new_privs for the container process (prctl(2), PR_SET_NO_NEW_PRIVS).
func (c *Config) SetNoNewPrivs(noprivs bool) {
	c.set(hook.NoNewPrivs, noprivs)
}

// SetMasterPropagateMount shares the container's mounts with master, through a mount namespace between the two.
func (c *Config) SetMasterPropagateMount(propagate bool) {
	c.set(hook.MasterPropagateMount, propagate)
}

// SetNamespaceJoinOnly joins a running container: there is no RPC server and no engine in master.
func (c *Config) SetNamespaceJoinOnly(join bool) {
	c.set(hook.NamespaceJoinOnly, join)
}

// SetBringLoopbackInterface brings lo up in a new network namespace.
func (c *Config) SetBringLoopbackInterface(bring bool) {
	c.set(hook.BringLoopbackInterface, bring)
}

// SetMountPropagation sets the propagation of / in the new mount namespace: shared, slave, private or unbindable, with an r in
// front for the whole tree of mounts (mount_namespaces(7)). Any other word is an error.
func (c *Config) SetMountPropagation(propagation string) {
	c.keep(c.core.SetMountPropagation(propagation))
}

// SetWorkingDirectoryFd sets the starter's working directory after stage 1. The descriptor stays the caller's and must be open
// when PrepareConfig returns.
func (c *Config) SetWorkingDirectoryFd(fd int) {
	c.keep(c.core.SetWorkingDirectoryFd(fd))
}

// SetImageFd sets the descriptor that master closes before host clean-up. As SetWorkingDirectoryFd.
func (c *Config) SetImageFd(fd int) {
	c.keep(c.core.SetImageFd(fd))
}

// GetImageFd returns the descriptor that SetImageFd set; -1 if none is.
func (c *Config) GetImageFd() int {
	return c.core.ImageFd()
}

// KeepFileDescriptor lets a descriptor survive stage 1 at the same number, with close-on-exec. It stays the caller's and must
// be open when PrepareConfig returns. At most 1024.
func (c *Config) KeepFileDescriptor(fd int) error {
	return c.core.KeepFileDescriptor(fd)
}

// SetNvCCLICaps enlarges the bounding set of the RPC server, for nvidia-container-cli.
func (c *Config) SetNvCCLICaps(enabled bool) {
	c.set(hook.NvCCLICaps, enabled)
}

// SetHybridWorkflow leaves master outside the new user namespace in which the container runs (fakeroot).
func (c *Config) SetHybridWorkflow(hybrid bool) {
	c.set(hook.HybridWorkflow, hybrid)
}

// SetAllowSetgroups allows setgroups in the container.
func (c *Config) SetAllowSetgroups(allow bool) {
	c.set(hook.AllowSetgroups, allow)
}

// SetNoSetgroups keeps the host's supplementary groups.
func (c *Config) SetNoSetgroups(noSetgroups bool) {
	c.set(hook.NoSetgroups, noSetgroups)
}

// SetNativeRPC lets the RPC server run in the core alone, without starting Go: the built-in methods are served. An engine that
// registered methods of its own keeps them: then the process starts Go and serves both.
func (c *Config) SetNativeRPC(native bool) {
	c.set(hook.NativeRPC, native)
}

// GetJSONConfig returns a copy of the engine configuration's bytes, as last written; nil after Release.
func (c *Config) GetJSONConfig() []byte {
	bytes, err := c.core.JSON()
	if err != nil {
		c.keep(err)
		return nil
	}
	return bytes
}

// Write serialises payload over the engine configuration. At most 64 MiB. Nobody needs to call it for the engine's own
// configuration: what PrepareConfig leaves there is written after it.
func (c *Config) Write(payload any) error {
	bytes, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("serialise the engine configuration: %w", err)
	}
	return c.core.Write(bytes)
}

// AddUIDMappings sets the user id map in place of an earlier one: at most 340 lines, whose text has at most 4,094 bytes
// (user_namespaces(7)).
func (c *Config) AddUIDMappings(uids []specs.LinuxIDMapping) error {
	return c.core.AddUIDMappings(mappings(uids))
}

// AddGIDMappings is as AddUIDMappings, for groups.
func (c *Config) AddGIDMappings(gids []specs.LinuxIDMapping) error {
	return c.core.AddGIDMappings(mappings(gids))
}

func mappings(lines []specs.LinuxIDMapping) []hook.Mapping {
	own := make([]hook.Mapping, len(lines))
	for i, line := range lines {
		own[i] = hook.Mapping{Container: line.ContainerID, Host: line.HostID, Size: line.Size}
	}
	return own
}

// SetNewUIDMapPath finds newuidmap in the default PATH, to write a user id map of more than one id for an ordinary user. Errors:
// the setuid flow; it is not there, or others than root can write it.
func (c *Config) SetNewUIDMapPath() error {
	return c.core.SetNewUIDMapPath()
}

// SetNewGIDMapPath is as SetNewUIDMapPath, for newgidmap.
func (c *Config) SetNewGIDMapPath() error {
	return c.core.SetNewGIDMapPath()
}

// SetNsFlags sets the namespaces to create, as CLONE_NEW* bits (clone(2)). Other bits are an error.
func (c *Config) SetNsFlags(flags int) {
	c.keep(c.core.SetNsFlags(flags))
}

// SetNsFlagsFromSpec sets the namespaces to create: those without a path.
func (c *Config) SetNsFlagsFromSpec(namespaces []specs.LinuxNamespace) {
	c.keep(c.core.SetNsFlagsFromSpec(list(namespaces)))
}

// SetNsPath sets a namespace to join. The path may be relative to the directory of SetWorkingDirectoryFd, and has at most 4,095
// bytes.
func (c *Config) SetNsPath(nstype specs.LinuxNamespaceType, path string) error {
	return c.core.SetNsPath(string(nstype), path)
}

// SetNsPathFromSpec sets the namespaces to join, those with a path: all or none.
func (c *Config) SetNsPathFromSpec(namespaces []specs.LinuxNamespace) error {
	return c.core.SetNsPathFromSpec(list(namespaces))
}

func list(namespaces []specs.LinuxNamespace) []hook.Namespace {
	own := make([]hook.Namespace, len(namespaces))
	for i, namespace := range namespaces {
		own[i] = hook.Namespace{Kind: string(namespace.Type), Path: namespace.Path}
	}
	return own
}

// SetCapabilities sets one of the container process's five capability sets (permitted, effective, inheritable, bounding, ambient)
// to names as in capabilities(7), CAP_CHOWN for
// example. An unknown set or name is an error.
func (c *Config) SetCapabilities(ctype string, caps []string) {
	c.keep(c.core.SetCapabilities(ctype, caps))
}

// SetTargetUID sets the user id of the container process, 0 to 4,294,967,294.
func (c *Config) SetTargetUID(uid int) {
	c.keep(c.core.SetTargetUID(int64(uid)))
}

// SetTargetGID sets the group ids of the container process, the first being its gid. Of more than 32 the first 32 count, with a
// warning.
func (c *Config) SetTargetGID(gids []int) {
	wide := make([]int64, len(gids))
	for i, gid := range gids {
		wide[i] = int64(gid)
	}
	c.keep(c.core.SetTargetGID(wide))
}

// SetTimeouts sets the limits of the core's waits: of one message of a handshake, 1 ms to one hour (60 s where nothing is set),
// and of the container's life, 0 for none. Both are whole milliseconds.
func (c *Config) SetTimeouts(handshake, container time.Duration) error {
	first, err := milliseconds(handshake)
	if err != nil {
		return err
	}
	second, err := milliseconds(container)
	if err != nil {
		return err
	}
	return c.core.SetTimeouts(first, second)
}

func milliseconds(limit time.Duration) (uint32, error) {
	whole := limit.Milliseconds()
	if time.Duration(whole)*time.Millisecond != limit || whole < 0 || whole > 1<<32-1 {
		return 0, fmt.Errorf("set timeouts: %v is no number of milliseconds from 0 to 4294967295", limit)
	}
	return uint32(whole), nil
}

// NoteMount writes down that PrepareConfig is about to mount something on the host, so that whoever survives unmounts it. To be
// called before the mount. Error: the launcher did not ask for the cleanup-host process.
func (c *Config) NoteMount(path string) error {
	return c.core.NoteMount(path)
}

// NoteFile is as NoteMount, for a file, symbolic link or socket.
func (c *Config) NoteFile(path string) error {
	return c.core.NoteFile(path)
}

// NoteDirectory is as NoteMount, for a directory, which is removed if it is empty by then.
func (c *Config) NoteDirectory(path string) error {
	return c.core.NoteDirectory(path)
}

// Release ends the use of the configuration. A second release is an error.
func (c *Config) Release() error {
	return c.core.Release()
}
