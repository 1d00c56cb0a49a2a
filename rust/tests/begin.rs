// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a program begins its life as a starter: what is refused, and what becomes of a start whose processes do not run their
//! roles. That the allowed ways end alike is what `scenarios` and `killed` look at.

mod common;

use common::{Launch, Run, Starter};
use serde_json::{Value, json};

fn launch(starter: &Starter) -> Launch<'_> {
    misbehaving(starter, &json!({}))
}

/// With an engine that does `fail` in its callbacks.
fn misbehaving<'a>(starter: &'a Starter, fail: &Value) -> Launch<'a> {
    let mut launch = starter.launch(
        "user",
        &json!({
            "create": ["user", "pid", "mount"],
            "uid_map": [[0, common::own_user(), 1]],
            "gid_map": [[0, common::own_group(), 1]],
            "exec": ["/bin/sh", "-c", "$WAIT; echo ran"],
            "fail": fail,
        }),
    );
    launch.post_start_host = true;
    launch.cleanup_host = true;
    launch
}

/// That it ended with 255 before any callback, and each line of its messages has one of the `words`.
fn refused(run: &Run, words: &[&str]) {
    assert_eq!((run.exit, run.stdout.as_str(), run.log.as_str()), (255, "", ""), "{run}");
    for line in run.stderr.lines() {
        assert!(words.iter().any(|words| line.contains(words)), "{line:?}\n{run}");
    }
    assert!(words.iter().all(|words| run.stderr.contains(words)), "{words:?}\n{run}");
    run.nothing_left().unwrap_or_else(|left| panic!("{left}\n{run}"));
}

#[test]
fn before_its_role_a_process_has_what_it_is_to_have() {
    let starter = Starter::begins("starter-late");
    let run = launch(&starter).run();
    assert_eq!((run.exit, run.stdout.as_str()), (0, "ran\n"), "{run}");
    // Those that are needed. User id, whether there are capabilities, parent-death signal, whether signals are blocked.
    let user = common::own_user();
    let all = [
        ("post-start-host", user, false, json!(libc::SIGTERM), false),
        ("cleanup-host", user, false, json!(null), true),
        ("stage1", user, false, json!(libc::SIGKILL), false),
        ("rpc-server", 0, true, json!(libc::SIGKILL), true),
        ("stage2", 0, false, json!(libc::SIGKILL), false),
        ("master", 0, true, json!(null), true),
    ];
    let pending: Vec<_> = run.events("pending").collect();
    assert_eq!(pending.len(), all.len(), "{run}");
    for (role, uid, capabilities, signal, blocked) in all {
        let is = pending.iter().find(|event| event["role"] == role).expect(role);
        assert_eq!(is["is"], role);
        assert_eq!(is["credentials"]["uid"], json!([uid, uid, uid]), "{is}");
        assert_eq!(is["credentials"]["permitted"] != 0, capabilities, "{is}");
        assert_eq!((&is["death_signal"], &is["blocked"]), (&signal, &json!([blocked, blocked])), "{is}");
    }
}

#[test]
fn two_threads_are_refused() {
    let starter = Starter::begins("starter-two-threads");
    let run = launch(&starter).run();
    refused(
        &run,
        &["start the lifecycle: this process has more than one thread", "help: start it before anything makes"],
    );
    assert_eq!(run.record().len(), 0, "a process was made\n{run}");
}

/// Such a thread would keep the privileges that its process gives up before its role. From the role on it may come.
#[test]
fn a_thread_of_init_configs_is_refused_before_the_role() {
    let with_thread = |way: &str| misbehaving(&Starter::begins(way), &json!({ "InitConfig": "thread" })).run();
    let run = with_thread("starter");
    assert_eq!(run.exit, 255, "{run}");
    let words = "this process has more than one thread, the contract says one until its role begins";
    assert!(run.stderr.contains(words) && run.stderr.contains("none in Config or InitConfig"), "{run}");
    for callback in ["CreateContainer", "StartProcess"] {
        assert!(!run.log.contains(callback), "{run}");
    }
    run.nothing_left().unwrap_or_else(|left| panic!("{left}\n{run}"));
    let run = with_thread("starter-late");
    assert_eq!((run.exit, run.stdout.as_str()), (0, "ran\n"), "{run}");
}

#[test]
fn a_second_start_in_any_process_of_the_first_is_refused() {
    let starter = Starter::begins("starter-twice");
    let words = [
        "start the lifecycle: it has begun already",
        "help: start it once",
        "PrepareConfig: stage1 ended without a decision: exit code 255",
        "help: a callback returns an error",
        "host cleanup failed",
    ];
    refused(&launch(&starter).run(), &words);
}

#[test]
fn a_role_that_is_given_up_ends_the_start() {
    let starter = Starter::begins("starter-given-up");
    // Stage 1 comes first, and says it for all.
    let words = ["run stage1: the program has given its role up"];
    refused(&launch(&starter).run(), &words);
}

/// The others take its end for its death, and clean up as after that.
#[test]
fn a_master_that_gives_its_role_up_is_cleaned_up_after() {
    let starter = Starter::begins("starter-master-gives-up");
    let run = launch(&starter).run();
    assert_eq!(run.exit, 255, "{run}");
    assert!(run.stderr.contains("run master: the program has given its role up"), "{run}");
    run.nothing_left().unwrap_or_else(|left| panic!("{left}\n{run}"));
    let cleanups = run.late_log().lines().filter(|line| line.starts_with("CleanupHost ")).count();
    assert_eq!(cleanups, 1, "{run}");
    assert!(!run.late_log().contains("StartProcess"), "{run}");
}
