// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starts whose program joins a container that runs.

use serde_json::{Value, json};

use crate::common::{self, Running, Starter};
use crate::{Flow, observer};

/// A container that runs until it is dropped.
pub struct Target {
    running: Running,
    caller: &'static str,
}

impl Target {
    /// One for each caller.
    pub fn all(starter: &Starter) -> Vec<Self> {
        let callers: &[&str] = if common::is_root() { &["root", "user"] } else { &["user"] };
        callers.iter().map(|caller| Target::new(starter, caller)).collect()
    }

    fn new(starter: &Starter, caller: &'static str) -> Self {
        let map = if caller == "user" { json!([[0, common::own_user(), 1]]) } else { json!([]) };
        let kinds: Vec<&str> = kinds(caller).into_iter().map(|(kind, _)| kind).collect();
        let script = "echo ran >>$DIR/log; exec sleep 1000";
        let configuration =
            json!({ "create": kinds, "uid_map": map, "gid_map": map, "exec": ["/bin/sh", "-c", script] });
        let running = starter.launch(caller, &configuration).spawn();
        observer::until_it_ran(&running);
        Target { running, caller }
    }

    /// A start that joins it.
    pub fn joined(&self) -> Flow {
        let paths = kinds(self.caller).into_iter().map(|(kind, file)| (kind.to_owned(), json!(format!("ns/{file}"))));
        let join: serde_json::Map<String, Value> = paths.collect();
        let directory = format!("/proc/{}", self.running.pid("stage2"));
        let configuration = json!({ "join_only": true, "join": join, "working_directory": directory,
                                    "make": ["$DIR/made"], "watch": "$DIR/record" });
        Flow { name: format!("join, {}", self.caller), caller: self.caller, configuration }
    }
}

fn kinds(caller: &str) -> Vec<(&'static str, &'static str)> {
    let user = (caller == "user").then_some(("user", "user"));
    user.into_iter().chain([("pid", "pid"), ("uts", "uts"), ("mount", "mnt")]).collect()
}
