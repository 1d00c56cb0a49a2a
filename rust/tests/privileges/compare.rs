// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process as it was seen, compared with its row.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::collector::{self, Process, Sets, Thread};
use crate::common;
use crate::flows::Flow;
use crate::rows::{Dumpable, Ids, NoNewPrivs, PROGRAM, Place, Row, Set, Threads};

/// What is compared and what differs.
#[derive(Default)]
pub struct Verdict {
    pub compared: usize,
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Compares one value.
    pub fn same<T: PartialEq + Debug>(&mut self, what: impl FnOnce() -> String, wanted: &T, is: &T) {
        self.holds(wanted == is, || format!("{}: wanted {wanted:?}, is {is:?}", what()));
    }

    /// Counts one value, of which `wrong` says how it differs.
    pub fn holds(&mut self, holds: bool, wrong: impl FnOnce() -> String) {
        self.compared += 1;
        if !holds {
            self.wrong.push(wrong());
        }
    }
}

/// What whoever starts a run has.
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
    groups: Vec<u32>,
    sets: Sets,
    no_new_privs: u32,
    session: i32,
    limits: Vec<String>,
    namespaces: BTreeMap<&'static str, String>,
    /// All that this kernel knows.
    full: u64,
}

impl Caller {
    /// `root`, or another: the tests' own user, or the one to whom root leaves the start.
    pub fn named(name: &str) -> Self {
        let own = collector::status_of(&std::fs::read_to_string("/proc/self/status").expect("status"));
        let pid = std::process::id().cast_signed();
        let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("the last capability");
        let mut caller = Caller {
            uid: own.uid[0],
            gid: own.gid[0],
            groups: own.groups,
            sets: own.sets,
            no_new_privs: own.no_new_privs,
            session: collector::session(pid).expect("session"),
            limits: collector::limits(pid).expect("limits"),
            namespaces: collector::namespaces(pid).expect("namespaces"),
            full: u64::MAX >> (63 - last.trim().parse::<u32>().expect("a number")),
        };
        if common::is_root() && name != "root" {
            (caller.uid, caller.gid, caller.groups) = (common::USER, common::USER, Vec::new());
        }
        caller
    }
}

/// One of the five sets.
type Kind = fn(&Sets) -> u64;

/// What a row is filled with.
pub struct Bench<'a> {
    pub flow: &'a Flow,
    pub caller: &'a Caller,
    /// The starter's language.
    pub face: &'a str,
    /// The namespaces of the container's processes, once there are any.
    pub container: Option<&'a BTreeMap<&'static str, String>>,
    /// The starter's program.
    pub starter: &'a std::path::Path,
    /// The session of an instance, which its master leads.
    pub instance: Option<i32>,
}

/// The kernel takes these with a file system user id other than root's: CAP_CHOWN, CAP_DAC_OVERRIDE,
/// CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE, CAP_MKNOD and CAP_MAC_OVERRIDE (capabilities(7)).
const ABOUT_FILES: u64 = 0x1f | 1 << 9 | 1 << 27 | 1 << 32;

/// The environment that stays, and with what it came.
pub const KEPT: [&str; 4] = ["PINION_MESSAGELEVEL=1", "GOGC=off", "GODEBUG=madvdontneed=1", "RUST_BACKTRACE=0"];

impl Bench<'_> {
    /// Compares a process with its row.
    pub fn compare(&self, process: &Process, row: &Row, moment: &str, verdict: &mut Verdict) {
        for (index, thread) in process.threads.iter().enumerate() {
            let what = |what: &str| format!("thread {index}: {what}");
            self.ids(thread, row, &what, verdict);
            self.sets(thread, row, &what, verdict);
            let no_new_privs = match row.no_new_privs {
                NoNewPrivs::Callers => self.caller.no_new_privs,
                NoNewPrivs::Configured => self.caller.no_new_privs | self.flow.own.no_new_privs,
            };
            verdict.same(|| what("no_new_privs"), &no_new_privs, &thread.no_new_privs);
            verdict.same(|| what("securebits"), &row.securebits, &thread.securebits);
            verdict.same(|| what("dumpable"), &self.is_dumpable(row), &(thread.dumpable == 1));
        }
        self.death_signal(process, row, verdict);
        self.threads(process, row, moment, verdict);
        self.namespaces(process, row, verdict);
        self.surroundings(process, row, moment, verdict);
    }

    /// Whether others of the same user may look into a process of this row.
    pub fn is_dumpable(&self, row: &Row) -> bool {
        match row.dumpable {
            Dumpable::Yes => true,
            Dumpable::No => false,
            Dumpable::UnlessTarget => self.flow.own.ids.is_none(),
            Dumpable::UnlessGained => !self.flow.own.gains(),
        }
    }

    fn ids(&self, thread: &Thread, row: &Row, what: &impl Fn(&str) -> String, verdict: &mut Verdict) {
        let (uid, gid) = (self.caller.uid, self.caller.gid);
        let (uids, gids, groups) = match (row.ids, &self.flow.own.ids) {
            (Ids::Target, Some((uid, gid, groups))) => ([*uid; 4], [*gid; 4], groups),
            (Ids::Caller | Ids::Target, _) => ([uid; 4], [gid; 4], &self.caller.groups),
            (Ids::SavedRoot, _) => ([uid, uid, 0, uid], [gid; 4], &self.caller.groups),
            (Ids::RootButFiles, _) => ([uid, 0, 0, uid], [gid; 4], &self.caller.groups),
        };
        verdict.same(|| what("user ids"), &uids, &thread.uid);
        verdict.same(|| what("group ids"), &gids, &thread.gid);
        verdict.same(|| what("groups"), groups, &thread.groups);
    }

    fn sets(&self, thread: &Thread, row: &Row, what: &impl Fn(&str) -> String, verdict: &mut Verdict) {
        let named = |set: Set, of: Kind| match set {
            Set::None => 0,
            Set::Callers => of(&self.caller.sets),
            Set::Full => self.caller.full,
            Set::Setuid => self.caller.sets.bounding,
            Set::SetuidButFiles => self.caller.sets.bounding & !ABOUT_FILES,
            Set::Only(bits) => bits,
            Set::Configured => of(&self.flow.own.sets),
            Set::Executed => self.flow.own.executed,
        };
        let all: [(&str, Set, Kind); 5] = [
            ("effective", row.effective, |sets| sets.effective),
            ("permitted", row.permitted, |sets| sets.permitted),
            ("inheritable", row.inheritable, |sets| sets.inheritable),
            ("bounding", row.bounding, |sets| sets.bounding),
            ("ambient", row.ambient, |sets| sets.ambient),
        ];
        for (name, set, of) in all {
            let (wanted, is) = (named(set, of), of(&thread.sets));
            verdict.holds(wanted == is, || {
                format!("{}: wanted {wanted:#x}, is {is:#x}", what(&format!("{name} capabilities")))
            });
        }
    }

    /// The kernel keeps it for each thread and sends it for any: what counts is which there are.
    fn death_signal(&self, process: &Process, row: &Row, verdict: &mut Verdict) {
        let mut is: Vec<i64> = process.threads.iter().map(|thread| thread.death_signal).filter(|is| *is != 0).collect();
        is.dedup();
        let forgotten = row.dumpable == Dumpable::UnlessGained && self.flow.own.gains();
        let wanted: Vec<i64> =
            Some(row.death_signal.into()).filter(|signal| *signal != 0 && !forgotten).into_iter().collect();
        verdict.same(|| "the signal at its parent's death".into(), &wanted, &is);
    }

    /// A3.
    fn threads(&self, process: &Process, row: &Row, moment: &str, verdict: &mut Verdict) {
        let most = match row.threads {
            Threads::One => 1,
            Threads::Role if self.face == "Go" => usize::MAX,
            // An activity each: create, start and monitor.
            Threads::Role if row.role == "master" && !self.flow.core_monitors && !self.flow.joins => 4,
            Threads::Role => 1,
        };
        let is = process.threads.len();
        verdict.holds(is <= most, || format!("A3: {is} threads in {moment}, {most} may be"));
    }

    fn namespaces(&self, process: &Process, row: &Row, verdict: &mut Verdict) {
        for (name, is) in &process.namespaces {
            let host = &self.caller.namespaces[name];
            let container = self.container.map(|all| &all[name]);
            let inside = self.flow.of_container.contains(name);
            let (others, own) = match row.place {
                Place::Container => (inside, false),
                Place::Master => (self.flow.with_master.contains(name), self.flow.of_master.contains(name)),
                Place::Host => (false, false),
            };
            let holds = match (others, own) {
                (true, _) => is != host && container.is_none_or(|container| container == is),
                (_, true) => is != host && container != Some(is),
                _ => is == host,
            };
            let whose = match (others, own) {
                (true, _) => "the container's",
                (_, true) => "its own",
                _ => "the host's",
            };
            verdict.holds(holds, || {
                let known = format!("the host's is {host}, the container's {container:?}");
                format!("{name} namespace: wanted {whose}, is {is}; {known}")
            });
        }
        let some = |thread: &Thread| thread.sets.effective | thread.sets.permitted != 0;
        if self.flow.caller == "user" && process.threads.iter().any(some) {
            let outside = process.namespaces["user"] == self.caller.namespaces["user"];
            verdict.holds(!outside, || "it has capabilities on the host".into());
        }
    }

    /// What a process has around itself: A1, A4, limits, session, program.
    fn surroundings(&self, process: &Process, row: &Row, moment: &str, verdict: &mut Verdict) {
        verdict.same(|| "A1: writable memory that others share".into(), &Vec::new(), &process.shared_memory);
        // What a program is to have in another one's name is nobody's business to steer: one knob stays, which is Go's.
        let kept = if self.flow.caller == "setuid" { &KEPT[..2] } else { &KEPT };
        let mut kept: Vec<String> = kept.iter().map(|&variable| variable.to_owned()).collect();
        if self.face == "Go" && self.flow.caller == "setuid" && moment == PROGRAM {
            // Go's runtime gives itself this variable in a setuid program, and engines hand their environment on.
            kept.push("GOTRACEBACK=none".into());
        }
        let mut environment = process.environment.clone();
        environment.sort();
        kept.sort();
        verdict.same(|| "A4: the environment".into(), &kept, &environment);
        // Go raises this one in a process of its own, and puts it back where it executes a program.
        let go = self.face == "Go" && row.threads == Threads::Role;
        let may_differ = |line: &String| go && line.starts_with("Max open files");
        let others: Vec<&String> =
            process.limits.iter().filter(|line| !may_differ(line) && !self.caller.limits.contains(line)).collect();
        verdict.same(|| "limits that the caller has not".into(), &Vec::new(), &others);
        let session = match (row.role, self.instance) {
            ("post-start-host" | "cleanup-host" | "cleanup-spare", _) => process.pid,
            ("master" | "container" | "rpc-server" | "stage2", Some(master)) => master,
            _ => self.caller.session,
        };
        verdict.same(|| "session".into(), &session, &process.session);
        let executed = moment == PROGRAM;
        verdict.same(|| "whether it executes the starter".into(), &!executed, &(process.program == self.starter));
    }
}

/// Whether processes of this role are the container's.
pub fn is_of_container(role: &str) -> bool {
    ["container", "rpc-server", "stage2"].contains(&role)
}
