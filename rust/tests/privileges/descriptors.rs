// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A2 and A5: the open descriptors of a process, each named by what it leads to.

use std::collections::BTreeMap;
use std::path::Path;

use crate::collector::{self, Descriptor, NAMESPACES, Process, Socket};
use crate::compare::Verdict;
use crate::held::Held;
use crate::rows::{INSTANCE, PROGRAM, Row, Threads};

/// Everything that tells what a descriptor leads to.
pub struct Links<'a> {
    /// Every process of the run with its role.
    pub processes: &'a [(&'static str, &'a Process)],
    /// Every Unix socket.
    pub sockets: &'a BTreeMap<u64, Socket>,
    /// What the caller of the starter has open for it: number and target.
    pub callers: &'a [(i32, String)],
    /// Whether the starter has a Go runtime in its roles.
    pub go: bool,
}

/// The descriptor of the record: the core's from the start on, and closed where a program is executed.
const RECORD: i32 = 9;

/// What a launch leaves open for a starter: the tests' own descriptors that outlive an exec, standard streams, and two
/// files.
pub fn of_caller(folder: &Path, output: [String; 2]) -> Vec<(i32, String)> {
    let own = collector::handed_on().into_iter().map(|own| (own.number, own.target));
    let mut all: BTreeMap<i32, String> = own.collect();
    let [out, error] = output;
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    all.extend([(0, "/dev/null".to_owned()), (1, out), (2, error), (8, file("kept")), (RECORD, file("record"))]);
    all.into_iter().collect()
}

impl Links<'_> {
    /// Compares what a process has open with what it may have, and with how many it has.
    pub fn compare(&self, process: &Process, row: &Row, moment: &str, held: &Held, verdict: &mut Verdict) {
        for (number, target) in self.callers {
            let is = process.descriptors.iter().find(|own| own.number == *number).map(|own| &own.target);
            let wanted = (*number != RECORD || moment != PROGRAM).then_some(target);
            verdict.same(|| format!("A2: the caller's descriptor {number}"), &wanted, &is);
        }
        let (allowed, of_go) = (allowed(row.role, moment), self.go && row.threads == Threads::Role);
        let may = |name: &String| allowed.contains(&name.as_str()) || of_go && is_of_go(name, row.role);
        let is_callers = |own: &&Descriptor| self.callers.iter().any(|(number, _)| *number == own.number);
        let own: Vec<&Descriptor> = process.descriptors.iter().filter(|own| !is_callers(own)).collect();
        let is = self.held(&own);
        let holds = if of_go { covers(&is, held) } else { is == *held };
        verdict.holds(holds, || format!("A2: descriptors by kind: wanted {held:?}, are {is:?}"));
        for own in own {
            let names = self.names(own);
            verdict.holds(names.iter().all(may), || format!("A2: descriptor {} leads to {names:?}", own.number));
            if row.role == "stage2" {
                let namespace = NAMESPACES.iter().any(|kind| own.target.starts_with(&format!("{kind}:[")));
                let leads_out = own.directory || own.process.is_some() || namespace;
                verdict.holds(!leads_out, || format!("A5: descriptor {} leads out: {}", own.number, own.target));
            }
        }
    }

    /// What it leads to, each of which has to be allowed. Nothing comes by one whose other side is gone.
    fn names(&self, descriptor: &Descriptor) -> Vec<String> {
        let target = descriptor.target.as_str();
        if let Some(inode) = descriptor.socket() {
            return self.socket(inode);
        }
        match descriptor.process {
            Some(pid) if !collector::is_alive(pid) => Vec::new(),
            Some(pid) => vec![format!("pidfd of {}", self.role(pid))],
            None if descriptor.directory => vec![format!("directory {target}")],
            None if target.starts_with("pipe:") => self.pipe(target),
            None => vec![target.trim_start_matches("anon_inode:").trim_end_matches(" (deleted)").to_owned()],
        }
    }

    /// By kind.
    fn held(&self, own: &[&Descriptor]) -> Held {
        let number = |kind: &str| own.iter().filter(|own| self.kind(own) == kind).count();
        Held {
            null_device: number("/dev/null"),
            journal: number("/memfd:pinion-journal"),
            decisions: number("/memfd:pinion-plan"),
            signal_queues: number("[signalfd]"),
            event_counters: number("[eventfd]"),
            packets: number("packets"),
            streams: number("stream"),
            pidfds: number("pidfd"),
        }
    }

    /// Of which kind it is, whoever has its other side.
    fn kind<'d>(&self, descriptor: &'d Descriptor) -> &'d str {
        let target = descriptor.target.as_str();
        match (descriptor.socket(), descriptor.process) {
            (Some(inode), _) => self.sockets.get(&inode).map_or("a socket of another kind", Socket::word),
            (None, Some(_)) => "pidfd",
            (None, None) => target.trim_start_matches("anon_inode:").trim_end_matches(" (deleted)"),
        }
    }

    /// A pipe by those who have an end of it.
    fn pipe(&self, target: &str) -> Vec<String> {
        let has = |process: &Process| process.descriptors.iter().any(|own| own.target == target);
        let ends = self.processes.iter().filter(|(_, process)| has(process));
        ends.map(|(role, _)| format!("pipe of {}", self.lasting(role))).collect()
    }

    /// A socket by those who have its other end.
    fn socket(&self, inode: u64) -> Vec<String> {
        let Some(socket) = self.sockets.get(&inode) else { return vec!["a socket of another kind".to_owned()] };
        let kind = socket.word();
        let has = |process: &Process| process.descriptors.iter().any(|own| own.socket() == Some(socket.peer));
        let peers = self.processes.iter().filter(|(_, process)| has(process));
        peers.map(|(role, _)| format!("{kind} to {}", self.lasting(role))).collect()
    }

    fn role(&self, pid: i32) -> &str {
        let found = self.processes.iter().find(|(_, process)| process.pid == pid);
        found.map_or("a stranger", |(role, _)| self.lasting(role))
    }

    /// The role that a process has most of its life. A starter beside a master waits for an instance.
    fn lasting(&self, role: &'static str) -> &'static str {
        match role {
            "starter" if !self.processes.iter().any(|(role, _)| *role == "master") => "master",
            "stage2" => "container",
            other => other,
        }
    }
}

/// The same for a Go runtime, which has at most two event counters of its own, and the engine's connection once more. Master's
/// signals come by its pipe.
fn covers(is: &Held, wanted: &Held) -> bool {
    let extra = |is: usize, wanted: usize, most: usize| (wanted..=wanted + most).contains(&is);
    let Held { event_counters, streams, signal_queues, .. } = *wanted;
    let others = Held { event_counters, streams, signal_queues, ..*is } == *wanted;
    others && extra(is.event_counters, event_counters, 2) && extra(is.streams, streams, 1)
}

/// What Go's runtime opens for itself: it waits for descriptors, and looks at its share of the processors. Master's
/// signals come from it by a pipe.
fn is_of_go(name: &str, role: &str) -> bool {
    let waits = ["[eventpoll]", "[eventfd]"].contains(&name);
    waits || name.starts_with("/sys/fs/cgroup/") || role == "master" && name == "pipe of master"
}

/// The allow-lists: what a process needs for its part in the lifecycle.
fn allowed(role: &str, moment: &str) -> &'static [&'static str] {
    match role {
        "starter" if moment == INSTANCE => &["[signalfd]", "packets to master", "pidfd of master"],
        "starter" => &[
            "/memfd:pinion-journal",
            "/memfd:pinion-plan",
            "[signalfd]",
            "packets to cleanup-host",
            "packets to cleanup-spare",
            "packets to post-start-host",
            "packets to stage1",
            "pidfd of cleanup-host",
            "pidfd of cleanup-spare",
            "pidfd of post-start-host",
            "pidfd of stage1",
        ],
        // The null device stands where the starter has descriptors.
        "stage1" => &["/dev/null", "/memfd:pinion-journal", "/memfd:pinion-plan", "packets to master"],
        "post-start-host" => &["[eventfd]", "[signalfd]", "packets to master"],
        // Master's end of their sockets is with the container process and the RPC server as well: they count as its
        // life.
        "cleanup-host" | "cleanup-spare" => &[
            "/memfd:pinion-journal",
            "[eventfd]",
            "[signalfd]",
            "packets to cleanup-host",
            "packets to cleanup-spare",
            "packets to container",
            "packets to master",
            "packets to rpc-server",
            "pidfd of container",
            "pidfd of stage1",
        ],
        "master" => &[
            "/memfd:pinion-journal",
            "[eventfd]",
            "[signalfd]",
            "packets to cleanup-host",
            "packets to cleanup-spare",
            "packets to container",
            "packets to post-start-host",
            "packets to rpc-server",
            "packets to starter",
            "pidfd of cleanup-host",
            "pidfd of cleanup-spare",
            "pidfd of container",
            "pidfd of post-start-host",
            "stream to container",
            "stream to rpc-server",
        ],
        "container" => &[
            "[signalfd]",
            "packets to cleanup-host",
            "packets to cleanup-spare",
            "packets to master",
            "packets to rpc-server",
            "pidfd of cleanup-host",
            "pidfd of cleanup-spare",
            "pidfd of rpc-server",
            "stream to master",
        ],
        "rpc-server" => &[
            "packets to cleanup-host",
            "packets to cleanup-spare",
            "packets to container",
            "packets to master",
            "pidfd of cleanup-host",
            "pidfd of cleanup-spare",
            "stream to master",
        ],
        "stage2" if moment != PROGRAM => &["packets to master", "stream to master"],
        _ => &[],
    }
}
