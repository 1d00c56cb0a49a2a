// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that come to run in an instance.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common;
use crate::life::LONG;
use crate::world::{FLOWS, Flow, World, finish, run, until};

/// Everything of a process that another program of the instance must have alike.
const SHOW: &str = "for kind in user pid mnt net uts ipc cgroup; do readlink /proc/self/ns/$kind; done; \
     readlink /proc/self/root; id; grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status; umask; ulimit -n; ulimit -Hn; \
     cat /proc/self/mountinfo; hostname";

fn own_program() -> String {
    format!("{{ {SHOW}; }} 2>&1; echo ready; sleep 1000")
}

#[test]
fn a_program_is_in_there_as_the_instances_own_is() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("alike"));
        world.start(&name, &own_program());
        let own = world.output(&name, "out");
        let seen = world.run(&["exec", &name, "--", "sh", "-c", &format!("{{ {SHOW}; }} 2>&1; exit 4")]);
        assert_eq!((seen.exit, seen.err.as_str()), (4, ""), "{flow:?}");
        assert_eq!(seen.out, own.strip_suffix("ready\n").expect("ready"), "{flow:?}");
        assert!(own.lines().any(|line| line == "/") && own.contains("CapBnd:"), "{flow:?}: {own}");
        // Of the namespaces that the instance has for itself none is the caller's.
        let mount = std::fs::read_link("/proc/self/ns/mnt").expect("link");
        assert!(!own.contains(mount.to_str().expect("UTF-8")), "{flow:?}");
    }
}

/// What a caller may not raise stays as it is.
#[test]
fn limits_are_the_instances_as_far_as_the_callers_own_allow() {
    let Some(world) = World::of(Flow::Ranges) else { return };
    let name = world.name("limits");
    world.start(&name, "echo ready; sleep 1000");
    for (own, seen) in [("150", "100\n150\n"), ("50", "50\n50\n"), ("1000", "100\n200\n")] {
        let under = ["prlimit", &format!("--nofile={own}:{own}")];
        let arguments = ["exec", &name, "sh", "-c", "ulimit -n; ulimit -Hn"];
        let shown = run(world.pinion_of(world.uid(), &under, &arguments));
        assert_eq!((shown.exit, shown.out.as_str(), shown.err.as_str()), (0, seen, ""), "{own}");
    }
}

#[test]
fn environment_and_directory_are_the_instances_and_what_is_asked_for() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("environment"));
        let options = ["--env", "A=of the instance", "--env", "B=b"];
        let script = "env | grep -v -E '^(PWD|SHLVL|_|OLDPWD)='; pwd; echo ready; sleep 1000";
        let seen = run(world.starting(&name, &options, script));
        assert_eq!(seen.exit, 0, "{flow:?}: {}", seen.err);
        until("it has shown itself", || world.output(&name, "out").ends_with("ready\n"));
        let show = "env | grep -v -E '^(PWD|SHLVL|_|OLDPWD)='; pwd";
        let own = world.output(&name, "out");
        let mut command = world.pinion(&["exec", &name, "sh", "-c", show]);
        // Of the caller's nothing comes along.
        command.env("SECRET", "s3cret").current_dir("/etc");
        assert_eq!(run(command).out, own.strip_suffix("ready\n").expect("ready"), "{flow:?}");
        assert!(own.contains("A=of the instance\n") && own.contains("B=b\n"), "{flow:?}: {own}");
        let seen = world.run(&["exec", "-e", "A=x y", "-e", "C=", "--cwd", "/proc", &name, "sh", "-c", show]);
        for line in ["A=x y", "B=b", "C=", "/proc"] {
            assert_eq!(seen.out.lines().filter(|seen| *seen == line).count(), 1, "{flow:?}: {line}\n{}", seen.out);
        }
        let seen = world.run(&["exec", "--cwd", "/no/where", &name, "pwd"]);
        assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}");
        assert!(seen.err.contains("change to the working directory \"/no/where\""), "{flow:?}: {}", seen.err);
    }
}

#[test]
fn exit_codes_and_signals_are_the_programs_own() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("codes"));
        world.start(&name, LONG);
        for (script, exit) in [("exit 37", 37), ("kill -TERM $$", -15), ("kill -KILL $$", -9)] {
            assert_eq!(world.run(&["exec", &name, "sh", "-c", script]).exit, exit, "{flow:?}: {script}");
        }
        let seen = world.run(&["exec", &name, "/no/such"]);
        assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}");
        assert!(seen.err.contains("execute \"/no/such\": no such file or directory"), "{flow:?}: {}", seen.err);
        let mut command = world.pinion(&["exec", &name, "cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("exec");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"through").expect("written");
        assert_eq!(finish(child).out, "through", "{flow:?}: its streams are the caller's");
        assert!(world.listed(&name).is_some(), "{flow:?}: the instance is none the worse for it");
        let seen = world.run(&["exec", "nobody", "true"]);
        assert!(seen.exit == 255 && seen.err.contains("there is no instance \"nobody\""), "{flow:?}: {}", seen.err);
    }
}

#[test]
fn no_descriptor_of_the_callers_but_those_asked_for_comes_along() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("descriptors"));
        world.start(&name, LONG);
        let file = world.folder.path().join("open");
        std::fs::write(&file, "what it holds").expect("file");
        let with = |options: &[&str], script: &str| {
            let mut arguments = vec!["exec"];
            arguments.extend(options);
            arguments.extend([&name, "sh", "-c", script]);
            let exec = world.pinion(&arguments);
            let mut command = Command::new("sh");
            command.args(["-c", "exec 3<\"$0\" 4<\"$0\" 9<\"$0\"; exec \"$@\""]).arg(&file);
            command.arg(exec.get_program()).args(exec.get_args()).stdin(Stdio::null());
            run(command)
        };
        let seen =
            with(&[], "for number in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$number ] && echo $number; done; :");
        assert_eq!((seen.exit, seen.out.as_str()), (0, ""), "{flow:?}: {}", seen.err);
        let seen = with(
            &["--preserve-fds", "1"],
            "cat <&3; for number in 4 9; do [ -e /proc/$$/fd/$number ] && echo $number; done; :",
        );
        assert_eq!((seen.exit, seen.out.as_str()), (0, "what it holds"), "{flow:?}: {}", seen.err);
    }
}

/// The instance is killed while programs are started in it, again and again: whoever runs is in all of its namespaces.
#[test]
fn an_instance_that_dies_is_joined_whole_or_not_at_all() {
    // With the device of /proc, which tells whose processes it shows.
    let show = "for kind in user pid mnt net uts ipc cgroup; do readlink /proc/self/ns/$kind; done; \
        while read -r _ _ device _ at _; do [ \"$at\" != /proc ] || echo \"$device\"; done </proc/self/mountinfo";
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (mut whole, mut refused) = (0, 0);
        for round in 0..8 {
            let name = world.name("dying");
            world.start(&name, &format!("{{ {show}; }} 2>&1; echo ready; sleep 1000"));
            let tree = world.tree(&name);
            let inside = world.output(&name, "out");
            let inside = inside.strip_suffix("ready\n").expect("ready").to_owned();
            let runs: Vec<_> = (0..6)
                .map(|_| {
                    let mut command = world.pinion(&["exec", &name, "sh", "-c", show]);
                    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("exec")
                })
                .collect();
            // A later moment of their starts in each round.
            std::thread::park_timeout(Duration::from_millis(4 * round));
            common::kill(tree.container);
            for seen in runs.into_iter().map(finish) {
                assert!(inside.starts_with(&seen.out), "{:?}: mixed:\n{}\ninstead of\n{inside}", world.flow, seen.out);
                match seen.exit {
                    0 => whole += u32::from(seen.out == inside),
                    255 => refused += u32::from(seen.out.is_empty() && seen.err.contains("pinion: error: ")),
                    // A PID namespace whose first process is on its way out has room for no other.
                    2 if seen.err.contains("fork") => {}
                    exit => assert_eq!(exit, -9, "{:?}: {}", world.flow, seen.err),
                }
            }
            tree.until_gone("killed");
        }
        println!("{:?}: {whole} ran, {refused} were refused, the others were killed with the instance", world.flow);
    }
}

#[test]
fn programs_end_with_the_instance() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("with-it"));
        world.start(&name, LONG);
        let child = running(&world, &["exec", &name, "sh", "-c", "echo in; exec sleep 1000"]);
        assert_eq!(world.run(&["stop", "--signal", "KILL", &name]).exit, 0, "{flow:?}");
        assert_eq!(finish(child).exit, -9, "{flow:?}");
    }
}

/// A program in an instance that says so when it runs.
fn running(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.pinion(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("exec");
    let mut said = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut said).expect("it runs");
    assert_eq!(&said, b"in\n");
    child
}

#[test]
fn a_program_that_is_deaf_to_sigterm_is_killed_after_its_grace_time() {
    let deaf = "trap '' TERM; echo in; exec sleep 1000";
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("deaf"));
        world.start(&name, LONG);
        for seconds in [0, 1] {
            let timeout = seconds.to_string();
            let child = running(&world, &["exec", "--stop-timeout", &timeout, &name, "sh", "-c", deaf]);
            let asked = Instant::now();
            let outermost = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
            kill(outermost, Signal::SIGTERM).expect("a signal");
            assert_eq!(finish(child).exit, -9, "{flow:?}");
            assert!(asked.elapsed() >= Duration::from_secs(seconds), "{flow:?}: sooner than it was given");
        }
        assert!(world.listed(&name).is_some(), "{flow:?}: the instance runs on");
    }
}

/// What is asked for by somebody who may not.
#[test]
fn a_user_namespace_is_joined_with_the_instances_rights_only() {
    let Some(world) = World::of(Flow::Setuid) else { return };
    let name = world.name("rights");
    world.start(&name, LONG);
    let seen = world.run(&["exec", &name, "grep", "-E", "^(CapPrm|CapEff|CapBnd|NoNewPrivs)", "/proc/self/status"]);
    let own = std::fs::read_to_string(format!("/proc/{}/status", world.tree(&name).container)).expect("status");
    assert!(seen.out.lines().count() == 4, "{}", seen.err);
    for line in seen.out.lines() {
        assert!(own.contains(line), "{line}\n{own}");
    }
    assert!(seen.out.contains("CapEff:\t0000000000000000") && seen.out.contains("NoNewPrivs:\t1"), "{}", seen.out);
}
