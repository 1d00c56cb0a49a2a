// SPDX-License-Identifier: Apache-2.0 OR MIT
//! At the limit of processes a start works, or ends with an error that says which process or thread could not be made, and what
//! helps: nothing is left, and CleanupHost has run once if there was anything that it could clean up.

use std::collections::BTreeSet;

use serde_json::json;

use crate::common::{self, Run, Starter};
use crate::joins::Target;
use crate::observer::Expected;
use crate::{CODE, Case, Flow, chosen, chosen_ways, run_in, under};

/// What a start makes, and how its error names it.
type Made = (String, String);

/// Every process and thread that a start makes, from the record of one in which nothing fails.
fn made(starter: &Starter, flow: &Flow) -> BTreeSet<Made> {
    let clean = flow.launch(starter, flow.script(), &json!({})).run();
    let processes = clean.events("process").filter(|event| !event["parent"].is_null());
    let roles = processes.map(|event| event["role"].as_str().expect("role").to_owned());
    let mut made: BTreeSet<Made> = roles.map(|role| (role.clone(), format!("create the {role} process"))).collect();
    assert!(made.iter().any(|(role, _)| role == "container"), "{}\n{clean}", flow.name);
    // An engine that monitors by itself has a thread for each activity.
    if clean.events("callback").any(|event| event["name"] == "MonitorContainer") {
        let callbacks = ["MonitorContainer", "CreateContainer", "PostStartProcess"];
        made.extend(callbacks.map(|name| (name.to_owned(), format!("make a thread for {name}"))));
    }
    if flow.configuration["map_helpers"] == json!(true) {
        made.extend(["newuidmap", "newgidmap"].map(|name| (name.to_owned(), format!("/{name}\": start it"))));
    }
    made
}

/// One error, which says what was not made and what helps.
fn told(run: &Run, what: &[&str]) -> Result<(), String> {
    let words = ["resource temporarily unavailable", "help: the limit of processes is reached (ulimit -u"];
    let missing = what.iter().chain(&words).find(|word| !run.stderr.contains(**word));
    match (missing, run.stderr.matches("error: ").count()) {
        (None, 1) => Ok(()),
        (Some(word), _) => Err(format!("it does not say {word:?}\n{run}")),
        (None, count) => Err(format!("{count} errors\n{run}")),
    }
}

/// Each of them in turn, in any flow: the kernel's limit does not hold for root.
#[test]
fn nothing_is_left_where_a_process_or_a_thread_cannot_be_made() {
    let starter = Starter::probe();
    let targets = Target::all(&starter);
    let flows: Vec<Flow> = chosen().into_iter().chain(targets.iter().map(Target::joined)).collect();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        for (what, text) in made(&starter, flow) {
            // Without the processes on the host nothing has been done yet that could be undone.
            let early = ["post-start-host", "cleanup-host", "cleanup-spare"].contains(&what.as_str());
            let name = format!("{}: no {what}", flow.name);
            let case = move |starter: &Starter| {
                let mut launch = flow.launch(starter, flow.script(), &json!({}));
                launch.fault = Some(format!("fork:{what}"));
                let run = launch.run();
                let cleanups = u32::from(!early);
                Expected { cleanups: cleanups..=cleanups, ran_on: false, exec: Some(255) }.compare(&run)?;
                told(&run, &[&text])
            };
            cases.push((name, Box::new(case)));
        }
    }
    run_in(chosen_ways(), &cases, 3);
}

/// The first of users for whom nothing else runs on this machine: their processes are counted, also those of an instance that have
/// ended and that nobody has reaped yet. rust/tests/bad_input and rust/tests/setuid have others.
const LONELY: u32 = 61_240;

/// Most processes and threads of a start at one time, and some more.
const ENOUGH: u32 = 24;

/// The kernel's own limit, from one process up to where the start works.
#[test]
fn a_limit_of_processes_leaves_nothing() {
    if !common::is_root() {
        println!("left out: all of it: needs root, to be a user without other processes");
        return;
    }
    let (starter, under) = (Starter::probe(), under::program());
    // Those without ranges of ids, which these users have not.
    let flows =
        chosen().into_iter().filter(|flow| flow.caller == "user" && flow.configuration["hybrid"] != json!(true));
    let mut failed = Vec::new();
    for (first, mut flow) in (LONELY..).step_by(100).zip(flows) {
        let works = (1..=ENOUGH).find(|limit| {
            let user = first + limit;
            for map in ["uid_map", "gid_map"] {
                flow.configuration[map] = json!([[0, user, 1]]);
            }
            let mut launch = flow.launch_as(&starter, &user.to_string(), flow.script(), &json!({}));
            let condition = format!("limit={}:{limit}", libc::RLIMIT_NPROC);
            launch.under = vec![under.to_str().expect("UTF-8").to_owned(), condition, "--".to_owned()];
            let run = launch.run();
            let works = run.exit == if run.is_instance() { 0 } else { CODE };
            let judged = run.nothing_left().and_then(|()| if works { Ok(()) } else { refused(&run) });
            failed.extend(judged.err().map(|wrong| format!("{}: {limit} processes: {wrong}", flow.name)));
            works
        });
        failed.extend(works.is_none().then(|| format!("{}: it does not work with {ENOUGH} processes", flow.name)));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// It ended with an error of the runtime's, unless the container's program could not make its own processes.
fn refused(run: &Run) -> Result<(), String> {
    match run.exit {
        2 if run.stderr.contains("Cannot fork") => Ok(()),
        255 => told(run, &[]),
        exit => Err(format!("its caller sees exit {exit}\n{run}")),
    }
}
