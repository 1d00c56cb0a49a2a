// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The scenarios of rust/tests/scenarios against a starter: configuration in; processes, callbacks, credentials seen there
//! and the exit status out. `PINION_TEST_STARTER` names another starter than the Rust one.

mod common;

use std::collections::BTreeMap;

use common::{Run, Starter};
use serde::Deserialize;
use serde_json::Value;

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// `root`, `user`, or `setuid`: that user with a setuid-root starter.
    #[serde(rename = "as")]
    caller: String,
    #[serde(default)]
    post_start_host: bool,
    #[serde(default)]
    cleanup_host: bool,
    /// Whether it is about what can be seen only where the role runs in its process's one thread.
    #[serde(default)]
    one_thread: bool,
    /// Whether it is about what belongs to the main thread.
    #[serde(default)]
    main_thread: bool,
    /// The engine's configuration. `$DIR` stands for a directory of the scenario's own.
    configuration: Value,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// Exit code, or the negative number of a signal.
    exit: i32,
    /// By process: callbacks in order. In master three activities run at once, so there only the last one's place counts.
    calls: BTreeMap<String, Vec<String>>,
    /// By process: the user id and whether capabilities are `all`, `none`, the `caller's` or a hexadecimal number.
    #[serde(default)]
    credentials: BTreeMap<String, (u32, String)>,
    /// What standard output holds, exactly.
    #[serde(default)]
    stdout: Option<String>,
    /// Words that standard error holds.
    #[serde(default)]
    stderr: Vec<String>,
    /// Whether standard error holds nothing at all.
    #[serde(default)]
    quiet: bool,
    /// Words that the engine's log holds.
    #[serde(default)]
    log: Vec<String>,
}

fn all() -> Vec<(String, Scenario)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/tests/scenarios");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).expect("scenarios").map(|file| file.expect("file").path()).collect();
    files.sort();
    let mut scenarios = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let parsed: Vec<Scenario> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let stem = file.file_stem().expect("stem").to_string_lossy().into_owned();
        scenarios.extend(parsed.into_iter().map(|scenario| (format!("{stem}: {}", scenario.name), scenario)));
    }
    scenarios
}

#[test]
fn every_scenario_ends_as_it_says() {
    let (mut passed, mut left_out, mut failed) = (0, 0, Vec::new());
    for way in Starter::ways() {
        let starter = Starter::begins(way);
        for (name, scenario) in all() {
            if scenario.caller != "user" && !common::is_root() {
                println!("left out: {name}: needs root");
                left_out += 1;
                continue;
            }
            let (second, go) = (*way == "starter-thread", *way == Starter::GO);
            // os.Exit is what the scenarios call _exit: Go has no exit(3).
            let exits = scenario.configuration.to_string().contains(":\"exit\"");
            if scenario.one_thread && (second || go) || scenario.main_thread && second || exits && go {
                continue;
            }
            let run = start(&starter, &scenario);
            match compare(&scenario, &run) {
                Ok(()) => passed += 1,
                Err(difference) => failed.push(format!("{way}: {name}: {difference}\n{run}")),
            }
        }
    }
    println!("{passed} passed, {} failed, {left_out} left out", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Of a container that its monitor has left nothing is cleaned up while it lives.
#[test]
fn what_a_monitor_leaves_is_ended_before_the_clean_up() {
    if !common::is_root() {
        println!("left out: all of it: needs root");
        return;
    }
    let configuration = serde_json::json!({ "create": ["pid", "mount"], "exec": ["/bin/sleep", "1000"],
        "fail": { "MonitorContainer": "leave" } });
    for way in Starter::ways() {
        let run = Starter::begins(way).launch("root", &configuration).run();
        assert_eq!(run.exit, 5, "{way}: {run}");
        let time = |event: Value| event["t"].as_u64().expect("time");
        let ended = run.events("child").find(|event| event["of"] == "container").map(time);
        let cleaned = run.events("callback").find(|event| event["name"] == "CleanupContainer").map(time);
        assert!(ended.is_some() && ended < cleaned, "{way}: {ended:?} {cleaned:?}: {run}");
        run.nothing_left().expect("nothing is left");
    }
}

/// Whoever asks the starter to end while stage 1 cleans up.
#[test]
fn stage_1_is_not_cut_off_when_it_cleans_up() {
    if !common::is_root() {
        println!("left out: all of it: needs root");
        return;
    }
    let configuration = serde_json::json!({ "create": ["pid", "mount"], "exec": ["/bin/true"],
        "fail": { "PrepareConfig": "error", "CleanupHost": "end its parent" } });
    let starter = Starter::probe();
    let mut launch = starter.launch("root", &configuration);
    launch.cleanup_host = true;
    let run = launch.run();
    assert_eq!(run.exit, 255, "{run}");
    assert_eq!(run.log.matches("CleanupHost").count(), 1, "{run}");
    run.nothing_left().expect("nothing is left");
}

/// The journal is undone also where CleanupHost fails.
#[test]
fn what_is_noted_is_undone_when_clean_up_fails() {
    if !common::is_root() {
        println!("left out: all of it: needs root");
        return;
    }
    let starter = Starter::probe();
    for fails in ["PrepareConfig", "CreateContainer"] {
        let configuration = serde_json::json!({ "create": ["pid", "mount"], "exec": ["/bin/true"],
            "make": ["$DIR/made"], "fail": { fails: "error", "CleanupHost": "error" } });
        let mut launch = starter.launch("root", &configuration);
        launch.cleanup_host = true;
        let run = launch.run();
        assert_eq!(run.exit, 255, "{run}");
        assert!(run.stderr.contains("CleanupHost was told to fail"), "{run}");
        run.nothing_left().unwrap_or_else(|left| panic!("{fails}: {left}: {run}"));
    }
}

/// Root in a container, a service or a virtual machine often lacks some capability. A start works without it, or says
/// which one it lacks.
#[test]
fn root_that_lacks_a_capability_starts_or_hears_which() {
    if !common::is_root() {
        println!("left out: all of it: needs root");
        return;
    }
    let all_of_them = std::env::var_os("PINION_PRIVILEGES").is_some_and(|asked| asked == "all");
    let smoke = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETPCAP", "CAP_SYS_ADMIN"];
    let there = (0..64).filter(|number| common::own_capabilities() & (1 << number) != 0);
    let names = there.map(|number| pinion::config::names::capability_names(1 << number).remove(0));
    let lacking: Vec<String> = names.filter(|name| all_of_them || smoke.contains(&name.as_str())).collect();
    let starter = Starter::probe();
    let scenarios: Vec<_> = all().into_iter().filter(|(name, _)| name.starts_with("flows: ")).collect();
    let (mut started, mut refused, mut failed) = (0, 0, Vec::new());
    for (lacks, (name, scenario)) in lacking.iter().flat_map(|lacks| scenarios.iter().map(move |one| (lacks, one))) {
        if scenario.caller != "root" {
            continue;
        }
        let mut launch = starter.launch("root", &scenario.configuration);
        (launch.post_start_host, launch.cleanup_host) = (scenario.post_start_host, scenario.cleanup_host);
        let word = lacks.trim_start_matches("CAP_").to_lowercase();
        launch.under = ["setpriv", "--bounding-set", &format!("-{word}")].map(str::to_owned).to_vec();
        let run = launch.run();
        let named = run.exit == 255 && run.stderr.contains(lacks.as_str());
        let as_ever = same("exit", &scenario.expect.exit, &run.exit).and_then(|()| calls(&scenario.expect, &run));
        match run.nothing_left().and(if named { Ok(()) } else { as_ever }) {
            Ok(()) if named => refused += 1,
            Ok(()) => started += 1,
            Err(difference) => failed.push(format!("without {lacks}: {name}: {difference}\n{run}")),
        }
    }
    println!("without one of {}: {started} started, {refused} were told which, {} failed", lacking.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn start(starter: &Starter, scenario: &Scenario) -> Run {
    let mut launch = starter.launch(&scenario.caller, &scenario.configuration);
    launch.post_start_host = scenario.post_start_host;
    launch.cleanup_host = scenario.cleanup_host;
    launch.run()
}

fn compare(scenario: &Scenario, run: &Run) -> Result<(), String> {
    let expect = &scenario.expect;
    same("exit", &expect.exit, &run.exit)?;
    calls(expect, run)?;
    for (process, (uid, capabilities)) in &expect.credentials {
        for seen in run.events("callback").filter(|event| event["role"] == process.as_str()) {
            let is = &seen["credentials"];
            let name = format!("{process} {}", seen["name"]);
            same(&format!("{name}: user ids"), &serde_json::json!([uid, uid, uid]), &is["uid"])?;
            same(&format!("{name}: effective capabilities"), capabilities, &word(&is["effective"]))?;
        }
    }
    if let Some(stdout) = &expect.stdout {
        same("standard output", stdout, &run.stdout)?;
    }
    if expect.quiet {
        same("standard error", &"", &run.stderr.as_str())?;
    }
    let holds = |what: &str, text: &str, words: &[String]| match words.iter().find(|words| !text.contains(*words)) {
        Some(words) => Err(format!("{what} does not hold {words:?}")),
        None => Ok(()),
    };
    holds("standard error", &run.stderr, &expect.stderr)?;
    holds("the engine's log", &run.log, &expect.log)?;
    run.nothing_left()
}

fn calls(expect: &Expect, run: &Run) -> Result<(), String> {
    let mut wanted = expect.calls.clone();
    let mut made = run.calls();
    for calls in [&mut wanted, &mut made] {
        if let Some(master) = calls.get_mut("master") {
            let last = master.pop();
            master.sort();
            master.extend(last);
        }
    }
    same("calls", &wanted, &made)
}

fn word(capabilities: &Value) -> String {
    let last: u32 =
        std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("last").trim().parse().expect("number");
    match capabilities.as_u64() {
        Some(0) => "none".into(),
        Some(set) if set == common::own_capabilities() => "caller's".into(),
        Some(set) if set == (1u64 << (last + 1)) - 1 => "all".into(),
        Some(set) => format!("{set:#x}"),
        None => "?".into(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, is: &T) -> Result<(), String> {
    if wanted == is { Ok(()) } else { Err(format!("{what}: wanted {wanted:?}, is {is:?}")) }
}
