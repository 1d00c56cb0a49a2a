// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whoever is killed, wherever: nothing is left, CleanupHost has run once when the container was gone, and the caller sees it.
//!
//! Three families of cases, in every flow: at each step that a process reaches (read from the record of a run in which
//! nothing is killed), inside each callback, and from outside while the container's program runs. The same where a process cannot be
//! made ([`forks`]), and where a callback hangs until a SIGTERM comes ([`hangs`]).

#[path = "common/mod.rs"]
mod common;
#[path = "killed/forks.rs"]
mod forks;
#[path = "killed/hangs.rs"]
mod hangs;
#[path = "killed/joins.rs"]
mod joins;
#[path = "killed/observer.rs"]
mod observer;
#[path = "common/under.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod under;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use common::{Launch, Running, Starter};
use observer::Expected;
use pinion::engine::contract::Callback;
use pinion::lifecycle::roles::Role;
use serde_json::{Value, json};

/// What the program of a run ends with if nobody kills it.
const CODE: i32 = 7;

/// Writes down that it runs, and ends.
const SHORT: &str = "echo ran >>$LOG; $WAIT; exit 7";
/// Writes down that it runs, waits for a child, and ends.
const LONG: &str = "sleep 1000 & echo ran >>$LOG; wait; exit 7";

/// A way to start a container, with everything asked for that must be cleaned up.
#[derive(Clone)]
struct Flow {
    name: String,
    caller: &'static str,
    configuration: Value,
}

fn flows() -> Vec<Flow> {
    let one = json!([[0, if common::is_root() { common::USER } else { nix::unistd::getuid().as_raw() }, 1]]);
    let ranges = json!([[0, common::USER, 1], [1, 100_000, 65_536]]);
    let all = [
        ("root", "root", json!({ "create": ["pid", "mount", "uts"] })),
        ("root, shared mounts", "root", json!({ "create": ["pid", "mount", "uts"], "share_mounts": true })),
        ("user", "user", json!({ "create": ["user", "pid", "mount"], "uid_map": one, "gid_map": one })),
        (
            "user, shared mounts",
            "user",
            json!({ "create": ["user", "pid", "mount"], "uid_map": one, "gid_map": one, "share_mounts": true }),
        ),
        (
            "ranges",
            "user",
            json!({ "create": ["user", "pid", "mount"], "uid_map": ranges, "gid_map": ranges, "hybrid": true,
                    "map_helpers": true, "target_uid": 5, "target_gids": [5] }),
        ),
        ("setuid", "setuid", json!({ "create": ["pid", "mount", "uts"] })),
        ("setuid, shared mounts", "setuid", json!({ "create": ["pid", "mount", "uts"], "share_mounts": true })),
        (
            "setuid, ranges",
            "setuid",
            json!({ "create": ["user", "pid", "mount"], "uid_map": ranges, "gid_map": ranges, "hybrid": true,
                    "allow_setgroups": true, "target_uid": 5, "target_gids": [5] }),
        ),
        ("instance", "root", json!({ "create": ["pid", "mount", "uts"], "instance": true })),
        (
            "instance of a user",
            "user",
            json!({ "create": ["user", "pid", "mount"], "uid_map": one, "gid_map": one, "instance": true }),
        ),
        ("instance, setuid", "setuid", json!({ "create": ["pid", "mount", "uts"], "instance": true })),
    ];
    let possible = |caller: &str, name: &str| common::is_root() || (caller == "user" && name != "ranges");
    let mut flows = Vec::new();
    for (name, caller, configuration) in all {
        if !possible(caller, name) {
            println!("left out: {name}: needs root");
            continue;
        }
        for (monitor, core_monitor) in [("the engine monitors", false), ("the core monitors", true)] {
            if core_monitor && !["root", "user", "setuid", "instance"].contains(&name) {
                continue;
            }
            let mut configuration = configuration.clone();
            configuration["core_monitor"] = json!(core_monitor);
            configuration["make"] = json!(["$DIR/made"]);
            configuration["watch"] = json!("$DIR/record");
            flows.push(Flow { name: format!("{name}, {monitor}"), caller, configuration });
        }
    }
    flows
}

/// Whether everything is to be run, and not a part of what has many cases for each flow.
fn all() -> bool {
    std::env::var_os("PINION_KILLED").is_some_and(|value| value == "all")
}

/// The ways to begin, for that.
fn chosen_ways() -> &'static [&'static str] {
    if all() { Starter::ways() } else { &Starter::ways()[..1] }
}

/// The flows for that: a few that differ in most, unless all are wanted.
fn chosen() -> Vec<Flow> {
    let few = [
        "root, the core monitors",
        "user, the engine monitors",
        "instance, the core monitors",
        "instance of a user, the engine monitors",
    ];
    flows().into_iter().filter(|flow| all() || few.contains(&flow.name.as_str())).collect()
}

impl Flow {
    fn joins(&self) -> bool {
        self.configuration["join_only"] == json!(true)
    }

    /// A program that writes down that it runs, and ends.
    fn script(&self) -> &'static str {
        // Nothing tells when the one that joins runs.
        if self.joins() { "echo ran >>$LOG; exit 7" } else { SHORT }
    }

    fn launch<'a>(&self, starter: &'a Starter, script: &str, fail: &Value) -> Launch<'a> {
        self.launch_as(starter, self.caller, script, fail)
    }

    fn launch_as<'a>(&self, starter: &'a Starter, caller: &str, script: &str, fail: &Value) -> Launch<'a> {
        let mut configuration = self.configuration.clone();
        configuration["exec"] = json!(["/bin/sh", "-c", script.replace("$LOG", "$DIR/log")]);
        configuration["fail"] = fail.clone();
        let mut launch = starter.launch(caller, &configuration);
        launch.post_start_host = true;
        launch.cleanup_host = true;
        launch
    }
}

/// One case: returns what is wrong with what came of it.
type Case<'a> = (String, Box<dyn Fn(&Starter) -> Result<(), String> + Send + Sync + 'a>);

fn run_all(cases: &[Case<'_>]) {
    run_in(Starter::ways(), cases, 3);
}

/// As [`run_all`], in some ways to begin, `at_once` of them at a time.
fn run_in(ways: &[&str], cases: &[Case<'_>], at_once: usize) {
    let (begun, failed) = (Instant::now(), Mutex::new(Vec::new()));
    for way in ways {
        let (starter, next) = (Starter::begins(way), Mutex::new(cases.iter()));
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let case = next.lock().expect("queue").next();
                        let Some((name, case)) = case else { break };
                        let judged = catch_unwind(AssertUnwindSafe(|| case(&starter)));
                        if let Err(wrong) = judged.unwrap_or_else(|_| Err("it panicked".into())) {
                            failed.lock().expect("list").push(format!("{way}: {name}: {wrong}"));
                        }
                    }
                });
            }
        });
    }
    let (failed, count) = (failed.into_inner().expect("list"), cases.len() * ways.len());
    println!("{} passed, {} failed, in {:.1?}", count - failed.len(), failed.len(), begun.elapsed());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The steps that each process reaches when nothing happens, and proof that this starter has points at all.
fn points(starter: &Starter, flow: &Flow) -> BTreeSet<(String, u64)> {
    let clean = flow.launch(starter, SHORT, &json!({})).run();
    let code = if clean.is_instance() { 0 } else { CODE };
    assert_eq!(clean.exit, code, "{}\n{clean}", flow.name);
    let steps = clean.events("step");
    steps
        .map(|event| (event["role"].as_str().expect("role").to_owned(), event["step"].as_u64().expect("step")))
        .collect()
}

#[test]
fn at_every_step_of_every_process() {
    let (starter, flows) = (Starter::probe(), flows());
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        let points = points(&starter, flow);
        for role in Role::ALL {
            assert!(points.iter().any(|(name, _)| name == role.word()), "{}: no point in {role}", flow.name);
        }
        for (role, step) in points {
            let fault = format!("{role}:{step}");
            let name = format!("{}: killed at {fault}", flow.name);
            let case = move |starter: &Starter| {
                let mut launch = flow.launch(starter, SHORT, &json!({}));
                launch.fault = Some(fault.clone());
                // The environment is emptied before the processes on the host are made.
                let early = role == "starter" && (step < 3 || step == 4);
                let ran_on = role.starts_with("cleanup-");
                let expected = Expected { cleanups: u32::from(!early)..=u32::from(!early), ran_on, exec: None };
                let run = launch.run_and_kill();
                expected.compare(&run)?;
                observer::died_as(&run, &role)
            };
            cases.push((name, Box::new(case)));
        }
    }
    run_all(&cases);
}

#[test]
fn inside_every_callback() {
    let all = [
        Callback::PrepareConfig,
        Callback::CreateContainer,
        Callback::StartProcess,
        Callback::PostStartHost,
        Callback::PostStartProcess,
        Callback::MonitorContainer,
        Callback::CleanupContainer,
        Callback::CleanupHost,
    ];
    let flows = flows();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        let core_monitors = flow.configuration["core_monitor"] == json!(true);
        for callback in all.into_iter().filter(|callback| !core_monitors || *callback != Callback::MonitorContainer) {
            let case = move |starter: &Starter| {
                // Killed in the middle of it, cleanup-host has its spare run it again, which is killed as well: nobody is left
                // to undo what the journal lists.
                let in_cleanup = callback == Callback::CleanupHost;
                let mut flow = flow.clone();
                if in_cleanup {
                    flow.configuration["make"] = json!([]);
                }
                let run = flow.launch(starter, SHORT, &json!({ callback.name(): "kill" })).run_and_kill();
                let cleanups = if in_cleanup { 2..=2 } else { 1..=1 };
                Expected { cleanups, ran_on: in_cleanup, exec: None }.compare(&run)
            };
            cases.push((format!("{}: killed in {}", flow.name, callback.name()), Box::new(case)));
        }
    }
    run_all(&cases);
}

/// The connection's end alone does not let the container go on: CreateContainer has to succeed.
#[test]
fn after_create_container_has_disconnected() {
    let flows = flows();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        let case = move |starter: &Starter| {
            let running = flow.launch(starter, SHORT, &json!({ "CreateContainer": "disconnect" })).spawn();
            running.until("the server's end", |event| event["event"] == "child" && event["of"] == "rpc-server");
            running.kill("master");
            Expected { cleanups: 1..=1, ran_on: false, exec: Some(-9) }.compare(&running.wait())
        };
        cases.push((format!("{}: master killed after it has disconnected", flow.name), Box::new(case)));
    }
    run_all(&cases);
}

#[test]
fn cleanup_host_inside_its_callback() {
    let flows = flows();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        for (name, exit) in [("on master's word", CODE), ("after master's death", -9)] {
            let case = move |starter: &Starter| {
                let by_word = exit == CODE;
                let script = if by_word { SHORT } else { LONG };
                let running = flow.launch(starter, script, &json!({ "CleanupHost": "kill first" })).spawn();
                if !by_word {
                    observer::until_it_ran(&running);
                    running.kill("master");
                }
                // The spare runs it again, to its end.
                Expected { cleanups: 2..=2, ran_on: by_word, exec: Some(exit) }.compare(&running.wait())
            };
            cases.push((format!("{}: killed in CleanupHost {name}", flow.name), Box::new(case)));
        }
    }
    run_all(&cases);
}

/// Kills one of `running`'s processes, or two.
type Attack = fn(&Running);

#[test]
fn from_outside_while_the_container_runs() {
    let attacks: [(&str, i32, Attack); 7] = [
        ("container", -9, |running| running.kill("stage2")),
        ("master", -9, |running| running.kill("master")),
        ("cleanup-host, then the container", -9, |running| {
            running.kill("cleanup-host");
            running.kill("stage2");
        }),
        ("cleanup-spare, then the container", -9, |running| {
            running.kill("cleanup-spare");
            running.kill("stage2");
        }),
        ("cleanup-host, then master", -9, |running| {
            running.kill("cleanup-host");
            running.kill("master");
        }),
        ("cleanup-spare, then master", -9, |running| {
            running.kill("cleanup-spare");
            running.kill("master");
        }),
        ("the container's child", CODE, |running| observer::kill_child_of(running, "stage2")),
    ];
    let flows = flows();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        for (name, exit, attack) in attacks {
            let case = move |starter: &Starter| {
                let running = flow.launch(starter, LONG, &json!({})).spawn();
                running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
                observer::until_it_ran(&running);
                attack(&running);
                let run = running.wait();
                Expected { cleanups: 1..=1, ran_on: false, exec: Some(exit) }.compare(&run)
            };
            cases.push((format!("{}: {name} killed from outside", flow.name), Box::new(case)));
        }
    }
    run_all(&cases);
}

/// The kernel takes the signal of its parent's death from a program that gains capabilities when it is executed: it
/// outlives master, and whoever cleans up ends it first.
#[test]
fn master_of_a_container_whose_program_has_gained_capabilities() {
    if !common::is_root() {
        println!("left out: all of it: needs root");
        return;
    }
    const KILL: u64 = 1 << 5;
    let flows: Vec<Flow> = flows().into_iter().filter(|flow| flow.caller == "root").collect();
    let attacks: [(&str, Attack); 2] = [
        ("master", |running| running.kill("master")),
        ("cleanup-host, then master", |running| {
            running.kill("cleanup-host");
            running.kill("master");
        }),
    ];
    let mut cases: Vec<Case<'_>> = Vec::new();
    for flow in &flows {
        for (name, attack) in attacks {
            let case = move |starter: &Starter| {
                let mut flow = flow.clone();
                flow.configuration["capabilities"] = json!({ "bounding": ["CAP_KILL"] });
                let running = flow.launch(starter, LONG, &json!({})).spawn();
                running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
                observer::until_it_ran(&running);
                let permitted = observer::permitted(running.pid("stage2"));
                attack(&running);
                let compared = Expected { cleanups: 1..=1, ran_on: false, exec: Some(-9) }.compare(&running.wait());
                compared.and(if permitted == KILL { Ok(()) } else { Err(format!("it gained {permitted:#x}")) })
            };
            cases.push((format!("{}: {name} killed, with a program that gains", flow.name), Box::new(case)));
        }
    }
    run_all(&cases);
}
