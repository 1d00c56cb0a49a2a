// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Start conditions: descriptors, signals, timers, file system, arguments, missing system calls, PID 1.

use serde_json::json;

use crate::common::Starter;
use crate::{Case, Either, Fails, Works, run_all};

/// The program sees no blocked and no ignored signal.
const DEFAULT_SIGNALS: &str =
    "grep -q '^SigBlk:.0*$' /proc/self/status && grep -q '^SigIgn:.0*$' /proc/self/status && exit 7";

#[test]
fn closed_standard_streams_are_the_null_device() {
    let starter = Starter::probe();
    for closed in 0..8u32 {
        let numbers = (0..3).filter(|number| closed & (1 << number) != 0);
        let conditions: Vec<String> = numbers.map(|number| format!("close={number}")).collect();
        let conditions: Vec<&str> = conditions.iter().map(String::as_str).collect();
        // In the host's PID namespace, so that $$ is what /proc knows.
        let (caller, kinds) =
            if crate::common::is_root() { ("root", json!(["mount"])) } else { ("user", json!(["user", "mount"])) };
        let script = "t=; for n in 0 1 2; do t=\"$t $(readlink /proc/$$/fd/$n)\"; done; echo $t >>$DIR/kept; exit 7";
        let case = Case::new(&format!("closed {conditions:?}"), caller, Works).under(&conditions).script(script);
        let run = case.set("create", kinds).run(&starter).unwrap_or_else(|wrong| panic!("{wrong}"));
        let seen = std::fs::read_to_string(run.folder().join("kept")).expect("kept");
        let is_null: Vec<bool> = seen.split_whitespace().map(|target| target == "/dev/null").collect();
        // Descriptor 0 is the null device in these tests anyhow.
        assert_eq!(is_null, [true, closed & 2 != 0, closed & 4 != 0], "{conditions:?}: {seen}");
    }
}

#[test]
fn odd_descriptors() {
    let mut cases = Vec::new();
    for caller in ["root", "user"] {
        for number in 0..3 {
            for what in ["open=N:/", "open=N:/dev/full", "socket=N"] {
                let condition = what.replace('N', &number.to_string());
                let name = format!("{caller}: {condition}");
                cases.push(Case::new(&name, caller, Works).under(&[&condition]));
            }
        }
        // They are the program's: job servers hand them down.
        let script = "set -- /proc/self/fd/*; test $# -gt 300 && exit 7";
        cases.push(Case::new(&format!("{caller}: 300 descriptors"), caller, Works).under(&["many=300"]).script(script));
    }
    run_all(cases);
}

#[test]
fn a_message_that_cannot_be_written_changes_no_exit_code() {
    let starter = Starter::probe();
    let mut launch = starter.launch("user", &json!({ "no such key": 1 }));
    launch.under = vec![crate::under(&starter), "open=2:/dev/full".into(), "--".into()];
    let run = launch.run();
    assert_eq!((run.exit, run.stderr.as_str(), run.stdout.as_str()), (255, "", ""));
    run.nothing_left().unwrap_or_else(|left| panic!("{left}"));
}

#[test]
fn signals_and_timers() {
    let mut cases = Vec::new();
    for caller in ["root", "user"] {
        let mut add = |name: &str, conditions: &[&str], script: &str| {
            let name = format!("{caller}: {name}");
            cases.push(Case::new(&name, caller, Works).under(conditions).script(script));
        };
        add("all signals blocked", &["block"], DEFAULT_SIGNALS);
        for signal in [libc::SIGCHLD, libc::SIGPIPE, libc::SIGTERM, libc::SIGHUP, libc::SIGXFSZ] {
            add(&format!("signal {signal} ignored"), &[&format!("ignore={signal}")], DEFAULT_SIGNALS);
        }
        // The timer's signal is the caller's affair: it does not come to the program.
        add("a timer", &["timer=100"], "trap 'exit 8' ALRM; sleep 0.3; exit 7");
    }
    run_all(cases);
}

#[test]
fn file_system_and_arguments() {
    let mut cases = Vec::new();
    for caller in ["root", "user"] {
        let mut add = |conditions: &[&str], script: &str| {
            let name = format!("{caller}: {conditions:?}");
            cases.push(Case::new(&name, caller, Works).under(conditions).script(script));
        };
        add(&["umask=000"], "test $(umask) = 0000 && exit 7");
        add(&["umask=777"], "test $(umask) = 0777 && exit 7");
        add(&["nowhere"], "exit 7");
        add(&["argc0"], "exit 7");
        add(&["argv0="], "exit 7");
        add(&["nnp"], "exit 7");
        let words = &["ENGINE_CONFIG_CHUNKS: not set", "launched by its front end"];
        cases.push(Case::new(&format!("{caller}: no environment"), caller, Fails(words)).under(&["noenv"]));
    }
    // Setuid helpers are of no use then.
    let ranges = json!([[0, crate::common::USER, 1], [1, 100_000, 65_536]]);
    let helpers = Case::new("map helpers with no_new_privs", "user", Fails(&["newgidmap"])).under(&["nnp"]);
    let helpers = helpers.set("uid_map", ranges.clone()).set("gid_map", ranges);
    if crate::common::is_root() {
        cases.push(helpers.set("hybrid", json!(true)).set("map_helpers", json!(true)));
    }
    run_all(cases);
}

#[test]
fn system_calls_that_are_not_there() {
    let calls = [libc::SYS_clone3, libc::SYS_close_range, libc::SYS_pidfd_open];
    let denied = |calls: &[i64]| -> Vec<String> { calls.iter().map(|number| format!("deny={number}")).collect() };
    let mut cases = Vec::new();
    for caller in ["root", "user"] {
        for conditions in [denied(&calls[..1]), denied(&calls[1..2]), denied(&calls[2..]), denied(&calls)] {
            let conditions: Vec<&str> = conditions.iter().map(String::as_str).collect();
            let name = format!("{caller}: {conditions:?}");
            cases.push(Case::new(&name, caller, Works).under(&conditions));
        }
        let signal = denied(&[libc::SYS_pidfd_send_signal]);
        cases.push(Case::new(&format!("{caller}: pidfd_send_signal"), caller, Either(&[])).under(&[&signal[0]]));
    }
    run_all(cases);
}

#[test]
fn as_the_first_process_of_a_pid_namespace() {
    let mut cases = Vec::new();
    let mut add = |case: Case| cases.push(case);
    add(Case::new("with its own /proc", "root", Works).by(&["unshare", "-fp", "--mount-proc"]));
    add(Case::new("with the host's /proc", "root", Works).by(&["unshare", "-fp"]));
    run_all(cases);
}
