// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/host/starterconfig"
)

func (s *sandbox) PrepareConfig(to *starterconfig.Config) error {
	made := s.made
	identity := s.identity()
	if err := made.keepFiles(to); err != nil {
		return err
	}
	made.Prepared = "by stage 1"
	s.common.PluginConfig["the plugin"] = json.RawMessage(`{"by":"stage 1"}`)
	if s.common.ContainerID == "" {
		return errors.New("prepare the configuration: the container has no id")
	}
	if err := s.enter("PrepareConfig", values{"identity": identity, "suid": fmt.Sprint(to.GetIsSUID()),
		"document": fmt.Sprint(json.Valid(to.GetJSONConfig()))}); err != nil {
		return err
	}
	if native, has := any(to).(interface{ SetNativeRPC(bool) }); has && s.common.EngineName == Builtin {
		native.SetNativeRPC(true)
	}
	if made.Target > 0 {
		return s.prepareJoin(to)
	}
	if made.Spec == nil || made.Spec.Linux == nil || made.Spec.Process == nil {
		return errors.New("prepare the configuration: there is no container in it")
	}
	linux, process := made.Spec.Linux, made.Spec.Process
	if err := made.openDirectories(to); err != nil {
		return err
	}
	to.SetNsFlagsFromSpec(linux.Namespaces)
	if err := to.SetNsPathFromSpec(linux.Namespaces); err != nil {
		return err
	}
	to.SetMountPropagation(linux.RootfsPropagation)
	if len(linux.UIDMappings) > 0 {
		if err := errors.Join(to.AddUIDMappings(linux.UIDMappings), to.AddGIDMappings(linux.GIDMappings)); err != nil {
			return err
		}
		// The kernel allows setgroups(2) only where somebody outside maps the groups.
		to.SetNoSetgroups(true)
	}
	setPrivileges(to, process)
	return nil
}

func setPrivileges(to *starterconfig.Config, process *specs.Process) {
	to.SetNoNewPrivs(process.NoNewPrivileges)
	to.SetTargetUID(int(process.User.UID))
	gids := []int{int(process.User.GID)}
	for _, gid := range process.User.AdditionalGids {
		gids = append(gids, int(gid))
	}
	to.SetTargetGID(gids)
	if wanted := process.Capabilities; wanted != nil {
		to.SetCapabilities("permitted", wanted.Permitted)
		to.SetCapabilities("effective", wanted.Effective)
		to.SetCapabilities("inheritable", wanted.Inheritable)
		to.SetCapabilities("bounding", wanted.Bounding)
		to.SetCapabilities("ambient", wanted.Ambient)
	}
}

// keepFiles opens the FIFO and the files to keep. They are no os.File, which the garbage collector would close.
func (c *Config) keepFiles(to *starterconfig.Config) error {
	open := func(path string, flags int) (int, error) {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("keep %s: %w", path, err)
		}
		if err := to.KeepFileDescriptor(fd); err != nil {
			return 0, fmt.Errorf("keep %s: %w", path, err)
		}
		return fd, nil
	}
	var err error
	if c.LogDescriptor, err = open(c.Log, unix.O_WRONLY); err != nil {
		return err
	}
	for _, path := range c.Keep {
		fd, err := open(path, unix.O_RDONLY)
		if err != nil {
			return err
		}
		c.Kept = append(c.Kept, fd)
	}
	return nil
}

// droppedFile is open when PrepareConfig returns, and no concern of later processes.
const droppedFile = "/etc/group"

// openDirectories opens what stage 1 needs and what the starter goes to.
func (c *Config) openDirectories(to *starterconfig.Config) (err error) {
	if c.Dropped, err = unix.Open(droppedFile, unix.O_RDONLY, 0); err != nil {
		return fmt.Errorf("open %s: %w", droppedFile, err)
	}
	if c.Directory == "" {
		return nil
	}
	directory, err := unix.Open(c.Directory, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the working directory %s: %w", c.Directory, err)
	}
	to.SetWorkingDirectoryFd(directory)
	return nil
}

// prepareJoin looks at the container that is to be joined as runtimes of the family do, and names its namespaces relative to its
// directory in /proc.
func (s *sandbox) prepareJoin(to *starterconfig.Config) error {
	place := "/proc/" + number(s.made.Target)
	parent, err := parentOf(s.made.Target)
	if err != nil {
		return err
	}
	name, err := os.ReadFile(place + "/comm")
	if err != nil {
		return fmt.Errorf("join container %d: %w", s.made.Target, err)
	}
	arguments, err := os.ReadFile(place + "/cmdline")
	if err != nil {
		return fmt.Errorf("join container %d: %w", s.made.Target, err)
	}
	if err := s.tell("join checks", values{
		"target's arguments":          strings.TrimRight(string(arguments), "\x00"),
		"target's parent":             number(parent),
		"target's comm":               strings.TrimSpace(string(name)),
		"target's root for a user":    readlinkAsUser(place + "/root"),
		"master's root for a user":    readlinkAsUser(fmt.Sprintf("/proc/%d/root", parent)),
		"target's task directory of":  ownerOf(fmt.Sprintf("%s/task", place)),
		"master's task directory of":  ownerOf(fmt.Sprintf("/proc/%d/task", parent)),
		"target's PID namespace's of": ownerOf(place + "/ns/pid"),
	}); err != nil {
		return err
	}
	directory, err := unix.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("join container %d: %w", s.made.Target, err)
	}
	to.SetWorkingDirectoryFd(directory)
	to.SetNamespaceJoinOnly(true)
	for kind, file := range map[specs.LinuxNamespaceType]string{
		specs.PIDNamespace: "pid", specs.MountNamespace: "mnt", specs.UTSNamespace: "uts", specs.IPCNamespace: "ipc",
	} {
		if err := to.SetNsPath(kind, "ns/"+file); err != nil {
			return err
		}
	}
	setPrivileges(to, s.made.Spec.Process)
	return nil
}

func parentOf(pid int) (parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("find the parent of %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "PPid:"); found {
			_, err := fmt.Sscan(value, &parent)
			return parent, err
		}
	}
	return 0, fmt.Errorf("find the parent of %d: its status has none", pid)
}

// readlinkAsUser says what becomes of it when somebody who is not root tries to follow a link.
func readlinkAsUser(path string) string {
	command := exec.Command("/usr/bin/readlink", "-v", path)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: User, Gid: User}}
	output, err := command.CombinedOutput()
	if err == nil {
		return "readable"
	}
	words := strings.Split(strings.TrimSpace(string(output)), ": ")
	return words[len(words)-1]
}

// User is the uid and gid of an ordinary user.
const User = 65534

func ownerOf(path string) string {
	var found unix.Stat_t
	if err := unix.Stat(path, &found); err != nil {
		return err.Error()
	}
	return number(int(found.Uid))
}
