// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A run, brought to the moment at which it is looked at, and ended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{self, Run, Running, Starter};
use crate::flows::{self, Flow};
use crate::sight::{self, Moment, See, Sight};

/// Before every run: mounts that spread, so that it is seen whether they do; as many descriptors as can be kept and more.
const AROUND: [&str; 6] = ["prlimit", "--nofile=4096:4096", "unshare", "--mount", "--propagation", "shared"];

/// Groups of every caller besides its own.
const GROUPS: [u32; 2] = [27, 50];

/// How long a run may take to its moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the kernel shows the tests the processes of others.
pub fn may_look() -> bool {
    const SYS_PTRACE: u64 = 1 << 19;
    common::is_root() && common::own_capabilities() & SYS_PTRACE != 0
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was looked for.
    Seen(String),
    /// The start was refused, by what it said, and nothing ran.
    Refused(String),
    /// Neither.
    Failed(String),
}

/// What all runs have in common.
pub struct Stand {
    starter: Starter,
    /// The one that says which processes come back to the program.
    late: Starter,
    /// By caller: the container that is joined, with the pid of its program.
    targets: BTreeMap<&'static str, (Running, i32)>,
}

impl Stand {
    pub fn new(way: &'static str) -> Self {
        let (starter, late) = (Starter::begins(way), Starter::begins("starter-late"));
        let mut targets = BTreeMap::new();
        let wanted = ["root", "user", "setuid"].map(|caller| (caller, caller, flows::target(caller)));
        for (name, caller, mut configuration) in
            wanted.into_iter().chain([("plain", "user", flows::target_without_root())])
        {
            // A first process that reaps what joined it and was left by its parent.
            configuration["exec"] = json!(["/bin/sh", "-c", "sleep 1000 & wait"]);
            let running = launch(&starter, caller, &configuration).spawn();
            running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
            let pid = running.pid("stage2");
            targets.insert(name, (running, pid));
        }
        Stand { starter, late, targets }
    }

    /// Ends the containers that were joined.
    pub fn end(self) {
        self.targets.into_values().for_each(|(running, _)| drop(running.end()));
    }

    /// Starts a run, brings it to the moment of `sees`, which is one, looks, and ends it.
    pub fn look(&self, flow: &Flow, patch: &str, around: &[&str], late: bool, sees: &[See]) -> Vec<Outcome> {
        let moment = sees[0].moment();
        let (_, target) = &self.targets[flow.caller];
        let mut launch = self.prepare(flow, patch, late, moment);
        launch.around.extend(around.iter().map(ToString::to_string));
        launch.cleanup_host =
            matches!(moment, Moment::CleanUp | Moment::End) || sees.iter().any(|see| see.needs_host_process());
        if moment == Moment::End {
            let run = launch.run();
            if let Err(left) = run.nothing_left() {
                return vec![Outcome::Failed(left); sees.len()];
            }
            let began = run.events("callback").any(|event| event["name"] == "StartProcess");
            let outcome = |see: &See| match refused(&run) {
                Some(refused) if !began => refused,
                _ => Outcome::Seen(sight::see_end(&run, *see)),
            };
            return sees.iter().map(outcome).collect();
        }
        let mut running = launch.spawn();
        if !comes_to(&mut running, moment) {
            let run = running.end();
            let outcome =
                refused(&run).unwrap_or_else(|| Outcome::Failed(format!("it did not come to {moment:?}\n{run}")));
            return vec![outcome; sees.len()];
        }
        let sight = Sight { running: &running, target: *target };
        let seen = sees.iter().map(|see| Outcome::Seen(sight.see(*see))).collect();
        running.end();
        seen
    }

    fn prepare(&self, flow: &Flow, patch: &str, late: bool, moment: Moment) -> common::Launch<'_> {
        let of = |name: &str| format!("/proc/{}", self.targets[name].1);
        let many = vec!["/dev/null"; 1025];
        let patch = patch.replace("\"$MANY\"", &json!(many).to_string());
        let mut configuration = flow.configuration(&patch);
        let held = match moment {
            Moment::Start => Some("StartProcess"),
            Moment::Server => Some("CreateContainer"),
            Moment::CleanUp => Some("CleanupHost"),
            Moment::End => None,
        };
        if let Some(callback) = held {
            configuration["fail"][callback] = json!("hang");
        }
        if configuration["join_only"] == true && moment == Moment::Server {
            configuration["fail"] = json!({ "StartProcess": "hang" });
        }
        if configuration["exec"].is_null() {
            configuration["exec"] = match moment {
                Moment::End if configuration["join_only"] != true => json!(["/bin/sh", "-c", "$WAIT; exit 7"]),
                Moment::End => json!(["/bin/sh", "-c", "exit 7"]),
                _ => json!(["true"]),
            };
        }
        let text = configuration.to_string().replace("$TARGET", &of(flow.caller)).replace("$PLAIN", &of("plain"));
        let configuration: Value = serde_json::from_str(&text).expect("JSON");
        let mut launch = launch(if late { &self.late } else { &self.starter }, flow.caller, &configuration);
        if late {
            // The engine without RPC methods of its own.
            launch.document = launch.document.replace("\"engineName\":\"probe\"", "\"engineName\":\"probe-builtin\"");
        }
        launch
    }
}

fn launch<'a>(starter: &'a Starter, caller: &str, configuration: &Value) -> common::Launch<'a> {
    let mut launch = starter.launch(caller, configuration);
    launch.around = AROUND.map(str::to_owned).to_vec();
    launch.groups = GROUPS.to_vec();
    launch
}

/// Waits for the moment, and says whether it came before the run ended.
fn comes_to(running: &mut Running, moment: Moment) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let came = |event: &Value| {
        let called =
            |role: &str, name: &str| event["event"] == "callback" && event["role"] == role && event["name"] == name;
        match moment {
            Moment::Server => {
                event["event"] == "step" && event["role"] == "rpc-server" || called("stage2", "StartProcess")
            }
            Moment::CleanUp => called("cleanup-host", "CleanupHost"),
            Moment::Start | Moment::End => called("stage2", "StartProcess"),
        }
    };
    while Instant::now() < deadline {
        // Asked first: what a run that has ended by now has written is there. An instance goes on without its starter.
        let ended = running.child.try_wait().expect("status").is_some() && common::holders(running.folder()).is_empty();
        if running.record().iter().any(came) && (moment != Moment::Start || has_logged(running)) {
            return true;
        }
        if ended {
            return false;
        }
        common::look_again();
    }
    false
}

/// Whether the engine's line is there, which it writes when its callback has been called.
fn has_logged(running: &Running) -> bool {
    let log = std::fs::read_to_string(running.folder().join("log")).expect("log");
    log.lines().any(|line| line.starts_with("StartProcess ")) && log.ends_with('\n')
}

/// Whether it failed before anything of the container ran.
fn refused(run: &Run) -> Option<Outcome> {
    let began = run.events("callback").any(|event| event["name"] == "StartProcess");
    (run.exit == 255 && !began).then(|| Outcome::Refused(run.stderr.clone()))
}
