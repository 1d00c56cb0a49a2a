// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privilege contract, seen from outside: a run is stopped in each callback of each flow, and every process that is
//! alive then is compared with its row (privileges/rows.rs), in all that the kernel tells of it to somebody else.
//!
//! | assertion | where |
//! | --- | --- |
//! | ids, capabilities, no_new_privs, securebits, dumpable, death signal, namespaces | compare.rs |
//! | A1 no writable memory shared with others, A3 threads, A4 environment | compare.rs |
//! | A2 open descriptors, A5 none that leads out of the container | descriptors.rs, held.rs |
//! | A6 who is hidden can be neither traced, nor read, nor robbed of a descriptor | standing.rs |
//! | A7 callbacks that misbehave | rust/tests/scenarios/misbehaviour.json |
//! | the RPC server in the middle of a method | rust/tests/rpc_capabilities.rs |
//!
//! `cargo test` does it for the starter in Rust. With `PINION_PRIVILEGES=all` (`make test-privileges`) also for those
//! in C and Go.

#[path = "privileges/collector.rs"]
mod collector;
mod common;
#[path = "privileges/compare.rs"]
mod compare;
#[path = "privileges/descriptors.rs"]
mod descriptors;
#[path = "privileges/flows.rs"]
mod flows;
#[path = "privileges/held.rs"]
mod held;
#[path = "privileges/rows.rs"]
mod rows;
#[path = "privileges/standing.rs"]
mod standing;
#[path = "privileges/suid_dumpable.rs"]
mod suid_dumpable;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::time::Instant;

use collector::Collector;
use common::Starter;
use flows::{Flow, Stop};
use serde_json::json;
use suid_dumpable::{Changed, Stays};

/// The starters that are compared, by the language of their engine.
fn faces() -> Vec<(&'static str, Starter)> {
    let all = std::env::var_os("PINION_PRIVILEGES").is_some_and(|asked| asked == "all");
    let face = |way: &str| match way {
        "starter" => Some("Rust"),
        "probe" if all => Some("C"),
        Starter::GO if all => Some("Go"),
        _ => None,
    };
    Starter::ways().iter().filter_map(|way| Some((face(way)?, Starter::begins(way)))).collect()
}

/// Values compared, by row and flow.
type Counts = BTreeMap<(String, usize), usize>;

/// A starter, a flow by its place in the list, and where that is stopped.
type Case<'a> = (&'static str, &'a Starter, usize, &'static Stop);

#[test]
fn every_process_has_what_its_row_says() {
    if !standing::may_trace() {
        println!("left out: all of it: to look into processes needs root");
        return;
    }
    let _stays = Stays::as_it_is();
    judge_all(&flows::possible());
}

/// Where the kernel would leave a setuid program open to its user, and where it would have root alone read what it dumps.
#[test]
fn a_setuid_starter_is_hidden_whatever_the_machine_says() {
    if !common::is_root() || !standing::may_trace() {
        println!("left out: all of it: to start a setuid program and look into it needs root");
        return;
    }
    let mut flows = flows::possible();
    flows.retain(|flow| flow.caller == "setuid");
    for value in ["1", "2"] {
        let _changed = match Changed::to(value) {
            Ok(changed) => changed,
            Err(error) => {
                println!("left out: suid_dumpable {value}: it cannot be set here: {error}");
                continue;
            }
        };
        println!("suid_dumpable {value}");
        judge_all(&flows);
    }
}

/// What the kernel makes of its process is not the engine's doing.
#[test]
fn an_engine_may_get_root_back_whatever_the_machine_says() {
    if !common::is_root() {
        println!("left out: all of it: to start a setuid program needs root");
        return;
    }
    let starter = Starter::probe();
    for value in ["0", "1", "2"] {
        let _changed = match Changed::to(value) {
            Ok(changed) => changed,
            Err(error) => {
                println!("left out: suid_dumpable {value}: it cannot be set here: {error}");
                continue;
            }
        };
        let fail = json!({ "CreateContainer": "regain", "PostStartProcess": "regain", "CleanupContainer": "regain" });
        // The C library, by which the engine does so, changes the ids of every thread: there is one where the core monitors.
        let configuration = json!({ "create": ["pid", "mount"], "core_monitor": true, "exec": ["true"], "fail": fail });
        let run = starter.launch("setuid", &configuration).run();
        assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "suid_dumpable {value}\n{run}");
        run.nothing_left().unwrap_or_else(|left| panic!("{left}\n{run}"));
    }
}

/// Brings a run of each flow to each of its stops, in each language, and compares.
fn judge_all(flows: &[Flow]) {
    let (begun, collector, faces) = (Instant::now(), Collector::new(), faces());
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (face, starter) in &faces {
        for (at, flow) in flows.iter().enumerate() {
            cases.extend(flow.stops().map(|stop| (*face, starter, at, stop)));
        }
    }
    let (next, counts, failed) = (Mutex::new(cases.iter()), Mutex::new(Counts::new()), Mutex::new(Vec::new()));
    let judge = |(face, starter, at, stop): &Case<'_>| {
        let judged = catch_unwind(|| standing::judge(&collector, starter, face, &flows[*at], stop));
        let (seen, wrong) = judged.unwrap_or_else(|_| (Vec::new(), vec!["it did not come to that".into()]));
        let mut counts = counts.lock().expect("counts");
        for (row, compared) in seen {
            *counts.entry((row, *at)).or_default() += compared;
        }
        let name = format!("{face}: {}: stopped in {}", flows[*at].name, stop.name());
        failed.lock().expect("list").extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let case = next.lock().expect("queue").next();
                    let Some(case) = case else { break };
                    judge(case);
                }
            });
        }
    });
    let (counts, failed) = (counts.into_inner().expect("counts"), failed.into_inner().expect("list"));
    show(flows, &faces, &counts);
    println!("{} stops, {} differences, in {:.1?}", cases.len(), failed.len(), begun.elapsed());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Rows by flows, over all faces.
fn show(flows: &[Flow], faces: &[(&'static str, Starter)], counts: &Counts) {
    println!("values compared, over {} faces:", faces.len());
    for (at, flow) in flows.iter().enumerate() {
        println!("  {}: {}", char::from(b'a' + u8::try_from(at).expect("few flows")), flow.name);
    }
    let rows: BTreeSet<&String> = counts.keys().map(|(row, _)| row).collect();
    for row in &rows {
        let cells: Vec<String> = (0..flows.len())
            .map(|at| counts.get(&((*row).clone(), at)).map_or("-".to_owned(), ToString::to_string))
            .map(|cell| format!("{cell:>6}"))
            .collect();
        println!("{row:<36}{}", cells.concat());
    }
    let names: Vec<&str> = faces.iter().map(|(face, _)| *face).collect();
    let (rows, names, values) = (rows.len(), names.join(", "), counts.values().sum::<usize>());
    println!("{rows} rows x {} flows x {} faces ({names}): {values} values", flows.len(), faces.len());
}

/// A flow that has no row for a process would say nothing of it.
#[test]
fn each_flow_has_one_row_for_each_process_and_moment() {
    for flow in flows::flows() {
        let mut seen = BTreeSet::new();
        for row in flow.rows.iter().copied().flatten() {
            for moment in row.moments {
                assert!(seen.insert((row.role, *moment)), "{}: {} has two rows in {moment}", flow.name, row.role);
            }
        }
        for (role, moment) in flow.stops.iter().flat_map(|stop| flow.alive(stop)) {
            assert!(seen.contains(&(role, moment)), "{}: {role} has no row in {moment}", flow.name);
        }
    }
}
