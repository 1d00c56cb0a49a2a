// SPDX-License-Identifier: Apache-2.0 OR MIT

package sandbox

import (
	"fmt"
	"net/rpc"
	"os"
	"strings"
)

// HostnameArgs is the argument of SetHostname, which the core has too, as it has those below.
type HostnameArgs struct{ Hostname string }

// MkdirArgs is the argument of Mkdir.
type MkdirArgs struct {
	Root, Path string
	Perm       uint32
}

// BuiltinMountArgs is the argument of Mount, MountReply its reply.
type BuiltinMountArgs struct {
	Root, Source, Target, Filesystem string
	Mountflags                       uintptr
	Data                             string
}

// MountReply says how a mount failed, if it did.
type MountReply struct {
	Message                  string
	Errno                    uint
	IsNotExist, IsPermission bool
}

// ChdirArgs is the argument of Chdir.
type ChdirArgs struct{ Dir string }

// createByBuiltin does with the built-in methods what shows that they are served.
func (s *sandbox) createByBuiltin(client *rpc.Client, container int) error {
	root := s.made.Spec.Root.Path
	calls := []struct {
		method      string
		args, reply any
	}{
		{"SetHostname", &HostnameArgs{s.made.Spec.Hostname}, new(int)},
		{"Mount", &BuiltinMountArgs{root, "tmpfs", root + "/tmp", "tmpfs", 0, "mode=0755"}, new(MountReply)},
		{"Mkdir", &MkdirArgs{root, "/tmp/made", 0o775}, new(int)},
		{"Mount", &BuiltinMountArgs{root, "tmpfs", root + "/nowhere", "tmpfs", 0, ""}, new(MountReply)},
		{"Mount", &BuiltinMountArgs{root, "tmpfs", root + "/tmp/made", "nothing", 0, ""}, new(MountReply)},
		{"Chdir", &ChdirArgs{root + "/tmp/made"}, new(int)},
		{"Look", new(int), new(int)},
	}
	own := values{}
	for i, call := range calls {
		err := client.Call(Builtin+"."+call.method, call.args, call.reply)
		own[fmt.Sprintf("%d %s", i, call.method)] = fmt.Sprint(err, " ", show(call.reply))
	}
	threads, err := serverThreads(container)
	if err != nil {
		return err
	}
	own["one thread"] = fmt.Sprint(threads == 1)
	return s.tell("RPC values", own)
}

// serverThreads is how many threads the RPC server has, which is the container process's first child.
func serverThreads(container int) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", container, container))
	if err != nil {
		return 0, fmt.Errorf("look for the RPC server: %w", err)
	}
	first, _, _ := strings.Cut(string(children), " ")
	threads, err := os.ReadDir("/proc/" + first + "/task")
	if err != nil {
		return 0, fmt.Errorf("count the threads of the RPC server: %w", err)
	}
	return len(threads), nil
}

// show leaves the words of a failed mount to its errno.
func show(reply any) string {
	if mounted, is := reply.(*MountReply); is {
		return fmt.Sprint(mounted.Errno, mounted.IsNotExist, mounted.IsPermission)
	}
	return fmt.Sprint(*reply.(*int))
}
