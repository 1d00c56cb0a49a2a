// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/internal/dropin/sandbox"
)

// script waits for a line, shows what the program was given, and ends with a code of its own.
const script = `read -r line
grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|SigBlk|SigIgn|Umask):' /proc/self/status
find /proc/$$/fd -mindepth 1 -printf 'descriptor %f is %l\n'
echo "open files: $(ulimit -S -n)"
echo "host name: $(cat /proc/sys/kernel/hostname)"
[ $$ = 1 ] && echo "this is the first process" || echo "first process: $(cat /proc/1/comm)"
echo "directory: $PWD, variables: $(env | sort | tr '\n' ' ')"
echo "line: $line"
echo "words on stderr" >&2
exit 7
`

// spec is a container with a root of its own, as an ordinary user with two capabilities.
func (r *run) spec() *specs.Spec {
	root := r.path("root")
	r.must(os.Mkdir(root, 0o755))
	for _, folder := range []string{"usr", "proc", "tmp"} {
		r.must(os.Mkdir(root+"/"+folder, 0o755))
	}
	for _, link := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + link); err == nil {
			r.must(os.Symlink(target, root+"/"+link))
		}
	}
	few := []string{"CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Hostname: "dropin",
		Root:     &specs.Root{Path: root},
		Mounts: []specs.Mount{
			{Source: "/usr", Destination: "/usr", Options: []string{"rbind"}},
			{Source: "proc", Destination: "/proc", Type: "proc"},
		},
		Process: &specs.Process{
			Args:            []string{"/bin/sh", "-c", script},
			Env:             []string{"PATH=/usr/bin", "OF_THE_CONTAINER=1"},
			User:            specs.User{UID: sandbox.User, GID: sandbox.User, AdditionalGids: []uint32{100}},
			NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Permitted: few, Effective: few, Bounding: append(few, "CAP_CHOWN"),
				Inheritable: few, Ambient: few[:1]},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.IPCNamespace}, {Type: specs.NetworkNamespace}},
			RootfsPropagation: "rprivate",
		},
	}
}
