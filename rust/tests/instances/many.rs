// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many instances at once: `PINION_INSTANCES` of them, and `PINION_ROUNDS` rounds of `PINION_AT_ONCE` starts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::world::{Flow, World, run};

const SCRIPT: &str = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait";

fn number(variable: &str, smoke: usize) -> usize {
    std::env::var(variable).map_or(smoke, |text| text.parse().expect("a number"))
}

/// Does it for each name, so many of them at once. Returns how long that took, and what failed.
fn each(names: &[String], at_once: usize, work: impl Fn(&str) -> Result<(), String> + Sync) -> (Duration, Vec<String>) {
    let (begun, next, failed) = (Instant::now(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(names.len()) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(wrong) = work(name) {
                        failed.lock().expect("list").push(format!("{name}: {wrong}"));
                    }
                }
            });
        }
    });
    (begun.elapsed(), failed.into_inner().expect("list"))
}

fn start(world: &World, name: &str) -> Result<(), String> {
    let seen = run(world.starting(name, &[], SCRIPT));
    if seen.exit == 0 { Ok(()) } else { Err(format!("start: {} {}", seen.exit, seen.err)) }
}

fn stop(world: &World, name: &str) -> Result<(), String> {
    // Its program may not have set its trap yet.
    let seen = world.run(&["stop", "--timeout", "30", name]);
    if seen.exit == 0 { Ok(()) } else { Err(format!("stop: {} {}", seen.exit, seen.err)) }
}

fn exec(world: &World, name: &str) -> Result<(), String> {
    let seen = world.run(&["exec", name, "sh", "-c", "hostname >/dev/null; echo in; exit 3"]);
    if (seen.exit, seen.out.as_str()) == (3, "in\n") {
        Ok(())
    } else {
        Err(format!("exec: {} {}", seen.exit, seen.err))
    }
}

/// Memory that is a process's own, in kB.
fn private_dirty(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap_or_default();
    line.split_whitespace().nth(1).map_or(0, |kilobytes| kilobytes.parse().expect("a number"))
}

#[test]
fn many_at_once() {
    let count = number("PINION_INSTANCES", 16);
    for flow in [Flow::Root, Flow::User, Flow::Setuid] {
        let Some(world) = World::of(flow) else { continue };
        let names: Vec<String> = (0..count).map(|number| world.name(&format!("many{number}"))).collect();
        let (started, mut failed) = each(&names, 64, |name| start(&world, name));
        let begun = Instant::now();
        let list = world.run(&["list", "--json"]).out;
        let listed = begun.elapsed();
        failed.extend(
            names
                .iter()
                .filter(|name| !list.contains(&format!("\"{name}\"")))
                .map(|name| format!("{name}: not listed")),
        );
        let tree = world.tree(&names[0]);
        let memory: Vec<String> =
            tree.all.iter().map(|process| format!("{} {} kB", process.word(), private_dirty(process.pid))).collect();
        let (executed, more) = each(&names, 16, |name| exec(&world, name));
        failed.extend(more);
        let (stopped, more) = each(&names, 64, |name| stop(&world, name));
        failed.extend(more);
        println!(
            "{flow:?}: {count} started in {started:.1?}, listed in {listed:.1?}, a program in each in {executed:.1?}, \
             all stopped in {stopped:.1?}; private dirty memory: {}",
            memory.join(", ")
        );
        assert!(failed.is_empty(), "{flow:?}: {} failures:\n{}", failed.len(), failed.join("\n"));
        let list = world.run(&["list", "--json"]).out;
        assert!(!names.iter().any(|name| list.contains(&format!("\"{name}\""))), "{flow:?}: {list}");
    }
}

#[test]
fn started_at_once_again_and_again() {
    let (rounds, at_once) = (number("PINION_ROUNDS", 2), number("PINION_AT_ONCE", 16));
    for flow in [Flow::Root, Flow::User, Flow::Setuid] {
        let Some(world) = World::of(flow) else { continue };
        let names: Vec<String> = (0..at_once).map(|number| world.name(&format!("round{number}"))).collect();
        let begun = Instant::now();
        for round in 0..rounds {
            let (_, mut failed) = each(&names, at_once, |name| start(&world, name));
            failed.extend(each(&names, at_once, |name| stop(&world, name)).1);
            assert!(failed.is_empty(), "{flow:?}: round {round}: {} failures:\n{}", failed.len(), failed.join("\n"));
        }
        println!("{flow:?}: {rounds} rounds of {at_once} in {:.1?}", begun.elapsed());
    }
}
