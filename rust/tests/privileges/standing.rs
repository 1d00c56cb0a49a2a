// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A run that has been brought to a stop, and everything that is alive then.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::collector::{self, Collector, Process};
use crate::common::{self, Running, Starter};
use crate::compare::{Bench, Caller, KEPT, Verdict, is_of_container};
use crate::descriptors::{self, Links};
use crate::flows::{Flow, Hold, Stop};
use crate::held::Held;
use crate::rows::Row;

/// How long what differs may take to pass: a process in a callback has just written to its log.
const PASSING: Duration = Duration::from_secs(5);

/// Values compared, by row.
pub type Seen = Vec<(String, usize)>;

impl Stop {
    /// In words.
    pub fn name(&self) -> String {
        match self.hold {
            Hold::In(role, callback) => format!("{callback} of {role}"),
            Hold::Spare => "CleanupHost of cleanup-spare".into(),
            Hold::Program => "the container's program".into(),
        }
    }
}

/// Whether the kernel lets the tests look into the processes that they start: a user's may be closed to others than
/// their ancestors.
pub fn may_trace() -> bool {
    const SYS_PTRACE: u64 = 1 << 19;
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let is_open = scope.map_or(true, |scope| scope.trim() == "0");
    common::own_capabilities() & SYS_PTRACE != 0 || !common::is_root() && is_open
}

/// Starts a run, stops it, and compares: what was compared, and what differs.
pub fn judge(collector: &Collector, starter: &Starter, face: &str, flow: &Flow, stop: &Stop) -> (Seen, Vec<String>) {
    let target = flow.joins.then(|| target(starter, flow));
    let standing = Standing {
        collector,
        starter,
        face,
        flow,
        stop,
        caller: Caller::named(flow.caller),
        running: start(starter, flow, stop, target.as_ref().map(|(_, pid)| *pid)),
        target: target.as_ref().map(|(_, pid)| *pid),
    };
    standing.await_stop();
    let judged = standing.settled();
    standing.running.end();
    if let Some((running, _)) = target {
        running.end();
    }
    judged
}

/// A container that runs and is to be joined, with the pid of its program.
fn target(starter: &Starter, flow: &Flow) -> (Running, i32) {
    let mut configuration = flow.configuration.clone();
    configuration["exec"] = json!(["sleep", "1000"]);
    let running = starter.launch(flow.caller, &configuration).spawn();
    running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
    let pid = running.pid("stage2");
    (running, pid)
}

fn start(starter: &Starter, flow: &Flow, stop: &Stop, target: Option<i32>) -> Running {
    let mut configuration = if let Some(pid) = target { joiner(flow, pid) } else { flow.configuration.clone() };
    configuration["pre_start"] = json!(target.is_none());
    let ends = matches!(stop.hold, Hold::Spare | Hold::In("cleanup-host", _) | Hold::In(_, "CleanupContainer"));
    configuration["exec"] = match (ends, target) {
        (false, _) => json!(["sleep", "1000"]),
        (true, None) => json!(["sh", "-c", "$WAIT; exit 7"]),
        (true, Some(_)) => json!(["true"]),
    };
    let callback = match stop.hold {
        Hold::In(_, callback) => Some(callback),
        Hold::Spare => Some("CleanupHost"),
        Hold::Program => None,
    };
    if let Some(callback) = callback {
        configuration["fail"] = json!({ callback: "hang" });
    }
    let mut launch = starter.launch(flow.caller, &configuration);
    (launch.post_start_host, launch.cleanup_host) = (!flow.joins, true);
    for variable in KEPT.into_iter().chain(["SECRET=what no process needs"]) {
        let (name, value) = variable.split_once('=').expect("a variable");
        launch.variables.push((name.into(), value.into()));
    }
    launch.spawn()
}

/// The configuration with which the namespaces of a container are joined.
fn joiner(flow: &Flow, pid: i32) -> Value {
    let mut join = json!({});
    for file in flow.of_container {
        let kind = match *file {
            "mnt" => "mount",
            "net" => "network",
            other => other,
        };
        join[kind] = json!(format!("ns/{file}"));
    }
    json!({ "join_only": true, "join": join, "working_directory": format!("/proc/{pid}") })
}

struct Standing<'a> {
    collector: &'a Collector,
    starter: &'a Starter,
    face: &'a str,
    flow: &'a Flow,
    stop: &'a Stop,
    caller: Caller,
    running: Running,
    /// The program of the container that is joined.
    target: Option<i32>,
}

impl Standing<'_> {
    fn await_stop(&self) {
        let called = |role: &str, callback: &str| {
            self.running.until(callback, |event| {
                event["event"] == "callback" && event["name"] == callback && event["role"] == role
            });
        };
        match self.stop.hold {
            Hold::In(role, callback) => called(role, callback),
            Hold::Spare => {
                called("cleanup-host", "CleanupHost");
                self.running.kill("cleanup-host");
                called("cleanup-spare", "CleanupHost");
            }
            Hold::Program => called("stage2", "StartProcess"),
        }
    }

    /// The run stands still: what differs for long does not pass any more.
    fn settled(&self) -> (Seen, Vec<String>) {
        let deadline = Instant::now() + PASSING;
        let mut last = Err("nothing was seen".to_owned());
        while Instant::now() < deadline {
            match self.look() {
                Ok((seen, wrong)) if wrong.is_empty() => return (seen, wrong),
                // To be looked at makes a process wake up for a moment, in which it does not stand still.
                Err(_) if last.is_ok() => {}
                looked => last = looked,
            }
            common::look_again();
        }
        last.unwrap_or_else(|error| (Vec::new(), vec![error]))
    }

    fn look(&self) -> Result<(Seen, Vec<String>), String> {
        let stopped = self.flow.alive(self.stop);
        let mut expected: Vec<&str> = stopped.iter().map(|(role, _)| *role).collect();
        let alive = self.alive();
        let mut roles: Vec<&str> = alive.iter().map(|(role, _)| role.as_str()).collect();
        expected.sort_unstable();
        roles.sort_unstable();
        if roles != expected {
            return Err(format!("alive: wanted {expected:?}, are {roles:?}"));
        }
        let pid = |role: &str| alive.iter().find(|(name, _)| name == role).map(|(_, pid)| *pid).expect("alive");
        let pids: Vec<i32> = stopped.iter().map(|(role, _)| pid(role)).collect();
        if let Some(pid) = pids.iter().find(|pid| !collector::stands_still(**pid)) {
            return Err(format!("process {pid} does not stand still"));
        }
        let processes = self.collector.look(&pids)?;
        self.compare(&processes)
    }

    /// The processes that the record names and that live, each with its last role.
    fn alive(&self) -> Vec<(String, i32)> {
        let mut roles = std::collections::BTreeMap::new();
        for event in self.running.record().into_iter().filter(|event| event["event"] == "process") {
            let pid = i32::try_from(event["pid"].as_i64().expect("pid")).expect("pid");
            roles.insert(pid, event["role"].as_str().expect("role").to_owned());
        }
        roles.into_iter().filter(|(pid, _)| collector::is_alive(*pid)).map(|(pid, role)| (role, pid)).collect()
    }

    fn compare(&self, processes: &[Process]) -> Result<(Seen, Vec<String>), String> {
        let alive = self.flow.alive(self.stop);
        let inside = alive.iter().position(|(role, _)| is_of_container(role));
        let joined = self.target.map(collector::namespaces).transpose()?;
        let bench = Bench {
            flow: self.flow,
            caller: &self.caller,
            face: self.face,
            container: joined.as_ref().or(inside.map(|at| &processes[at].namespaces)),
            starter: self.starter.program_for(self.flow.caller),
            instance: alive
                .iter()
                .position(|(role, _)| self.flow.instance && *role == "master")
                .map(|at| processes[at].pid),
        };
        let named: Vec<(&'static str, &Process)> = alive.iter().map(|(role, _)| *role).zip(processes).collect();
        let (sockets, callers) = (self.collector.sockets()?, self.callers());
        let links = Links { processes: &named, sockets: &sockets, callers: &callers, go: self.face == "Go" };
        let (mut seen, mut wrong) = (Vec::new(), Vec::new());
        for ((role, moment), process) in alive.iter().zip(processes) {
            let (mut verdict, name) = (Verdict::default(), format!("{role}, {moment}"));
            let row = self.flow.row(role, moment).ok_or_else(|| format!("no row for {name}"))?;
            bench.compare(process, row, moment, &mut verdict);
            let held = Held::of(role, moment, self.flow, self.stop);
            links.compare(process, row, moment, &held, &mut verdict);
            self.hidden(&bench, process, row, &mut verdict)?;
            seen.push((name.clone(), verdict.compared));
            wrong.extend(verdict.wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
        }
        Ok((seen, wrong))
    }

    /// What the caller leaves open for the starter.
    fn callers(&self) -> Vec<(i32, String)> {
        let target = |number: i32| {
            let link = std::fs::read_link(format!("/proc/self/fd/{number}")).expect("a pipe");
            link.to_string_lossy().into_owned()
        };
        let child = &self.running.child;
        let out = child.stdout.as_ref().expect("standard output").as_raw_fd();
        let error = child.stderr.as_ref().expect("standard error").as_raw_fd();
        descriptors::of_caller(self.running.folder(), [target(out), target(error)])
    }

    /// A6: a process that is hidden is out of reach for another of its user, and for one of the caller, who may own its
    /// user namespace.
    fn hidden(&self, bench: &Bench<'_>, process: &Process, row: &Row, verdict: &mut Verdict) -> Result<(), String> {
        if bench.is_dumpable(row) || !common::is_root() {
            return Ok(());
        }
        let own = (process.threads[0].uid[0], process.threads[0].gid[0]);
        let callers = Some((self.caller.uid, self.caller.gid)).filter(|ids| *ids != own && ids.0 != 0);
        for (uid, gid) in std::iter::once(own).chain(callers) {
            let is = self.collector.reach(process.pid, uid, gid)?;
            let what = || format!("A6: what keeps user {uid} from tracing, opening, reading it");
            verdict.same(what, &[i64::from(libc::EPERM); 3], &is);
        }
        Ok(())
    }
}
