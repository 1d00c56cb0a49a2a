// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes of an instance that are killed.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{self, is_pending};
use crate::life::LONG;
use crate::world::{FLOWS, Flow, Process, Tree, World, below, children, finish, until};

/// Kills one of an instance's processes: nobody of it is left then, and its record neither.
fn nothing_is_left_without(word: &str, victim: fn(&Tree) -> i32) {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name(word));
        world.start(&name, LONG);
        let tree = world.tree(&name);
        let waiter = world.waiting(&name);
        common::kill(victim(&tree));
        tree.until_gone(&format!("{flow:?}: {word} killed"));
        until("the record is gone", || !world.files(&name).contains(&format!("{name}.json")));
        assert!(world.listed(&name).is_none(), "{flow:?}");
        let seen = finish(waiter);
        let told = match seen.exit {
            -9 => seen.err.is_empty(),
            255 => seen.err.contains("nobody was left to say how it ended"),
            _ => false,
        };
        assert!(told, "{flow:?}: {word}: wait: {} {}", seen.exit, seen.err);
        world.start(&name, LONG);
    }
}

#[test]
fn master_killed() {
    nothing_is_left_without("master", |tree| tree.master);
}

#[test]
fn first_process_killed() {
    nothing_is_left_without("first", |tree| tree.container);
}

/// A `pinion start` whose starter is stopped at its first instruction, so that it cannot be through before.
fn stopped_start(world: &World, name: &str) -> (Child, Process) {
    let starter = world.folder.path().join("starter");
    let script = format!("#!/bin/sh\nkill -STOP $$\nexec {} \"$@\"\n", world.programs()[1].display());
    std::fs::write(&starter, script).expect("file");
    std::fs::set_permissions(&starter, PermissionsExt::from_mode(0o755)).expect("mode");
    let mut command = world.starting(name, &[], LONG);
    command.env("PINION_STARTER", &starter).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("pinion");
    let stopped = || children(child.id().cast_signed()).into_iter().find(|pid| is_stopped(*pid));
    until("the starter is stopped", || stopped().is_some());
    let starter = Process::of(stopped().expect("stopped"));
    (child, starter)
}

/// The setuid flow takes no other starter than the one beside the program.
const WITH_ANOTHER_STARTER: [Flow; 2] = [Flow::Root, Flow::User];

/// Nobody is there for the waiting alone: the caller's own `pinion start` does that. What was sent to the caller's whole process group
/// meanwhile is not for the instance.
#[test]
fn the_starter_is_the_instances_master() {
    for world in WITH_ANOTHER_STARTER.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("master"));
        let (child, starter) = stopped_start(&world, &name);
        send(starter.pid, Signal::SIGUSR1);
        send(starter.pid, Signal::SIGCONT);
        let seen = finish(child);
        assert_eq!(seen.exit, 0, "{flow:?}: {}", seen.err);
        assert_eq!(world.run(&["exec", &name, "echo", "in"]).out, "in\n", "{flow:?}");
        let tree = world.tree(&name);
        assert_eq!(tree.master, starter.pid, "{flow:?}");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", tree.master)).expect("it lives");
        let session = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(3)).map(str::to_owned);
        assert_eq!(session, Some(starter.pid.to_string()), "{flow:?}: it leads a session");
    }
}

/// Nobody would hear any more that it runs.
#[test]
fn a_start_whose_front_end_is_killed_leaves_nothing() {
    for world in WITH_ANOTHER_STARTER.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("unheard"));
        let (child, starter) = stopped_start(&world, &name);
        common::kill(child.id().cast_signed());
        assert_eq!(finish(child).exit, -9, "{flow:?}");
        send(starter.pid, Signal::SIGCONT);
        until("the starter is gone", || !starter.lives());
        until("its files are gone", || world.files(&name).is_empty());
        assert!(world.listed(&name).is_none(), "{flow:?}");
    }
}

#[test]
fn a_start_that_is_asked_to_end_leaves_nothing() {
    for world in WITH_ANOTHER_STARTER.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("asked"));
        let (child, starter) = stopped_start(&world, &name);
        let front = child.id().cast_signed();
        send(front, Signal::SIGTERM);
        // It has been passed on, or its receiver is gone.
        until("it has come", || children(front).is_empty() || is_pending(starter.pid, libc::SIGTERM));
        send(starter.pid, Signal::SIGCONT);
        let seen = finish(child);
        assert_eq!((seen.exit, seen.out.as_str()), (-libc::SIGTERM, ""), "{flow:?}: {}", seen.err);
        // Master, if there was one by then.
        let said = seen.err.is_empty() || seen.err.contains("who waited for it was asked to end, or is gone");
        assert!(said, "{flow:?}: {}", seen.err);
        assert!(!starter.lives() && world.listed(&name).is_none(), "{flow:?}");
        assert_eq!(world.files(&name), Vec::<String>::new(), "{flow:?}");
    }
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it is there");
}

fn is_stopped(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
}

#[test]
fn a_watcher_killed_is_not_missed() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        for number in 0..2 {
            let (flow, name) = (world.flow, world.name(&format!("watcher{number}")));
            world.start(&name, LONG);
            let tree = world.tree(&name);
            let victim = Process::of(tree.watchers[number]);
            victim.kill();
            until("it is gone", || !victim.lives());
            assert!(world.listed(&name).is_some(), "{flow:?}: the instance runs on");
            assert_eq!(world.run(&["exec", &name, "echo", "in"]).out, "in\n", "{flow:?}");
            assert_eq!(world.run(&["stop", &name]).exit, 0, "{flow:?}");
            tree.until_gone("stopped");
            until("the record is gone", || !world.files(&name).contains(&format!("{name}.json")));
        }
    }
}

/// Nobody is left to clean up: the list knows, and `sweep` removes the rest.
#[test]
fn everybody_killed() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let (flow, name, other) = (world.flow, world.name("everybody"), world.name("lives"));
        world.start(&name, LONG);
        world.start(&other, LONG);
        let tree = world.tree(&name);
        tree.watchers.iter().copied().for_each(common::kill);
        tree.all.iter().for_each(Process::kill);
        tree.until_gone("killed");
        assert!(world.listed(&name).is_none(), "{flow:?}");
        let table = world.run(&["list"]).out;
        assert!(!table.contains(&name) && table.contains(&other), "{flow:?}: {table}");
        for verb in ["exec", "stop", "wait"] {
            let seen = world.run(&[verb, &name]);
            assert!(seen.exit == 255 && seen.err.contains(&format!("there is no instance {name:?}")), "{}", seen.err);
        }
        let left = ["err", "json", "out"].map(|ending| format!("{name}.{ending}"));
        assert_eq!(world.files(&name), left, "{flow:?}");
        let other_file = world.state().join("no-instance");
        std::fs::write(&other_file, "").expect("file");
        let dry = world.run(&["sweep", "--dry-run"]);
        assert_eq!(world.files(&name), left, "{flow:?}: nothing was done");
        let swept = world.run(&["sweep"]);
        assert_eq!((swept.exit, &swept.out), (0, &dry.out), "{flow:?}: {}", swept.err);
        let said: Vec<&str> = swept.out.lines().map(|line| line.rsplit('/').next().expect("a name")).collect();
        assert_eq!(said, left, "{flow:?}");
        assert!(world.files(&name).is_empty(), "{flow:?}");
        std::fs::remove_file(&other_file).expect("what no start has made stays");
        assert_eq!(world.files(&other).len(), 3, "{flow:?}: what lives is not swept");
        assert_eq!(world.run(&["exec", &other, "echo", "in"]).out, "in\n", "{flow:?}");
        assert_eq!(world.run(&["sweep"]).out, "", "{flow:?}");
    }
}

/// A later start takes the name of one whose every process was killed.
#[test]
fn a_name_of_the_dead_is_free() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let name = world.name("dead");
        world.start(&name, LONG);
        let tree = world.tree(&name);
        tree.watchers.iter().copied().for_each(common::kill);
        tree.all.iter().for_each(Process::kill);
        tree.until_gone("killed");
        world.start(&name, "echo another; echo ready; sleep 1000");
        assert_eq!(world.output(&name, "out"), "another\nready\n", "{:?}", world.flow);
    }
}

/// The starter, later master, is killed on its way: the instance runs, or nothing of it is left.
#[test]
fn a_starter_killed_on_its_way() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("waits"));
        let mut killed = 0;
        for wanted in 1..=4 {
            let mut command = world.starting(&name, &[], LONG);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
            let front = Process::of(child.id().cast_signed());
            let starter = || children(front.pid).first().copied();
            // It has made this many processes.
            until("it is on its way", || {
                !front.lives() || starter().is_some_and(|starter| children(starter).len() >= wanted)
            });
            let all = starter().map(below).unwrap_or_default().into_iter().map(Process::of).collect::<Vec<_>>();
            starter().into_iter().for_each(common::kill);
            let seen = finish(child);
            // One that was killed just after it had said that the container runs is on its way out.
            let listed = world.listed(&name).is_some() && world.run(&["stop", &name]).exit == 0;
            killed += u32::from(seen.exit != 0);
            assert!(seen.exit == 0 || !listed, "{flow:?}");
            until("everybody is gone", || !all.iter().any(Process::lives));
            until("the record is gone", || !world.files(&name).contains(&format!("{name}.json")));
        }
        assert!(killed > 0, "{flow:?}: each start was through before");
    }
}

/// A user can end the own instance without these programs, also that of the setuid starter.
#[test]
fn a_user_kills_the_own_instance() {
    for flow in [Flow::User, Flow::Setuid, Flow::Ranges] {
        let Some(world) = World::of_root(flow) else { continue };
        let name = world.name("own");
        world.start(&name, LONG);
        let tree = world.tree(&name);
        let mut kill = std::process::Command::new("setpriv");
        let ids = [format!("--reuid={}", world.uid()), format!("--regid={}", world.uid()), "--clear-groups".into()];
        kill.args(ids).args(["kill", "-KILL", &tree.master.to_string()]);
        let killed = crate::world::run(kill);
        assert_eq!(killed.exit, 0, "{flow:?}: {}", killed.err);
        tree.until_gone("killed by its user");
    }
}
