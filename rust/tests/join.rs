// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A running container is joined by a second start: it is in the very namespaces of the first, or it does not run at all.

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::{Run, Running, Starter};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The kinds that the first start creates and the second joins, with their files in /proc/PID/ns.
const KINDS: [(&str, &str); 6] =
    [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup"), ("mount", "mnt")];

/// Runs until the test kills it.
const LONG: &str = "exec sleep 1000";

/// Who may join whom.
fn callers() -> Vec<&'static str> {
    if common::is_root() {
        return vec!["root", "user"];
    }
    println!("left out: root: needs root");
    vec!["user"]
}

fn kinds(caller: &str) -> Vec<(&'static str, &'static str)> {
    let user = (caller == "user").then_some(("user", "user"));
    user.into_iter().chain(KINDS).collect()
}

/// A container that runs, and the pid of its program.
fn target(starter: &Starter, caller: &str) -> (Running, i32) {
    let uid = if common::is_root() { common::USER } else { nix::unistd::getuid().as_raw() };
    let map = if caller == "user" { json!([[0, uid, 1]]) } else { json!([]) };
    let create: Vec<&str> = kinds(caller).into_iter().map(|(kind, _)| kind).collect();
    let configuration = json!({ "create": create, "uid_map": map, "gid_map": map, "exec": ["/bin/sh", "-c", LONG] });
    let running = starter.launch(caller, &configuration).spawn();
    running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
    let pid = running.pid("stage2");
    (running, pid)
}

fn joiner(pid: i32, paths: &[(&str, String)], script: &str) -> Value {
    let join: serde_json::Map<String, Value> =
        paths.iter().map(|(kind, path)| ((*kind).to_owned(), json!(path))).collect();
    json!({ "join_only": true, "join": join, "working_directory": format!("/proc/{pid}"),
            "exec": ["/bin/sh", "-c", script] })
}

fn relative(caller: &str) -> Vec<(&'static str, String)> {
    kinds(caller).into_iter().map(|(kind, file)| (kind, format!("ns/{file}"))).collect()
}

fn join(starter: &Starter, caller: &str, configuration: &Value) -> Run {
    let mut launch = starter.launch(caller, configuration);
    launch.cleanup_host = true;
    launch.run()
}

/// Ends the first container and looks at what both left.
fn end(running: Running, pid: i32, joined: &Run) {
    common::kill(pid);
    let run = running.wait();
    assert_eq!(run.exit, -9, "{run}");
    for run in [&run, joined] {
        run.nothing_left().unwrap_or_else(|left| panic!("{left}\n{run}"));
    }
}

fn links(pid: i32, caller: &str) -> Vec<String> {
    let link = |file: &str| std::fs::read_link(format!("/proc/{pid}/ns/{file}")).expect("link");
    kinds(caller).into_iter().map(|(_, file)| link(file).to_string_lossy().into_owned()).collect()
}

/// A script that prints the program's namespaces. The /proc that the container has is the host's.
fn show(caller: &str) -> String {
    let files: Vec<&str> = kinds(caller).into_iter().map(|(_, file)| file).collect();
    format!("for n in {}; do readlink /proc/self/ns/$n; done; exit 37", files.join(" "))
}

#[test]
fn who_joins_is_in_the_same_namespaces() {
    let starter = Starter::probe();
    for caller in callers() {
        let (running, pid) = target(&starter, caller);
        let script = show(caller);
        let joined = join(&starter, caller, &joiner(pid, &relative(caller), &script));
        assert_eq!(joined.exit, 37, "{caller}\n{joined}");
        let seen: Vec<&str> = joined.stdout.lines().collect();
        assert_eq!(seen, links(pid, caller), "{caller}");
        let calls: Vec<String> = joined.calls().into_keys().collect();
        assert_eq!(calls, ["cleanup-host", "stage1", "stage2"], "{caller}: master has no engine then");
        end(running, pid, &joined);
    }
}

#[test]
fn a_signal_that_ends_the_program_ends_the_start() {
    let starter = Starter::probe();
    for caller in callers() {
        let (running, pid) = target(&starter, caller);
        let joined = join(&starter, caller, &joiner(pid, &relative(caller), "kill -TERM $$"));
        assert_eq!(joined.exit, -libc::SIGTERM, "{caller}\n{joined}");
        end(running, pid, &joined);
    }
}

/// Lets a process that stops go on up to its exit, where the calling thread holds it until it detaches (ptrace(2)).
fn hold_at_exit(pid: Pid) {
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT).expect("traced");
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)).expect("stage 1") {
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXIT) => break,
            _ => ptrace::cont(pid, None).expect("continued"),
        }
    }
}

/// The program waits for nothing of stage 1's, which has decided and may take its time to end.
#[test]
fn a_request_to_end_is_the_programs_as_soon_as_that_runs() {
    let starter = Starter::probe();
    let program = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    for caller in callers() {
        let (running, pid) = target(&starter, caller);
        let mut configuration = joiner(pid, &relative(caller), program);
        configuration["fail"] = json!({ "PrepareConfig": "stop" });
        let mut second = starter.launch(caller, &configuration).spawn();
        let stage1 = Pid::from_raw(second.pid("stage1"));
        hold_at_exit(stage1);
        let mut said = BufReader::new(second.child.stdout.take().expect("piped")).lines();
        assert_eq!(said.next().expect("it runs").expect("output"), "ready", "{caller}");
        let master = second.child.id().cast_signed();
        kill(Pid::from_raw(master), Signal::SIGTERM).expect("a signal");
        let deadline = Instant::now() + Duration::from_secs(30);
        while common::is_pending(master, libc::SIGTERM) {
            assert!(Instant::now() < deadline, "{caller}: master does not take its signals");
            common::look_again();
        }
        ptrace::detach(stage1, None).expect("stage 1 ends");
        let joined = second.wait();
        assert_eq!(joined.exit, 7, "{caller}\n{joined}");
        end(running, pid, &joined);
    }
}

/// That nothing ran, and why.
fn refused(caller: &str, run: &Run, words: &[&str]) {
    assert_eq!(run.exit, 255, "{caller}\n{run}");
    assert_eq!(run.stdout, "", "{caller}\n{run}");
    assert!(!run.log.contains("StartProcess"), "{caller}: it ran\n{run}");
    assert_eq!(run.stderr.matches("pinion: error: ").count(), 1, "{caller}\n{run}");
    for word in words {
        assert!(run.stderr.contains(word), "{caller}: {word:?}\n{run}");
    }
    assert_eq!(run.events("callback").filter(|event| event["name"] == "CleanupHost").count(), 1, "{caller}\n{run}");
}

#[test]
fn a_target_that_has_ended_is_not_joined() {
    let starter = Starter::probe();
    for caller in callers() {
        let (mut running, pid) = target(&starter, caller);
        common::kill(pid);
        let status = running.child.wait().expect("status");
        assert_eq!(status.signal(), Some(9), "{caller}");
        let absolute: Vec<_> =
            kinds(caller).into_iter().map(|(kind, file)| (kind, format!("/proc/{pid}/ns/{file}"))).collect();
        let mut configuration = joiner(pid, &absolute, "echo ran on the host");
        configuration["working_directory"] = json!("/");
        let joined = join(&starter, caller, &configuration);
        refused(caller, &joined, &[&format!("namespace \"/proc/{pid}/ns/"), "no such file"]);
        joined.nothing_left().unwrap_or_else(|left| panic!("{left}"));
    }
}

/// It dies after PrepareConfig has found it: somewhere on the way of the second start, wherever that is.
#[test]
fn a_target_that_ends_meanwhile_is_joined_whole_or_not_at_all() {
    let starter = Starter::probe();
    for caller in callers() {
        for name in ["stage 1", "descriptors", "user namespace", "pid namespace", "handshake"] {
            let (running, pid) = target(&starter, caller);
            let inside = links(pid, caller);
            let mut launch = starter.launch(caller, &joiner(pid, &relative(caller), &show(caller)));
            launch.cleanup_host = true;
            let second = launch.spawn();
            second.until(name, |event| event["event"] == "step" && event["name"] == name || event["event"] == "exit");
            common::kill(pid);
            let joined = second.wait();
            let seen: Vec<&str> = joined.stdout.lines().collect();
            assert!(inside.iter().zip(&seen).all(|(inside, seen)| inside == seen), "{caller}, {name}\n{joined}");
            assert_ne!(joined.exit, 0, "{caller}, {name}\n{joined}");
            end(running, pid, &joined);
        }
    }
}

#[test]
fn what_is_no_such_namespace_is_refused() {
    let starter = Starter::probe();
    for caller in callers() {
        let (running, pid) = target(&starter, caller);
        let mut last = None;
        for (kind, path, words) in [
            ("network", "ns/uts", &["join the network namespace \"ns/uts\"", "invalid argument"][..]),
            ("mount", "ns/net", &["join the mount namespace \"ns/net\"", "invalid argument"]),
            ("pid", "ns/mnt", &["join the pid namespace \"ns/mnt\"", "invalid argument"]),
            ("ipc", "status", &["join the ipc namespace \"status\""]),
            ("uts", "/etc/passwd", &["join the uts namespace \"/etc/passwd\""]),
            ("uts", "/dev/null", &["join the uts namespace \"/dev/null\""]),
            ("uts", "/", &["join the uts namespace \"/\""]),
            ("cgroup", "ns/none", &["open the cgroup namespace \"ns/none\"", "no such file"]),
        ] {
            let mut paths = relative(caller);
            for (entry, joined) in &mut paths {
                if *entry == kind {
                    *joined = path.to_owned();
                }
            }
            let joined = join(&starter, caller, &joiner(pid, &paths, "echo ran on the host"));
            refused(caller, &joined, words);
            last = Some(joined);
        }
        end(running, pid, &last.expect("one"));
    }
}
