// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"os"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// shell has the container execute a script.
func (r *run) shell(script string) {
	r.config.Spec.Process.Args = []string{"/bin/sh", "-c", script}
}

func (r *run) fail(callback, how string) { r.config.Fail = map[string]string{callback: how} }

// disturb has the caller ignore and block signals, set limits, and have a file open that the container's program is to read.
func disturb(r *run) {
	r.wrapper = []string{"/bin/sh", "-c", `umask 0077; ulimit -S -n 500; exec "$0" "$@"`,
		"/usr/bin/env", "--ignore-signal=HUP,INT,USR2,PIPE", "--block-signal=USR1,CHLD,RTMIN,TERM"}
	r.must(os.WriteFile(r.path("given"), []byte("of the caller\n"), 0o644))
	file, err := os.Open(r.path("given"))
	r.must(err)
	r.t.Cleanup(func() { file.Close() })
	r.open = append(r.open, file)
	r.config.Keep = []string{"/etc/passwd"}
	r.shell(strings.Replace(script, "exit 7", "cat <&4; exit 7", 1))
}

// orphanScript makes a process whose parent ends first, and waits until nothing but the first process and this one is left.
const orphanScript = `read -r line
(sh -c 'kill -KILL $$' &)
while ls -d /proc/[0-9]* | grep -vq -e "^/proc/1$" -e "^/proc/$$$"; do
	set -- /proc/[0-9]*
	[ $# = 2 ] && break
done
exit 7
`

const builtinScript = `read -r line
hostname=$(cat /proc/sys/kernel/hostname)
echo "host name: $hostname, directory: $(pwd -P | sed 's|.*/root|ROOT|')"
ls -ld . | cut -c1-10
exit 7
`

// inUserNamespace makes a container whose user 0 is the host's, in a user namespace that knows no other.
func inUserNamespace(r *run) {
	linux := r.config.Spec.Linux
	linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 1}}
	linux.GIDMappings = linux.UIDMappings
	r.config.Spec.Process.User = specs.User{}
}

// outsidePIDNamespace makes a container whose first process has no protection from signals.
func outsidePIDNamespace(r *run) {
	r.shell("read -r line")
	r.config.Spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}}
}

// killMaster leaves nobody who could remove the record. The container's program may see the end of its standard input.
func killMaster(r *run) {
	r.until("PostStartProcess")
	r.kill(r.front.Process.Pid, syscall.SIGKILL)
	r.must(os.Remove(r.config.Record))
}

// startThenSignal sends the starter a signal when the container runs.
func (r *run) startThenSignal(kind syscall.Signal) {
	r.until("PostStartProcess")
	r.kill(r.front.Process.Pid, kind)
}

func (r *run) kill(pid int, kind syscall.Signal) { r.must(unix.Kill(pid, kind)) }
