// SPDX-License-Identifier: Apache-2.0 OR MIT

package dropin

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/report"
	"github.com/pinion-runtime/pinion/go/internal/dropin/sandbox"
)

// transcript is everything that a run shows to an engine, a caller and a container, by what it is. Numbers that differ from run
// to run have names in it.
type transcript map[string]string

// names has what a process id, or a namespace, is called.
type names map[string]string

// beside has callbacks that run beside others: their place in the order is not said by the contract.
var beside = []string{"MonitorContainer", "signal"}

func (r *run) transcript() transcript {
	made := transcript{
		"run: end":             describe(r.status),
		"run: standard output": r.anonymous(r.stdout),
		"run: order":           r.sequence(),
	}
	if !r.order.Wait {
		made["run: master is the starter"] = fmt.Sprint(r.masterPID() == r.front.Process.Pid)
	}
	for _, word := range r.words() {
		made["run: standard error says "+word] = fmt.Sprint(strings.Contains(r.stderr, word))
	}
	pids, namespaces := r.names()
	times := map[string]int{}
	for _, entry := range r.entries {
		times[entry.Callback]++
		key := entry.Callback
		if again := times[key]; again > 1 {
			key += fmt.Sprintf(" (%d)", again)
		}
		r.show(made, key, entry, pids, namespaces)
	}
	return made
}

var pipeNumber = regexp.MustCompile(`pipe:\[\d+\]`)

// anonymous takes out of a text what is another in each run.
func (r *run) anonymous(text string) string {
	text = pipeNumber.ReplaceAllString(strings.ReplaceAll(text, r.folder, "FOLDER"), "a pipe")
	return ignored.ReplaceAllStringFunc(text, withoutCallers)
}

// ignored is what the kernel says of ignored signals.
var ignored = regexp.MustCompile(`SigIgn:\s*[0-9a-f]{16}`)

// withoutCallers leaves those out that the tests' own caller ignores. The core resets all of them, those of the C library too, which
// a program in Go cannot.
func withoutCallers(line string) string {
	at := len(line) - 16
	set, _ := strconv.ParseUint(line[at:], 16, 64)
	return fmt.Sprintf("%s%016x", line[:at], set&^callerIgnores)
}

func describe(status syscall.WaitStatus) string {
	return fmt.Sprintf("signaled %t, %#x", status.Signaled(), int(status))
}

// words are those that are looked for in the standard error stream: the container's, and the error of a callback that fails.
func (r *run) words() []string {
	all := []string{"words on stderr", sandbox.ErrTold.Error()}
	for callback, how := range r.config.Fail {
		if how == "panic" {
			all = append(all, callback+" was told to panic")
		}
	}
	return all
}

// sequence is in which order callbacks began.
func (r *run) sequence() string {
	var order []string
	for _, entry := range r.entries {
		if !slices.Contains(beside, entry.Callback) {
			order = append(order, entry.Callback)
		}
	}
	return strings.Join(order, ", ")
}

// names finds out which process and namespace is which.
func (r *run) names() (pids, namespaces names) {
	pids, namespaces = names{"0": "0", "1": "1", fmt.Sprint(os.Getpid()): "caller"}, names{}
	for kind, link := range hostNamespaces {
		namespaces[kind+link] = "host"
	}
	if !r.order.Wait {
		pids[fmt.Sprint(r.front.Process.Pid)] = "starter"
	}
	for _, entry := range r.entries {
		switch entry.Callback {
		case "PrepareConfig":
			pids[fmt.Sprint(entry.PID)] = "stage 1"
		case "CreateContainer":
			// As a rule it is the starter as well.
			pids[fmt.Sprint(entry.PID)] = "master"
			pids[entry.Values["pid"]] = "container"
		case "PostStartHost", "CleanupHost":
			pids[fmt.Sprint(entry.PID)] = cmp.Or(pids[fmt.Sprint(entry.PID)], "host process")
		case "StartProcess":
			for kind, link := range entry.Namespaces {
				namespaces[kind+link] = cmp.Or(namespaces[kind+link], "container")
			}
		}
	}
	maps.Copy(pids, r.target)
	for _, one := range r.targetNamespaces {
		namespaces[one] = "the target's"
	}
	return pids, namespaces
}

func (n names) of(what string) string { return cmp.Or(n[what], "another") }

// show adds what one callback saw.
func (r *run) show(to transcript, key string, entry report.Entry, pids, namespaces names) {
	add := func(what, value string) { to[key+": "+what] = value }
	add("process", pids.of(fmt.Sprint(entry.PID)))
	add("parent", pids.of(fmt.Sprint(entry.Parent)))
	if entry.Callback == "StartProcess" {
		add("main thread", fmt.Sprint(entry.Main))
	}
	for name, value := range entry.Status {
		add(name, value)
	}
	add("dumpable", fmt.Sprint(entry.Dumpable))
	for kind, link := range entry.Namespaces {
		add(kind+" namespace", namespaces.of(kind+link))
	}
	add("command", entry.Command)
	add("arguments", strings.Join(entry.Arguments, " "))
	add("directory", r.anonymous(entry.Directory))
	add("environment", strings.Join(entry.Environment, " "))
	add("a helper's signals", r.anonymous(entry.Helper))
	add("session", sameAs(entry.Session, entry.PID, callerSession))
	add("process group", sameAs(entry.Group, entry.PID, callerGroup))
	for name, value := range entry.Values {
		if name == "pid" || strings.HasSuffix(name, "parent") {
			value = pids.of(value)
		}
		add(name, r.anonymous(value))
	}
}

// sameAs says whose a session or process group is. The caller's may itself be outside the tests' PID namespace: 0, then.
func sameAs(id, own, caller int) string {
	switch id {
	case caller:
		return "the caller's"
	case own:
		return "its own"
	case 0:
		return "outside the PID namespace"
	}
	return "another"
}

// hostNamespaces, callerSession, callerIgnores and callerGroup are those of the tests.
var (
	hostNamespaces = map[string]string{}
	callerSession  int
	callerIgnores  uint64
	callerGroup    = unix.Getpgrp()
)

func init() {
	status, _ := os.ReadFile("/proc/self/status")
	if line := ignored.Find(status); line != nil {
		callerIgnores, _ = strconv.ParseUint(string(line[len(line)-16:]), 16, 64)
	}
	callerSession, _ = unix.Getsid(0)
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		hostNamespaces[kind], _ = os.Readlink("/proc/self/ns/" + kind)
	}
}
