// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From start to end.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::world::{FLOWS, Flow, Process, World, finish, run, until};

/// Runs until it is asked to end.
pub const LONG: &str = "trap 'exit 5' TERM; trap 'exit 9' USR1; echo ready; sleep 1000 & wait";
/// Cannot be asked.
const DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 1; done";

#[test]
fn an_instance_is_listed_while_it_runs() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("listed"));
        assert!(world.listed(&name).is_none(), "{flow:?}");
        world.start(&name, LONG);
        let record = world.listed(&name).expect("in the list");
        assert_eq!(record["setuid"], json!(flow == Flow::Setuid), "{record:#}");
        assert_eq!(record["join"]["process"]["args"], json!(["sh", "-c", LONG]), "{record:#}");
        let tree = world.tree(&name);
        // Master, both clean-up processes, the first process and what runs in there.
        assert!(tree.all.len() >= 4, "{flow:?}");
        assert!(tree.all.iter().any(|process| process.pid == tree.container), "{flow:?}");
        let table = world.run(&["list"]);
        let line = table.out.lines().find(|line| line.starts_with(&name)).expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1..3], [tree.container.to_string(), tree.master.to_string()], "{flow:?}: {line}");
        assert!(line.contains(LONG), "{flow:?}: {line}");
        let stopped = world.run(&["stop", &name]);
        assert_eq!((stopped.exit, stopped.out.as_str(), stopped.err.as_str()), (0, "", ""), "{flow:?}");
        assert!(!tree.all.iter().any(Process::lives), "{flow:?}: stop has returned, and somebody is left");
        assert!(world.listed(&name).is_none(), "{flow:?}");
        assert_eq!(world.files(&name), [format!("{name}.err"), format!("{name}.out")], "{flow:?}: output stays");
    }
}

#[test]
fn a_start_for_programs_prints_the_record() {
    let Some(world) = World::of(Flow::User) else { return };
    let name = world.name("json");
    let seen = run(world.starting(&name, &["--json"], LONG));
    let printed: serde_json::Value = serde_json::from_str(&seen.out).expect("a record");
    assert_eq!(Some(printed), world.listed(&name));
}

#[test]
fn others_neither_see_nor_reach_it() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let name = world.name("others");
        world.start(&name, LONG);
        let other = 4321;
        let seen = run(world.pinion_of(other, &[], &["list", "--json"]));
        assert_eq!((seen.exit, seen.out.trim()), (0, "[]"), "{:?}: {}", world.flow, seen.err);
        for arguments in [&["exec", &name, "true"][..], &["stop", &name], &["wait", &name]] {
            let seen = run(world.pinion_of(other, &[], arguments));
            assert_eq!(seen.exit, 255, "{:?}", world.flow);
            assert!(seen.err.contains(&format!("there is no instance {name:?}")), "{:?}: {}", world.flow, seen.err);
        }
        // The directory is another one for root, too, which may do everything else.
        if world.flow != Flow::Root {
            assert_eq!(run(world.pinion_of(0, &[], &["list", "--json"])).out.trim(), "[]", "{:?}", world.flow);
        }
        assert!(world.listed(&name).is_some(), "{:?}", world.flow);
        // The other one's folder, which is on the host where that user has no /run/user.
        let _ = std::fs::remove_dir(format!("/tmp/pinion-{other}"));
    }
}

/// Starts `script`, waits for its end by `pinion wait`, and returns how that ended.
fn waited(world: &World, word: &str, script: &str, stop: &[&str]) -> i32 {
    let name = world.name(word);
    world.start(&name, script);
    let waiter = world.waiting(&name);
    if !stop.is_empty() {
        let mut arguments = vec!["stop"];
        arguments.extend(stop);
        arguments.push(&name);
        let stopped = world.run(&arguments);
        assert_eq!((stopped.exit, stopped.err.as_str()), (0, ""), "{:?}: {word}", world.flow);
    }
    let seen = finish(waiter);
    assert_eq!(seen.err, "", "{:?}: {word}", world.flow);
    seen.exit
}

#[test]
fn it_ends_as_it_is_asked_to() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let flow = world.flow;
        assert_eq!(waited(&world, "term", LONG, &["--timeout", "60"]), 5, "{flow:?}");
        assert_eq!(waited(&world, "usr1", LONG, &["--timeout", "60", "--signal", "usr1"]), 9, "{flow:?}");
        assert_eq!(waited(&world, "kill", DEAF, &["--timeout", "60", "--signal", "9"]), -9, "{flow:?}");
        let begun = Instant::now();
        assert_eq!(waited(&world, "deaf", DEAF, &["--timeout", "1"]), -9, "{flow:?}");
        assert!(begun.elapsed() >= Duration::from_secs(1), "{flow:?}: killed before its time");
    }
}

#[test]
fn who_waits_ends_as_the_program_ended() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        assert_eq!(
            waited(&world, "code", "trap 'exit 37' HUP; echo ready; sleep 1000 & wait", &["--signal", "HUP"]),
            37
        );
        let signal = waited(&world, "signal", "echo ready; sleep 1000 & wait", &["--signal", "KILL"]);
        assert_eq!(signal, -9, "{:?}", world.flow);
        let seen = world.run(&["wait", "nobody"]);
        assert_eq!(seen.exit, 255, "{:?}", world.flow);
        assert!(seen.err.contains("there is no instance \"nobody\""), "{:?}: {}", world.flow, seen.err);
    }
}

/// As an ordinary user's goes at the end of the last session.
#[test]
fn it_ends_as_ever_where_the_folder_of_records_has_gone() {
    for world in FLOWS.into_iter().filter_map(World::of_root) {
        let (flow, name) = (world.flow, world.name("folder"));
        world.start(&name, "trap 'exit 37' HUP; echo ready; sleep 1000 & wait");
        let tree = world.tree(&name);
        let waiter = world.waiting(&name);
        std::fs::remove_dir_all(world.state()).expect("folder");
        kill(Pid::from_raw(tree.container), Signal::SIGHUP).expect("signal");
        let seen = finish(waiter);
        assert_eq!((seen.exit, seen.err.as_str()), (37, ""), "{flow:?}");
        tree.until_gone("ended");
    }
}

#[test]
fn a_name_that_runs_is_not_given_twice() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("twice"));
        world.start(&name, LONG);
        let first = world.listed(&name);
        let seen = run(world.starting(&name, &[], "echo second"));
        assert_eq!(seen.exit, 255, "{flow:?}");
        assert!(seen.err.contains(&format!("start {name:?}: it runs already")), "{flow:?}: {}", seen.err);
        assert_eq!(world.listed(&name), first, "{flow:?}");
        assert_eq!(world.output(&name, "out"), "ready\n", "{flow:?}: the first one's output");
        assert_eq!(world.run(&["stop", &name]).exit, 0, "{flow:?}");
        world.start(&name, "echo again; echo ready; sleep 1000");
        assert_eq!(world.output(&name, "out"), "again\nready\n", "{flow:?}");
    }
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let (flow, name) = (world.flow, world.name("fails"));
        let mut missing = vec!["start"];
        missing.extend(world.options());
        missing.extend([&name, "--", "/no/such"]);
        let mut cases = vec![(missing, "execute \"/no/such\": no such file or directory")];
        if flow != Flow::Ranges {
            let mut root = vec!["start"];
            root.extend(world.options());
            root.extend(["--root", "/no/root", &name, "--", "true"]);
            cases.push((root, "/no/root"));
        }
        cases.push((vec!["start", "--bundle", "/no/bundle", &name], "/no/bundle"));
        for (arguments, words) in cases {
            let seen = world.run(&arguments);
            assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{flow:?}: {arguments:?}");
            assert!(seen.err.contains(words), "{flow:?}: {arguments:?}: {}", seen.err);
            assert_eq!(seen.err.matches("pinion: error: ").count(), 1, "{flow:?}: {arguments:?}: {}", seen.err);
            until("its files are gone", || world.files(&name).is_empty());
            assert!(world.listed(&name).is_none(), "{flow:?}");
            let full = std::fs::File::options().write(true).open("/dev/full").expect("device");
            let status = world.pinion(&arguments).stderr(full).status().expect("pinion");
            assert_eq!(status.code(), Some(255), "{flow:?}: {arguments:?}: nowhere to say it");
            assert_eq!(world.files(&name), Vec::<String>::new(), "{flow:?}: {arguments:?}: nowhere to say it");
        }
        let seen = run(world.starting_under(&["prlimit", "--fsize=0"], &name, &[], "true"));
        assert!(seen.exit == 255 && seen.err.contains("file too large"), "{flow:?}: {} {}", seen.exit, seen.err);
        assert_eq!(world.files(&name), Vec::<String>::new(), "{flow:?}: no room for a record");
        // The name is free.
        world.start(&name, LONG);
    }
}

#[test]
fn what_has_run_is_shown_however_soon_it_ends() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        for round in 0..8 {
            let name = world.name(&format!("soon{round}"));
            let seen = run(world.starting(&name, &["--json"], "exit 0"));
            assert_eq!(seen.exit, 0, "{:?}: {}", world.flow, seen.err);
            let record: Value = serde_json::from_str(&seen.out).expect("a record");
            assert!(record["name"] == name.as_str() && record["master"]["pid"].is_i64(), "{:?}: {record}", world.flow);
        }
    }
}

#[test]
fn a_name_is_a_word() {
    let Some(world) = World::of(Flow::User) else { return };
    let long = "n".repeat(65);
    for name in ["", "a/b", "../x", ".hidden", "a b", "a\nb", "ä", "a*", "$(x)", long.as_str()] {
        for verb in ["start", "exec", "stop", "wait"] {
            let seen = world.run(&[verb, "--", name]);
            assert_eq!((seen.exit, seen.out.as_str()), (255, ""), "{verb} {name:?}");
            assert!(seen.err.contains(&format!("an instance cannot be called {name:?}")), "{verb}: {}", seen.err);
            assert!(seen.err.contains("letters, digits and -_."), "{verb}: {}", seen.err);
        }
    }
    let name = format!("A-_.9.{}", world.name("json"));
    world.start(&name, LONG);
    assert_eq!(world.run(&["exec", &name, "echo", "x"]).out, "x\n");
    assert!(world.listed(&name).is_some());
}

/// The caller reads its output to the end, as a shell does for `out=$(pinion start …)`.
#[test]
fn a_start_lets_go_of_everything_of_the_callers() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let folder = world.folder.path().to_str().expect("UTF-8");
        std::fs::write(world.folder.path().join("open"), "").expect("file");
        let caller = ["sh", "-c", "cd \"$0\" && exec 9<open 8<open && exec \"$@\"", folder];
        for (word, options) in [("lets-go", &["--json"][..]), ("lets-go-of-pipes", &["--log-size", "9999"])] {
            let name = world.name(word);
            // This waits for the end of everybody who holds its output.
            let seen = run(world.starting_under(&caller, &name, options, LONG));
            assert_eq!(seen.exit, 0, "{:?}: {}", world.flow, seen.err);
            let pipes = if word == "lets-go" { "none" } else { "pipe" };
            let all = world.tree(&name).all.into_iter().chain(crate::output::copiers(&world, &name));
            all.for_each(|process| has_nothing_of_the_callers(&world, &process, pipes));
        }
    }
}

fn has_nothing_of_the_callers(world: &World, process: &Process, pipes: &str) {
    let (flow, word) = (world.flow, process.word());
    let cwd = std::fs::read_link(format!("/proc/{}/cwd", process.pid)).expect("cwd");
    assert!(!cwd.starts_with(world.folder.path()), "{flow:?}: {word} is in {cwd:?}");
    let mut own = world.files("");
    own.push(world.state().file_name().expect("a name").to_string_lossy().into_owned());
    for (number, target) in descriptors(process.pid) {
        let kind = target.split(':').next().expect("a word");
        let its_own = own.iter().any(|name| target.ends_with(&format!("/{name}")));
        let harmless = ["/dev/null", "socket", "anon_inode", "/memfd", "/", pipes].contains(&kind) || its_own;
        assert!(harmless, "{flow:?}: {word} has {number} -> {target}");
    }
}

/// The open descriptors of a process, and where they lead.
fn descriptors(pid: i32) -> Vec<(i32, String)> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
    });
    named.collect()
}

#[test]
fn it_runs_on_without_its_callers_session() {
    for world in FLOWS.into_iter().filter_map(World::of) {
        let name = world.name("session");
        world.start(&name, LONG);
        let tree = world.tree(&name);
        let own = nix::unistd::getsid(None).expect("session");
        for process in &tree.all {
            let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(process.pid))).expect("session");
            assert!(session != own || own.as_raw() == 0, "{:?}: {}", world.flow, process.word());
            assert!(session.as_raw() != 0, "{:?}: {}", world.flow, process.word());
        }
    }
}
