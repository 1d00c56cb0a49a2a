// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flows: how each starts, its rows, and where it is stopped.

use serde_json::{Value, json};

use crate::collector::Sets;
use crate::common;
use crate::rows::{self, INSTANCE, PROGRAM, Row, WAITS};

/// A way to start a container.
pub struct Flow {
    pub name: &'static str,
    /// `root`, `user`, or `setuid`: that user, and the setuid-root file.
    pub caller: &'static str,
    /// The engine's configuration.
    pub configuration: Value,
    pub rows: Vec<&'static [Row]>,
    pub stops: &'static [Stop],
    /// Whether it joins a container, which is started before.
    pub joins: bool,
    /// Whether the core monitors, so that master needs no thread for it.
    pub core_monitors: bool,
    /// Whether master is a process of its own, for which the starter waits.
    pub instance: bool,
    /// Namespaces that the container has and the host has not, by their files in /proc/PID/ns.
    pub of_container: &'static [&'static str],
    /// Those of them that master is in as well.
    pub with_master: &'static [&'static str],
    /// Those that master has, and neither the host nor the container.
    pub of_master: &'static [&'static str],
    /// The container's own privileges.
    pub own: Own,
}

/// What the configuration gives to the container.
#[derive(Default)]
pub struct Own {
    /// User id, group id and groups on the host, where they are not the caller's.
    pub ids: Option<(u32, u32, Vec<u32>)>,
    pub sets: Sets,
    /// What is permitted to its program, and effective there.
    pub executed: u64,
    pub no_new_privs: u32,
}

impl Own {
    /// Whether the kernel gives more to its program than it has had.
    pub fn gains(&self) -> bool {
        self.executed & !self.sets.permitted != 0
    }
}

/// How a run is brought to a stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A process stays in a callback.
    In(&'static str, &'static str),
    /// cleanup-host is killed in its callback, and its spare stays there.
    Spare,
    /// The container's program runs.
    Program,
}

/// One moment at which a run is stopped, and all that is alive then: role and moment.
pub struct Stop {
    pub hold: Hold,
    pub alive: &'static [(&'static str, &'static str)],
}

const POST_START: (&str, &str) = ("post-start-host", WAITS);
const CLEANUP: (&str, &str) = ("cleanup-host", WAITS);
const SPARE: (&str, &str) = ("cleanup-spare", WAITS);
const MONITORS: (&str, &str) = ("master", "MonitorContainer");
const MASTER: (&str, &str) = ("master", WAITS);
const RUNS: (&str, &str) = ("stage2", PROGRAM);
const STARTS: (&str, &str) = ("stage2", "StartProcess");

/// Every callback of every process.
pub const STOPS: &[Stop] = &[
    Stop {
        hold: Hold::In("stage1", "PrepareConfig"),
        alive: &[("starter", WAITS), ("stage1", "PrepareConfig"), POST_START, CLEANUP, SPARE],
    },
    Stop {
        hold: Hold::In("master", "CreateContainer"),
        alive: &[
            ("master", "CreateContainer"),
            ("container", WAITS),
            ("rpc-server", WAITS),
            POST_START,
            CLEANUP,
            SPARE,
        ],
    },
    Stop { hold: Hold::In("stage2", "StartProcess"), alive: &[MONITORS, STARTS, POST_START, CLEANUP, SPARE] },
    Stop {
        hold: Hold::In("master", "PreStartProcess"),
        alive: &[("master", "PreStartProcess"), RUNS, POST_START, CLEANUP, SPARE],
    },
    Stop {
        hold: Hold::In("post-start-host", "PostStartHost"),
        alive: &[MONITORS, RUNS, ("post-start-host", "PostStartHost"), CLEANUP, SPARE],
    },
    Stop {
        hold: Hold::In("master", "PostStartProcess"),
        alive: &[("master", "PostStartProcess"), RUNS, CLEANUP, SPARE],
    },
    Stop { hold: Hold::In("master", "MonitorContainer"), alive: &[MONITORS, RUNS, CLEANUP, SPARE] },
    Stop { hold: Hold::In("master", "CleanupContainer"), alive: &[("master", "CleanupContainer"), CLEANUP, SPARE] },
    Stop { hold: Hold::In("cleanup-host", "CleanupHost"), alive: &[MASTER, ("cleanup-host", "CleanupHost"), SPARE] },
    Stop { hold: Hold::Spare, alive: &[MASTER, ("cleanup-spare", "CleanupHost")] },
];

/// Where a running container is joined, master calls no engine.
const JOIN_STOPS: &[Stop] = &[
    Stop {
        hold: Hold::In("stage1", "PrepareConfig"),
        alive: &[("starter", WAITS), ("stage1", "PrepareConfig"), CLEANUP, SPARE],
    },
    Stop { hold: Hold::In("stage2", "StartProcess"), alive: &[MASTER, STARTS, CLEANUP, SPARE] },
    Stop { hold: Hold::Program, alive: &[MASTER, RUNS, CLEANUP, SPARE] },
    Stop { hold: Hold::In("cleanup-host", "CleanupHost"), alive: &[MASTER, ("cleanup-host", "CleanupHost"), SPARE] },
    Stop { hold: Hold::Spare, alive: &[MASTER, ("cleanup-spare", "CleanupHost")] },
];

impl Flow {
    /// The row of a process at a moment.
    pub fn row(&self, role: &str, moment: &str) -> Option<&'static Row> {
        self.rows.iter().copied().flatten().find(|row| row.role == role && row.moments.contains(&moment))
    }

    /// The stops, without the callback that the core makes needless.
    pub fn stops(&self) -> impl Iterator<Item = &'static Stop> {
        let stops = self.stops.iter();
        stops.filter(|stop| !self.core_monitors || stop.hold != Hold::In("master", "MonitorContainer"))
    }

    /// All that is alive at a stop. The starter of an instance waits until PostStartProcess has returned.
    pub fn alive(&self, stop: &Stop) -> Vec<(&'static str, &'static str)> {
        const BEFORE_IT_RUNS: [&str; 5] =
            ["CreateContainer", "StartProcess", "PreStartProcess", "PostStartHost", "PostStartProcess"];
        let waits = self.instance && matches!(stop.hold, Hold::In(_, callback) if BEFORE_IT_RUNS.contains(&callback));
        stop.alive.iter().copied().chain(waits.then_some(("starter", INSTANCE))).collect()
    }
}

/// Every flow of this version.
pub fn flows() -> Vec<Flow> {
    let mut all = root();
    all.extend(user());
    all.extend(setuid());
    all.extend(instances());
    all.extend(joins());
    all
}

/// Those that can be started here.
pub fn possible() -> Vec<Flow> {
    flows().into_iter().filter(is_possible).collect()
}

fn is_possible(flow: &Flow) -> bool {
    let possible = common::is_root() || (flow.caller == "user" && flow.name != RANGES);
    if !possible {
        println!("left out: {}: needs root", flow.name);
    }
    possible
}

const RANGES: &str = "new user namespace with ranges";

fn plain() -> Flow {
    Flow {
        name: "",
        caller: "root",
        configuration: json!({}),
        rows: vec![rows::ROOT_ON_HOST, rows::ROOT, rows::EXECUTED],
        stops: STOPS,
        joins: false,
        core_monitors: false,
        instance: false,
        of_container: &["pid", "mnt", "uts"],
        with_master: &[],
        of_master: &[],
        own: Own::default(),
    }
}

fn root() -> Vec<Flow> {
    let create = json!(["pid", "mount", "uts"]);
    let target = json!({ "create": create, "target_uid": 7, "target_gids": [8, 9], "no_new_privs": true });
    let mut core = target.clone();
    core["core_monitor"] = json!(true);
    let own = || Own { ids: Some((7, 8, vec![8, 9])), no_new_privs: 1, ..Own::default() };
    let one = ["CAP_CHOWN"];
    let sets = json!({ "permitted": one, "effective": one, "inheritable": one, "ambient": one,
                       "bounding": ["CAP_CHOWN", "CAP_KILL"] });
    vec![
        Flow { name: "root", configuration: target, own: own(), ..plain() },
        Flow { name: "root, the core monitors", configuration: core, core_monitors: true, own: own(), ..plain() },
        Flow {
            name: "root, shared mounts",
            configuration: json!({ "create": create, "share_mounts": true, "capabilities": sets }),
            of_master: &["mnt"],
            own: Own {
                sets: Sets { inheritable: 1, permitted: 1, effective: 1, bounding: 0x21, ambient: 1 },
                // For root the kernel adds the bounding set.
                executed: 0x21,
                ..Own::default()
            },
            ..plain()
        },
    ]
}

fn user() -> Vec<Flow> {
    let (user, group) = (common::own_user(), common::own_group());
    let base = || Flow {
        caller: "user",
        rows: vec![rows::USER_ON_HOST, rows::NAMESPACE, rows::EXECUTED],
        of_container: &["user", "pid", "mnt"],
        with_master: &["user"],
        ..plain()
    };
    let create = json!(["user", "pid", "mount"]);
    let one = json!({ "create": create, "uid_map": [[0, user, 1]], "gid_map": [[0, group, 1]] });
    let mut shared = one.clone();
    shared["share_mounts"] = json!(true);
    shared["no_new_privs"] = json!(true);
    let map = json!([[0, user, 1], [1, 100_000, 65_536]]);
    let ranges = json!({ "create": create, "uid_map": map, "gid_map": map, "hybrid": true, "map_helpers": true,
                         "target_uid": 5, "target_gids": [5, 6], "no_new_privs": true });
    vec![
        Flow { name: "new user namespace with one id", configuration: one, ..base() },
        Flow {
            name: "new user namespace, shared mounts",
            configuration: shared,
            of_master: &["mnt"],
            own: Own { no_new_privs: 1, ..Own::default() },
            ..base()
        },
        Flow {
            name: RANGES,
            configuration: ranges,
            own: Own { ids: Some((100_004, 100_004, vec![100_004, 100_005])), no_new_privs: 1, ..Own::default() },
            ..base()
        },
    ]
}

/// The setuid-root file, called by an ordinary user.
fn setuid() -> Vec<Flow> {
    let create = json!(["pid", "mount", "uts"]);
    let map = json!([[0, common::USER, 1], [1, 100_000, 65_536]]);
    let ranges = json!({ "create": ["user", "pid", "mount"], "uid_map": map, "gid_map": map, "hybrid": true,
                         "allow_setgroups": true });
    let mut target = ranges.clone();
    (target["target_uid"], target["target_gids"], target["no_new_privs"]) = (json!(5), json!([5, 6]), json!(true));
    let base = || Flow {
        caller: "setuid",
        configuration: json!({ "create": create }),
        rows: vec![rows::SETUID_ON_HOST, rows::SETUID_FLOW, rows::EXECUTED],
        ..plain()
    };
    let hybrid = |name, configuration, own| Flow {
        name,
        configuration,
        own,
        rows: vec![rows::SETUID_ON_HOST, rows::SETUID_HYBRID, rows::EXECUTED],
        of_container: &["user", "pid", "mnt"],
        ..base()
    };
    let own = Own { ids: Some((100_004, 100_004, vec![100_004, 100_005])), no_new_privs: 1, ..Own::default() };
    vec![
        Flow { name: "setuid", ..base() },
        Flow {
            name: "setuid, shared mounts",
            configuration: json!({ "create": create, "share_mounts": true, "no_new_privs": true }),
            of_master: &["mnt"],
            own: Own { no_new_privs: 1, ..Own::default() },
            ..base()
        },
        hybrid("setuid, ranges", ranges, Own::default()),
        hybrid("setuid, ranges, target ids", target, own),
    ]
}

/// Each of the flows above, once, as an instance.
fn instances() -> Vec<Flow> {
    let named = [
        ("root, the core monitors", "instance of root", rows::INSTANCE_OF_ROOT),
        ("new user namespace with one id", "instance of a user", rows::INSTANCE_OF_USER),
        ("setuid", "instance, setuid", rows::INSTANCE_OF_SETUID),
    ];
    let mut instances: Vec<Flow> = root().into_iter().chain(user()).chain(setuid()).collect();
    instances.retain_mut(|flow| {
        let Some((_, name, row)) = named.iter().find(|(attached, ..)| *attached == flow.name) else { return false };
        (flow.name, flow.instance) = (name, true);
        flow.configuration["instance"] = json!(true);
        flow.rows.push(row);
        true
    });
    instances
}

fn joins() -> Vec<Flow> {
    let (user, group) = (common::own_user(), common::own_group());
    let create = json!(["pid", "mount", "uts"]);
    let of_user = json!({ "create": ["user", "pid", "mount", "uts"],
                          "uid_map": [[0, user, 1]], "gid_map": [[0, group, 1]] });
    vec![
        Flow {
            name: "join by root",
            configuration: json!({ "create": create }),
            rows: vec![rows::ROOT_ON_HOST, rows::JOIN_ROOT, rows::EXECUTED],
            stops: JOIN_STOPS,
            joins: true,
            ..plain()
        },
        Flow {
            name: "join by a user",
            caller: "user",
            configuration: of_user,
            rows: vec![rows::USER_ON_HOST, rows::JOIN_USER, rows::EXECUTED],
            stops: JOIN_STOPS,
            joins: true,
            of_container: &["user", "pid", "mnt", "uts"],
            with_master: &["user"],
            ..plain()
        },
        // Where no policy of pinion's holds, root's id opens the namespaces: a product has looked at them before.
        Flow {
            name: "join, setuid",
            caller: "setuid",
            configuration: json!({ "create": create }),
            rows: vec![rows::SETUID_ON_HOST, rows::JOIN_SETUID, rows::EXECUTED],
            stops: JOIN_STOPS,
            joins: true,
            ..plain()
        },
    ]
}
