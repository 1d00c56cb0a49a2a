// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Output in files of limited size: `pinion start --log-size`.

use std::os::unix::fs::MetadataExt;

use crate::common;
use crate::life::LONG;
use crate::world::{FLOWS, Flow, Process, World, run, until};

/// Writes numbered lines, and waits.
const LINES: &str =
    "n=0; while [ $n -lt 3000 ]; do n=$((n + 1)); echo \"line $n of the output\"; done; echo last; sleep 1000";

const LIMITS: [&str; 4] = ["--log-size", "5000", "--log-files", "3"];

/// The processes that have an instance's output open and are none of its own.
pub fn copiers(world: &World, name: &str) -> Vec<Process> {
    let of = |file: std::fs::Metadata| (file.dev(), file.ino());
    let output = std::fs::metadata(world.state().join(format!("{name}.out"))).map(of).expect("output");
    let holds = |pid: &i32| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
        open.filter_map(|entry| std::fs::metadata(entry.path()).ok()).any(|file| of(file) == output)
    };
    let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let holders = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).map(Process::of);
    holders.filter(|process| process.word() == "pinion-log").collect()
}

fn start(world: &World, name: &str, options: &[&str], script: &str) {
    let seen = run(world.starting(name, options, script));
    assert_eq!((seen.exit, seen.out.as_str(), seen.err.as_str()), (0, "", ""), "{:?}", world.flow);
}

/// The kept output, oldest first.
fn kept(world: &World, name: &str) -> String {
    ["out.2", "out.1", "out"].map(|ending| world.output(name, ending)).concat()
}

#[test]
fn the_latest_lines_are_kept_whole() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("limited"));
        start(&world, &name, &LIMITS, LINES);
        until("everything is written", || world.output(&name, "out").ends_with("last\n"));
        let sizes = ["out.2", "out.1", "out"].map(|ending| world.output(&name, ending).len());
        assert!(sizes.iter().all(|size| (1..=5000).contains(size)) && sizes[0] > 4900, "{flow:?}: {sizes:?}");
        assert_eq!(world.files(&name).len(), 5, "{flow:?}: {:?}", world.files(&name));
        let kept = kept(&world, &name);
        let first = 3001 - (kept.lines().count() - 1);
        let expected: String = (first..=3000).map(|number| format!("line {number} of the output\n")).collect();
        assert_eq!(kept, expected + "last\n", "{flow:?}");
        let tree = world.tree(&name);
        let copiers = copiers(&world, &name);
        assert_eq!(copiers.len(), 2, "{flow:?}");
        for copier in &copiers {
            let status = std::fs::read_to_string(format!("/proc/{}/status", copier.pid)).expect("status");
            assert!(status.contains(&format!("Uid:\t{0}\t{0}\t{0}\t{0}\n", world.uid())), "{flow:?}: {status}");
        }
        assert_eq!(world.run(&["stop", "--timeout", "0", &name]).exit, 0, "{flow:?}");
        tree.until_gone("stopped");
        until("nobody copies any more", || !copiers.iter().any(Process::lives));
    }
}

#[test]
fn both_streams_have_files_of_their_own() {
    let Some(world) = World::of(Flow::User) else { return };
    let name = world.name("both");
    start(&world, &name, &["--log-size", "100"], "echo out; echo err >&2; sleep 1000");
    until("it has written", || world.output(&name, "err") == "err\n" && world.output(&name, "out") == "out\n");
}

#[test]
fn a_line_longer_than_a_file_is_cut() {
    let Some(world) = World::of(Flow::User) else { return };
    let name = world.name("long");
    start(&world, &name, &["--log-size", "10", "--log-files", "1"], "printf 'abcdefghijklmnopqrstuvwxyz'; sleep 1000");
    until("the rest is written", || world.output(&name, "out") == "uvwxyz");
    assert_eq!(world.files(&name).len(), 3);
}

#[test]
fn who_copies_is_replaced_when_it_is_killed() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("replaced"));
        let script = "trap 'echo still there' USR1; echo ready; while :; do sleep 1000 & wait $!; done";
        // Some callers ignore it.
        let under = ["env", "--ignore-signal=CHLD"];
        let seen = run(world.starting_under(if flow == Flow::Root { &under } else { &[] }, &name, &LIMITS, script));
        assert_eq!((seen.exit, seen.out.as_str(), seen.err.as_str()), (0, "", ""), "{flow:?}");
        until("it is ready", || world.output(&name, "out") == "ready\n");
        let pid = world.tree(&name).container;
        for (number, lines) in (0..2).zip(2..) {
            let before = copiers(&world, &name);
            before[number].kill();
            until("there are two again", || {
                !before[number].lives() && copiers(&world, &name).iter().filter(|copier| copier.lives()).count() == 2
            });
            let signal = nix::sys::signal::Signal::SIGUSR1;
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("signal");
            until(&format!("{flow:?}: it is copied"), || world.output(&name, "out").lines().count() == lines);
        }
        assert_eq!(world.output(&name, "out"), "ready\nstill there\nstill there\n", "{flow:?}");
    }
}

/// Nobody reads: the program learns of it, and so does who waits for it.
#[test]
fn a_program_whose_output_nobody_reads_ends_by_that() {
    let Some(world) = World::of(Flow::User) else { return };
    let name = world.name("unread");
    start(
        &world,
        &name,
        &LIMITS,
        "trap 'exec cat /proc/version' USR1; echo ready; while :; do sleep 1000 & wait $!; done",
    );
    until("it is ready", || world.output(&name, "out") == "ready\n");
    let waiter = world.waiting(&name);
    let all = copiers(&world, &name);
    for copier in &all {
        let pid = nix::unistd::Pid::from_raw(copier.pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).expect("stopped");
    }
    all.iter().for_each(|copier| common::kill(copier.pid));
    until("nobody copies", || !all.iter().any(Process::lives));
    let container = nix::unistd::Pid::from_raw(world.tree(&name).container);
    nix::sys::signal::kill(container, nix::sys::signal::Signal::SIGUSR1).expect("signal");
    let seen = crate::world::finish(waiter);
    assert!([-libc::SIGPIPE, 1].contains(&seen.exit), "{} {}", seen.exit, seen.err);
}

#[test]
fn a_start_that_fails_says_why_all_the_same() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("refuses"));
        let mut arguments = vec!["start"];
        arguments.extend(world.options());
        arguments.extend(LIMITS);
        arguments.extend([&name, "--", "/no/such"]);
        let seen = world.run(&arguments);
        assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}");
        assert!(seen.err.contains("execute \"/no/such\": no such file or directory"), "{flow:?}: {}", seen.err);
        until("its files are gone", || world.files(&name).is_empty());
    }
}

#[test]
fn older_files_stay_with_the_instance_and_go_with_it() {
    let Some(world) = World::of_root(Flow::User) else { return };
    let (name, plain) = (world.name("older"), world.name("plain"));
    start(&world, &name, &LIMITS, LINES);
    until("everything is written", || world.output(&name, "out").ends_with("last\n"));
    world.start(&plain, LONG);
    assert!(copiers(&world, &plain).is_empty(), "without the option nobody copies");
    assert_eq!(world.run(&["sweep"]).out, "");
    assert_eq!(world.files(&name).len(), 5);
    assert_eq!(world.run(&["stop", "--timeout", "0", &name]).exit, 0);
    assert_eq!(world.run(&["sweep"]).out.lines().count(), 4);
    assert!(world.files(&name).is_empty());
    start(&world, &name, &LIMITS, LINES);
    until("everything is written", || world.output(&name, "out").ends_with("last\n"));
    assert_eq!(world.run(&["stop", "--timeout", "0", &name]).exit, 0);
    start(&world, &name, &[], LONG);
    assert_eq!(world.files(&name).len(), 3, "a later one begins anew");
}

#[test]
fn what_is_no_limit_is_refused() {
    let Some(world) = World::of(Flow::User) else { return };
    for options in [
        &["--log-size", "0"][..],
        &["--log-size", "x"],
        &["--log-files", "3"],
        &["--log-size", "9", "--log-files", "0"],
    ] {
        let mut arguments = vec!["start"];
        arguments.extend(options);
        arguments.extend(["x", "true"]);
        let seen = world.run(&arguments);
        assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{options:?}");
        assert!(seen.err.contains("--log-"), "{options:?}: {}", seen.err);
    }
}
