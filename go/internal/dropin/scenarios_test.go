// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/pinion-runtime/pinion/go/internal/dropin/sandbox"
)

// How runs end.
const (
	endedWell   = "signaled false, 0x700"
	endedFailed = "signaled false, 0xff00"
	endedTerm   = "signaled true, 0xf"
	endedKilled = "signaled true, 0x9"
)

// allCallbacks is the order of those of a run that nothing is the matter with.
const allCallbacks = "PrepareConfig, CreateContainer, RPC Look, RPC values, StartProcess, PreStartProcess, PostStartHost, " +
	"PostStartProcess, monitored, CleanupContainer, CleanupHost"

var scenarios = []scenario{
	{
		name:    "success",
		mixed:   true,
		prepare: func(r *run) { r.config.Keep = []string{"/etc/passwd", "/etc/hostname"} },
		want: transcript{
			"run: end": endedWell, "run: order": allCallbacks,
			"CreateContainer: dropped": "true",
			"CreateContainer: kept":    "passwd hostname", "RPC values: kept in the RPC server": "passwd hostname",
			"StartProcess: kept":                              "passwd hostname",
			"StartProcess: main thread":                       "true",
			"StartProcess: Umask":                             "0027",
			"StartProcess: CapBnd":                            "0000000000000421",
			"run: master is the starter":                      "true",
			"PostStartProcess: container's parent":            "master",
			"PostStartProcess: container in master's session": "true",
			"PostStartProcess: and process group":             "true",
			"CleanupContainer: helper":                        "exit status 0",
			"CleanupHost: prepared":                           "",
			"StartProcess: plugin":                            `{"by":"stage 1"}`,
			"StartProcess: environment":                       "DROPIN_MESSAGELEVEL GOGC",
			"RPC values: refused":                             "refused: because",
		},
	},
	{
		name:    "the front end waits",
		prepare: func(r *run) { r.order.Wait = true },
		want:    transcript{"run: end": endedWell, "run: order": allCallbacks},
	},
	{
		name:    "no processes on the host",
		prepare: func(r *run) { r.order.PostStartHost, r.order.CleanupHost = false, false },
		want: transcript{"run: end": endedWell,
			"run: order": strings.NewReplacer("PostStartHost, ", "", ", CleanupHost", "").Replace(allCallbacks)},
	},
	{
		name:    "a long configuration",
		mixed:   true,
		prepare: func(r *run) { r.config.Padding = strings.Repeat("0123456789", 50_000) },
		want:    transcript{"run: end": endedWell, "run: order": allCallbacks},
	},
	{
		name:    "the caller's descriptors and signals",
		prepare: disturb,
		want: transcript{"run: end": endedWell, "run: standard output": "...of the caller\n", "RPC values: umask before": "077",
			"StartProcess: Umask": "0027"},
	},
	{
		name: "the caller's descriptors and signals, and a shim",
		prepare: func(r *run) {
			disturb(r)
			r.config.Shim = "dropin-shim"
		},
		want: transcript{"run: end": endedWell, "run: standard output": "...first process: dropin-shim"},
	},
	{
		name:    "a shim whose program is killed",
		prepare: func(r *run) { r.shell("read -r line; kill -TERM $$"); r.config.Shim = "dropin-shim" },
		want:    transcript{"run: end": "signaled false, 0x8f00"},
	},
	{
		name: "a shim that reaps orphans",
		prepare: func(r *run) {
			r.shell(orphanScript)
			r.config.Shim = "dropin-shim"
		},
		want: transcript{"run: end": endedWell},
	},
	{
		name:    "built-in RPC methods",
		prepare: func(r *run) { r.order.Engine = sandbox.Builtin; r.config.Spec.Process.Args[2] = builtinScript },
		want:    transcript{"run: end": endedWell, "RPC values: 3 Mount": "<nil> 2 true false"},
	},
	{
		name:    "root with a user namespace",
		prepare: inUserNamespace,
		want:    transcript{"run: end": endedWell, "CreateContainer: user namespace": "container"},
	},
	{
		name: "no namespaces of its own but two",
		prepare: func(r *run) {
			r.config.Spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}}
			r.config.Spec.Process.NoNewPrivileges = false
			r.config.Spec.Process.User = specs.User{}
			r.config.Spec.Process.Capabilities = nil
		},
		want: transcript{"run: end": endedWell, "StartProcess: pid namespace": "host"},
	},
	{
		name: "its present namespaces to join",
		prepare: func(r *run) {
			for kind, file := range map[specs.LinuxNamespaceType]string{specs.UserNamespace: "user", specs.CgroupNamespace: "cgroup"} {
				own := specs.LinuxNamespace{Type: kind, Path: "/proc/self/ns/" + file}
				r.config.Spec.Linux.Namespaces = append(r.config.Spec.Linux.Namespaces, own)
			}
		},
		want: transcript{"run: end": endedWell, "StartProcess: user namespace": "host"},
	},
	{
		name:    "a signal that the container takes",
		prepare: func(r *run) { r.shell(`trap "exit 5" TERM; echo ready >&3; read -r line`) },
		during:  func(r *run) { r.awaitReady("ready"); r.startThenSignal(syscall.SIGTERM) },
		want:    transcript{"run: end": "signaled false, 0x500", "signal: kind": "terminated"},
	},
	{
		name: "signals of several kinds",
		prepare: func(r *run) {
			r.shell(`trap "" HUP INT QUIT USR1 WINCH RTMIN+3; trap "exit 5" TERM; echo ready >&3; read -r line`)
		},
		during: func(r *run) {
			r.awaitReady("ready")
			r.until("PostStartProcess")
			for _, kind := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGWINCH,
				syscall.Signal(37), syscall.SIGTERM} {
				r.kill(r.front.Process.Pid, kind)
				if seen := r.until("signal"); seen.Values["kind"] != kind.String() {
					r.t.Errorf("%s: MonitorContainer got %s, where %v was sent", r.variant.name, seen.Values["kind"], kind)
				}
			}
		},
		want: transcript{"run: end": "signaled false, 0x500", "signal (7): kind": "terminated"},
	},
	{
		name: "signals of several kinds, and a shim that passes them on",
		prepare: func(r *run) {
			r.config.Shim, r.config.Forward = "dropin-shim", true
			r.shell(`trap "echo USR1 >&3" USR1; trap "echo WINCH >&3" WINCH; trap "echo RTMIN+3 >&3" RTMIN+3
trap "exit 5" TERM; echo ready >&3; until read -r line; do :; done`)
		},
		during: func(r *run) {
			r.awaitReady("ready")
			r.until("PostStartProcess")
			for kind, answer := range map[syscall.Signal]string{syscall.SIGUSR1: "USR1", syscall.SIGWINCH: "WINCH", 37: "RTMIN+3"} {
				r.kill(r.front.Process.Pid, kind)
				r.awaitReady(answer)
			}
			r.kill(r.front.Process.Pid, syscall.SIGTERM)
		},
		want: transcript{"run: end": "signaled false, 0x500"},
		// Their order is another one in each run.
		without: []string{"signal*: kind"},
	},
	{
		name:    "a container that ends at once",
		prepare: func(r *run) { r.shell("exit 3") },
		during:  func(*run) {},
		want:    transcript{"run: end": "signaled false, 0x300"},
		// The container's end may be faster than the callbacks that follow its start.
		without: []string{"run: order", "PostStart*"},
	},
	{
		name:    "a signal that ends the container",
		prepare: outsidePIDNamespace,
		during:  func(r *run) { r.startThenSignal(syscall.SIGTERM) },
		want:    transcript{"run: end": endedTerm, "signal: kind": "terminated", "CleanupContainer: status": "0xf"},
	},
	{
		name:    "an exit code that is the runtime's too",
		prepare: func(r *run) { r.shell("read -r line; exit 255") },
		want:    transcript{"run: end": endedFailed, "CleanupContainer: fatal": "<nil>"},
	},
	{
		name: "a signal that leaves an image of the memory",
		prepare: func(r *run) {
			outsidePIDNamespace(r)
			r.shell("ulimit -c 0; read -r line; kill -QUIT $$")
		},
		want: transcript{"run: end": "signaled true, 0x3"},
	},
	{
		name:    "an engine without PreStartProcess",
		prepare: func(r *run) { r.order.Engine = sandbox.Bare },
		want: transcript{"run: end": endedWell,
			"run: order": strings.Replace(allCallbacks, "PreStartProcess, ", "", 1)},
	},
	{
		name:    "a shim that says by a byte that it started",
		prepare: func(r *run) { r.order.Engine = sandbox.Bare; r.config.Shim = "dropin-shim" },
		want: transcript{"run: end": endedWell,
			"run: order": strings.Replace(allCallbacks, "PreStartProcess, ", "", 1)},
	},
	{
		name:    "a working directory",
		prepare: func(r *run) { r.config.Directory = "/usr/lib" },
		want: transcript{"run: end": endedWell, "CreateContainer: directory": "/usr/lib", "RPC Look: directory": "/usr/lib",
			"CleanupHost: directory": "FOLDER"},
	},
	{
		name: "the container is killed",
		during: func(r *run) {
			r.until("PostStartProcess")
			r.kill(r.containerPID(), syscall.SIGKILL)
		},
		want: transcript{"run: end": endedKilled, "CleanupContainer: status": "0x9", "CleanupContainer: fatal": "<nil>"},
	},
	{
		name:    "master is killed",
		during:  killMaster,
		want:    transcript{"run: end": endedKilled},
		without: []string{"CleanupHost: parent", "run: standard output"},
	},
	{
		name:    "master is killed, and there are no processes on the host",
		prepare: func(r *run) { r.order.PostStartHost, r.order.CleanupHost = false, false },
		during:  killMaster,
		want:    transcript{"run: end": endedKilled},
		without: []string{"run: standard output"},
	},
	{
		name: "master is killed, and a shim is there",
		prepare: func(r *run) {
			r.config.Shim = "dropin-shim"
			r.order.PostStartHost, r.order.CleanupHost = false, false
		},
		during:  killMaster,
		want:    transcript{"run: end": endedKilled},
		without: []string{"run: standard output"},
	},
	{
		name: waitingSignal,
		prepare: func(r *run) {
			outsidePIDNamespace(r)
			r.fail("CreateContainer's context", "wait")
		},
		during: func(r *run) {
			r.until("MonitorContainer")
			container := r.containerPID()
			// The gap's end: where the signal does not end it.
			late := time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(container, syscall.SIGKILL) })
			defer late.Stop()
			r.kill(r.front.Process.Pid, syscall.SIGTERM)
			r.until("monitored")
		},
		want: transcript{"CleanupContainer: status": "0xf", "run: end": endedTerm},
	},
	{
		name:    "the context of a run that is over",
		prepare: func(r *run) { r.fail("CreateContainer's context", "wait") },
		during: func(r *run) {
			r.until("MonitorContainer")
			r.kill(r.containerPID(), syscall.SIGKILL)
		},
		want: transcript{"run: end": endedKilled},
	},
}
