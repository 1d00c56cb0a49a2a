// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a careless or hostile caller leaves behind or hands over: a start works all the same, or ends with 255, one message that
//! says why, nothing on standard output, and nothing left.

#[path = "common/mod.rs"]
mod common;
#[path = "bad_input/conditions.rs"]
mod conditions;
#[path = "bad_input/configuration.rs"]
mod configuration;
#[path = "bad_input/limits.rs"]
mod limits;

use std::sync::Mutex;

use common::{Launch, Run, Starter};
use serde_json::{Value, json};

/// What the container's program ends with.
const CODE: i32 = 7;

/// How a start may end.
#[derive(Clone, Debug)]
enum Outcome {
    /// As the container's program does.
    Works,
    /// With 255 and one message that holds these words.
    Fails(&'static [&'static str]),
    /// The one or the other.
    Either(&'static [&'static str]),
}

use Outcome::{Either, Fails, Works};

/// What a table says of one start.
struct Case {
    name: String,
    caller: &'static str,
    /// Conditions of c-tests/under.c, or a command that starts the starter.
    under: Vec<String>,
    configuration: Value,
    outcome: Outcome,
    prepare: fn(&mut Launch<'_>),
}

impl Case {
    /// A start that is like any other.
    fn new(name: &str, caller: &'static str, outcome: Outcome) -> Self {
        let mut configuration = json!({ "create": ["pid", "mount", "uts"], "exec": ["/bin/sh", "-c", "exit 7"] });
        let uid = match caller {
            _ if !common::is_root() => nix::unistd::getuid().as_raw(),
            "root" => 0,
            "user" => common::USER,
            number => number.parse().expect("number"),
        };
        if uid != 0 {
            configuration["create"] = json!(["user", "pid", "mount", "uts"]);
            configuration["uid_map"] = json!([[0, uid, 1]]);
            configuration["gid_map"] = json!([[0, uid, 1]]);
        }
        Case { name: name.into(), caller, under: Vec::new(), configuration, outcome, prepare: |_| () }
    }

    /// Under conditions of c-tests/under.c.
    fn under(mut self, conditions: &[&str]) -> Self {
        self.under = vec!["$UNDER".to_owned()];
        self.under.extend(conditions.iter().map(|condition| (*condition).to_owned()));
        self.under.push("--".into());
        self
    }

    /// Started by another command.
    fn by(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.configuration[key] = value;
        self
    }

    fn script(self, script: &str) -> Self {
        self.set("exec", json!(["/bin/sh", "-c", script]))
    }

    fn prepare(mut self, prepare: fn(&mut Launch<'_>)) -> Self {
        self.prepare = prepare;
        self
    }

    fn run(&self, starter: &Starter) -> Result<Run, String> {
        let mut launch = starter.launch(self.caller, &self.configuration);
        launch.post_start_host = true;
        launch.cleanup_host = true;
        let folder = launch.folder().to_str().expect("UTF-8").to_owned();
        let under = under(starter);
        launch.under = self.under.iter().map(|word| word.replace("$DIR", &folder).replace("$UNDER", &under)).collect();
        (self.prepare)(&mut launch);
        let run = launch.run();
        self.compare(&run).map_err(|wrong| format!("{}: {wrong}\n{run}", self.name))?;
        Ok(run)
    }

    fn compare(&self, run: &Run) -> Result<(), String> {
        run.nothing_left()?;
        match (&self.outcome, run.exit) {
            (Works | Either(_), CODE) => Ok(()),
            (Fails(words) | Either(words), 255) => said(run, words),
            (outcome, exit) => Err(format!("wanted {outcome:?}, is {exit}")),
        }
    }
}

/// One message, which holds all `words`; nothing on standard output.
fn said(run: &Run, words: &[&str]) -> Result<(), String> {
    if !run.stdout.is_empty() {
        return Err("it wrote on standard output".into());
    }
    let messages = run.stderr.lines().filter(|line| line.starts_with("pinion: error: ")).count();
    let others = run.stderr.lines().filter(|line| !line.starts_with("pinion: error: ") && !line.starts_with("  "));
    if messages != 1 || others.count() != 0 {
        return Err(format!("{messages} messages"));
    }
    match words.iter().find(|word| !run.stderr.contains(*word)) {
        Some(word) => Err(format!("the message does not say {word:?}")),
        None => Ok(()),
    }
}

/// Runs a table, two starts at a time.
fn run_all(cases: Vec<Case>) {
    let starter = Starter::probe();
    let (mut passed, mut left_out) = (0, 0);
    let (failed, queue) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    for case in cases {
        if case.caller != "user" && !common::is_root() {
            println!("left out: {}: needs root", case.name);
            left_out += 1;
        } else {
            passed += 1;
            queue.lock().expect("queue").push(case);
        }
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let case = queue.lock().expect("queue").pop();
                    let Some(case) = case else { break };
                    if let Err(wrong) = case.run(&starter) {
                        failed.lock().expect("list").push(wrong);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("list");
    println!("{} passed, {} failed, {left_out} left out", passed - failed.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// c-tests/under.c, compiled, beside the starter, where every user can execute it.
fn under(starter: &Starter) -> String {
    let folder = starter.program().parent().expect("folder");
    common::c_program("under", folder).to_str().expect("UTF-8").to_owned()
}
