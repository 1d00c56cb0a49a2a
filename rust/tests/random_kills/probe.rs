// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The starter with the probe's engine: what it leaves in its record and its log tells what happened.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{self, Launch, Run, Running, Starter};
use crate::observer::Expected;
use crate::world::below;
use crate::{CODE, Draws, Moments, kills};

const SCRIPT: &str = "echo ran >>$DIR/log; $WAIT; echo ended >>$DIR/log; exit 7";

struct Flow {
    name: &'static str,
    caller: &'static str,
    configuration: Value,
}

fn flows() -> Vec<Flow> {
    let one = json!([[0, common::own_user(), 1]]);
    let ranges = json!([[0, common::USER, 1], [1, 100_000, 65_536]]);
    let own = json!(["pid", "mount", "uts"]);
    let of_user = json!({ "create": ["user", "pid", "mount"], "uid_map": one, "gid_map": one });
    let in_ranges = |key: &str| {
        json!({ "create": ["user", "pid", "mount"], "uid_map": ranges, "gid_map": ranges, "hybrid": true,
                                      "target_uid": 5, "target_gids": [5], key: true })
    };
    let instance = |mut configuration: Value| {
        configuration["instance"] = json!(true);
        configuration
    };
    let all = [
        ("root", "root", json!({ "create": own })),
        ("user namespace", "user", of_user.clone()),
        ("ranges", "user", in_ranges("map_helpers")),
        ("setuid", "setuid", json!({ "create": own })),
        ("setuid, ranges", "setuid", in_ranges("allow_setgroups")),
        ("instance of root", "root", instance(json!({ "create": own }))),
        ("instance of a user", "user", instance(of_user)),
        ("instance, setuid", "setuid", instance(json!({ "create": own }))),
    ];
    let possible = |flow: &Flow| {
        let possible = common::is_root() || (flow.caller == "user" && flow.name != "ranges");
        if !possible {
            println!("skipped: {}: needs root", flow.name);
        }
        possible
    };
    let flows = all.into_iter().map(|(name, caller, configuration)| Flow { name, caller, configuration });
    flows.filter(possible).collect()
}

impl Flow {
    fn launch<'a>(&self, starter: &'a Starter) -> Launch<'a> {
        let mut configuration = self.configuration.clone();
        configuration["exec"] = json!(["/bin/sh", "-c", SCRIPT]);
        configuration["make"] = json!(["$DIR/made"]);
        configuration["watch"] = json!("$DIR/record");
        let mut launch = starter.launch(self.caller, &configuration);
        launch.post_start_host = true;
        launch.cleanup_host = true;
        launch
    }
}

/// How long a run takes until nobody of it is left: the quickest of some, since a kill after the end is none.
fn clean(flow: &Flow, starter: &Starter) -> Duration {
    let once = || {
        let begun = Instant::now();
        let running = flow.launch(starter).spawn();
        let folder = running.folder().to_owned();
        while !processes(&running).is_empty() {
            common::look_again();
        }
        let took = begun.elapsed();
        let run = running.wait();
        assert_eq!(run.exit, if run.is_instance() { 0 } else { CODE }, "{}\n{run}", flow.name);
        assert!(common::holders(&folder).is_empty(), "{}: measured too short", flow.name);
        took
    };
    (0..3).map(|_| once()).min().expect("some")
}

/// The processes of a run: the starter, those who have written themselves down, and what the program has made.
fn processes(running: &Running) -> Vec<i32> {
    let written = running.record().into_iter().filter(|event| event["event"] == "process");
    let written = written.filter_map(|event| i32::try_from(event["pid"].as_i64()?).ok());
    let mut all = vec![running.child.id().cast_signed()];
    all.extend(written);
    let programs: Vec<i32> = all.iter().flat_map(|pid| below(*pid)).collect();
    all.extend(programs);
    all.sort_unstable();
    all.dedup();
    all.retain(|pid| is_of_run(*pid, running));
    all
}

/// Whether the process has the record open, or works in the run's folder. Zombies do neither.
fn is_of_run(pid: i32, running: &Running) -> bool {
    let leads = |link: &str| std::fs::read_link(format!("/proc/{pid}/{link}"));
    leads("cwd").is_ok_and(|cwd| cwd.starts_with(running.folder()))
        || leads("fd/9").is_ok_and(|file| file == running.folder().join("record"))
}

/// Kills any process of the run, if there is one. Returns its pid.
fn kill_one(running: &Running, draws: &mut Draws) -> Option<i32> {
    let all = processes(running);
    let victim = *all.get(draws.below(all.len().max(1)))?;
    let pid = rustix::process::Pid::from_raw(victim).expect("a pid");
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
    // It is still the one that was found, or has ended.
    let still = is_of_run(victim, running);
    (still && rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL).is_ok()).then_some(victim)
}

/// What is wrong with a run of which this process was killed.
fn judge(run: &Run, victim: Option<i32>) -> Result<(), String> {
    // The look at what is left comes first: it waits for those who clean up.
    run.nothing_left().map_err(|left| format!("{left}\n{run}"))?;
    let of = |role: &str| run.events("process").find(|event| event["role"] == role).map(|event| event["pid"].clone());
    let cleaners = ["cleanup-host", "cleanup-spare"].map(of);
    let died = |pid: &Value| victim.is_some_and(|victim| *pid == json!(victim));
    // Which of the processes on the host is there to do it. One that was killed may have begun.
    let there = cleaners.iter().flatten().any(|pid| !died(pid));
    let most = 1 + u32::from(cleaners.iter().flatten().any(died));
    Expected { cleanups: u32::from(there)..=most, ran_on: false, exec: Some(run.exit) }.compare(run)?;
    let ended = run.late_log().lines().any(|line| line == "ended");
    match run.exit {
        // What an instance's caller sees has been compared.
        _ if run.is_instance() => Ok(()),
        CODE if ended => Ok(()),
        255 | -9 if victim.is_some() => Ok(()),
        exit => Err(format!("its caller sees exit {exit}\n{run}")),
    }
}

#[test]
fn whoever_is_killed_whenever() {
    let starter = Starter::probe();
    let mut failed = Vec::new();
    for flow in flows() {
        let (mut draws, clean, count) = (Draws::of(flow.name), clean(&flow, &starter), kills());
        let (mut hit, mut moments) = (0, Moments::of(clean, &mut draws));
        for number in 0..count {
            let moment = moments.next();
            let running = flow.launch(&starter).spawn();
            std::thread::park_timeout(moment);
            let victim = kill_one(&running, &mut draws);
            hit += u32::from(victim.is_some());
            moments.learn(moment, victim.is_some());
            let run = running.wait();
            if let Err(wrong) = judge(&run, victim) {
                let record: String = run.record().iter().map(|event| format!("    {event}\n")).collect();
                failed.push(format!(
                    "{}: run {number}, {victim:?} killed after {moment:?}: {wrong}\n{record}",
                    flow.name
                ));
            }
        }
        println!("{}: {count} runs of {clean:.1?}, {hit} kills", flow.name);
    }
    assert!(failed.is_empty(), "{} failures:\n{}", failed.len(), failed.join("\n"));
}
