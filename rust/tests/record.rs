// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The record of a life: what programs that read it can rely on.

mod common;

use common::Starter;
use serde_json::{Value, json};

fn configuration(exec: &str) -> Value {
    json!({
        "create": ["user", "pid", "mount", "uts"],
        "uid_map": [[0, common::own_user(), 1]],
        "gid_map": [[0, common::own_group(), 1]],
        "share_mounts": true,
        "pre_start": true,
        "exec": ["/bin/sh", "-c", exec],
    })
}

#[test]
fn every_line_has_the_schemas_keys_and_one_clock() {
    let starter = Starter::probe();
    let run = starter.launch("user", &configuration("$WAIT; exit 3")).run();
    assert_eq!(run.exit, 3, "{run}");
    let mut last = 0;
    for event in run.record() {
        assert_eq!(event["v"], pinion::trace::VERSION, "{event}");
        for (key, is) in
            [("t", event["t"].is_u64()), ("pid", event["pid"].is_i64()), ("role", event["role"].is_string())]
        {
            assert!(is, "{key} in {event}");
        }
        last = last.max(event["t"].as_u64().expect("time"));
    }
    let exit = run.events("exit").find(|event| event["role"] == "master").expect("master's exit");
    assert_eq!((exit["code"].as_i64(), exit["t"].as_u64()), (Some(3), Some(last)), "master's exit comes last");
    let made = |role: &str| run.events("process").any(|event| event["role"] == role);
    for role in ["starter", "stage1", "container", "rpc-server", "stage2", "master"] {
        assert!(made(role), "{role}");
    }
}

#[test]
fn the_master_socket_carries_its_bytes_in_the_order_that_engines_rely_on() {
    let starter = Starter::probe();
    let run = starter.launch("user", &configuration("$WAIT; exit 0")).run();
    let stream = ["maps written", "namespaces ready", "joined", "about to start", "started"];
    let mut heard: Vec<(u64, String)> = run
        .events("message")
        .filter(|event| event["direction"] == "receive")
        .map(|event| (event["t"].as_u64().expect("time"), event["name"].as_str().expect("name").to_owned()))
        .filter(|(_, name)| stream.contains(&name.as_str()))
        .collect();
    heard.sort();
    // Master does not read its own 'maps written' and 'joined': the container process records those.
    let names: Vec<&str> = heard.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, stream, "{run}");
}

#[test]
fn asking_for_the_overlay_module_leaves_no_mount() {
    let starter = Starter::probe();
    let as_root = json!({"create": ["mount"], "exec": ["/bin/sh", "-c", "exit 4"]});
    for (caller, configuration) in [("user", configuration("exit 4")), ("root", as_root)] {
        if caller == "root" && !common::is_root() {
            println!("left out: root: needs root");
            continue;
        }
        let mut launch = starter.launch(caller, &configuration);
        launch.load_overlay_module = true;
        let run = launch.run();
        assert_eq!(run.exit, 4, "{run}");
        run.nothing_left().expect("nothing is left");
        assert!(!common::host_mounts().contains("- overlay none"), "an overlay is left");
    }
}

#[test]
fn it_is_complete_when_master_is_killed() {
    let starter = Starter::probe();
    let running = starter.launch("user", &configuration("$WAIT; exec sleep 1000")).spawn();
    running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
    let master = nix::unistd::Pid::from_raw(i32::try_from(running.child.id()).expect("pid"));
    nix::sys::signal::kill(master, nix::sys::signal::Signal::SIGKILL).expect("kill");
    let run = running.wait();
    assert_eq!(run.exit, -9);
    assert!(run.events("callback").any(|event| event["name"] == "PostStartProcess"));
    assert!(!run.events("exit").any(|event| event["role"] == "master"));
    run.nothing_left().expect("nothing is left");
}
