// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks at what a run with a killed process left to see.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{self, Run, Running};

/// What must hold after a run beside what always must.
pub struct Expected {
    /// How often CleanupHost was called.
    pub cleanups: RangeInclusive<u32>,
    /// Whether the container was none the worse for it.
    pub ran_on: bool,
    /// How the run ended, if that is known: exit code, or the negative number of the signal.
    pub exec: Option<i32>,
}

impl Expected {
    /// What is wrong with the run.
    pub fn compare(&self, run: &Run) -> Result<(), String> {
        // Those who follow their killed parent, and clean up after it, do so in their own time: the look at what is left waits
        // for them.
        let checked = run.nothing_left().and_then(|()| self.exit(run));
        let checked = checked.and_then(|()| self.clean_up(run)).and_then(|()| success(run));
        checked.map_err(|wrong| format!("{wrong}\n{run}  record:\n{}", record(run)))
    }

    fn exit(&self, run: &Run) -> Result<(), String> {
        if run.is_instance() {
            return exit_of_instance(run);
        }
        match (self.exec, self.ran_on) {
            (Some(exit), _) if run.exit != exit => Err(format!("exit: wanted {exit}, is {}", run.exit)),
            (None, true) if run.exit != crate::CODE => {
                Err(format!("the container's end is not the run's: {}", run.exit))
            }
            (None, false) if run.exit != 255 && run.exit != -9 => Err(format!("its caller sees exit {}", run.exit)),
            _ => Ok(()),
        }
    }

    fn clean_up(&self, run: &Run) -> Result<(), String> {
        let log = run.late_log();
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("CleanupHost ")).collect();
        let count = u32::try_from(lines.len()).expect("few");
        if !self.cleanups.contains(&count) {
            return Err(format!("CleanupHost was called {count} times"));
        }
        match lines.iter().find(|line| !line.contains("alive=[]")) {
            Some(line) => Err(format!("CleanupHost was called before the container's end: {line}")),
            None => Ok(()),
        }
    }
}

/// Success means that the container ran; what came of it after that is nobody's business.
fn exit_of_instance(run: &Run) -> Result<(), String> {
    let ran = run.events("returned").any(|event| event["name"] == "PostStartProcess" && event["ok"] == true);
    match run.exit {
        0 if !ran => Err("the starter reported an instance that does not run".into()),
        0 | 255 | -9 | -15 => Ok(()),
        exit => Err(format!("its caller sees exit {exit}")),
    }
}

/// No success was reported that there was not, and no program ran in a container that was not complete.
fn success(run: &Run) -> Result<(), String> {
    // One that joins has no container to make.
    if !run.events("step").any(|event| event["name"] == "rpc server") {
        return Ok(());
    }
    let log = run.late_log();
    let ran = log.lines().any(|line| line == "ran");
    let called = |name: &str| run.events("callback").any(|event| event["name"] == name);
    // Executed, and killed before it could say so.
    let of_stage2 = |name: &str| run.events(name).any(|event| event["role"] == "stage2");
    let executing = called("StartProcess") && !of_stage2("returned") && !of_stage2("fault");
    let created = run.events("returned").any(|event| event["name"] == "CreateContainer" && event["ok"] == true);
    for name in ["PostStartHost", "PostStartProcess"] {
        if called(name) && !ran && !executing {
            return Err(format!("{name} was called although the program was not executed"));
        }
    }
    if (ran || called("StartProcess")) && !created {
        return Err("the container was started although CreateContainer did not succeed".into());
    }
    Ok(())
}

/// That a process of this role was the one that died: its record ends there.
pub fn died_as(run: &Run, role: &str) -> Result<(), String> {
    let events: Vec<Value> = run.record().into_iter().filter(|event| event["role"] == role).collect();
    let before = matches!(role, "starter" | "container");
    match events.last() {
        None => Err(format!("{role} did not come to its point")),
        Some(last) if !before && last["event"] == "exit" => Err(format!("{role} ended by itself: {last}")),
        Some(_) => Ok(()),
    }
}

/// Waits until the container's program has said that it runs.
pub fn until_it_ran(running: &Running) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let log = running.folder().join("log");
    while !std::fs::read_to_string(&log).unwrap_or_default().lines().any(|line| line == "ran") {
        assert!(Instant::now() < deadline, "the program did not run");
        common::look_again();
    }
}

/// Kills the one child of the process that has this role.
pub fn kill_child_of(running: &Running, role: &str) {
    let pid = running.pid(role);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("children");
    common::kill(children.trim().parse().expect("one child"));
}

fn record(run: &Run) -> String {
    run.record().iter().map(|event| format!("    {event}\n")).collect()
}

/// The permitted capabilities of a process.
pub fn permitted(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).expect("a line of it");
    u64::from_str_radix(line.trim(), 16).expect("a number")
}
