// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::settings::CapabilitySets;

fn root() -> Facts {
    Facts { effective: 0xff, permitted: 0xff, known_capabilities: 0xff, ..Facts::default() }
}

fn user() -> Facts {
    Facts { uid: 1000, gid: 1000, known_capabilities: 0xff, ..Facts::default() }
}

fn one(container_id: u32, host_id: u32) -> Vec<IdMapping> {
    vec![IdMapping { container_id, host_id, size: 1 }]
}

fn rootless() -> Settings {
    Settings {
        create: vec![NamespaceKind::User, NamespaceKind::Pid, NamespaceKind::Mount],
        uid_mappings: one(0, 1000),
        gid_mappings: one(0, 1000),
        ..Settings::default()
    }
}

fn refusal(settings: &Settings, facts: &Facts) -> String {
    Plan::make(settings, facts, &Declaration::default()).expect_err("refused").to_string()
}

fn plan(settings: &Settings, facts: &Facts) -> Plan {
    Plan::make(settings, facts, &Declaration::default()).expect("plan")
}

#[test]
fn step_11_decides_the_flow() {
    assert_eq!(plan(&Settings::default(), &root()).flow, Flow::Root);
    assert_eq!(plan(&rootless(), &user()).flow, Flow::UserNamespace);
    let hybrid = Settings { hybrid: true, ..rootless() };
    assert_eq!(plan(&hybrid, &user()).flow, Flow::Hybrid);
    let setuid = Facts { setuid: true, ..user() };
    assert_eq!(plan(&Settings::default(), &setuid).flow, Flow::Setuid);
    assert_eq!(plan(&hybrid, &setuid).flow, Flow::SetuidHybrid);
    let join = BTreeMap::from([(NamespaceKind::User, "ns/user".to_owned())]);
    let joined = Settings { join, join_only: true, ..Settings::default() };
    assert_eq!(plan(&joined, &user()).flow, Flow::JoinUserNamespace);
    assert!(refusal(&Settings::default(), &user()).contains("no setuid installation"));
}

#[test]
fn every_forbidden_combination_is_named() {
    let base = rootless;
    let cases: Vec<(Settings, Facts, &str)> = vec![
        (rootless(), Facts { setuid: true, ..user() }, "setuid with user namespace is not allowed"),
        (
            Settings { allow_setgroups: true, ..Settings::default() },
            Facts { setuid: true, ..user() },
            "it could give groups of others",
        ),
        (Settings { instance: true, join_only: true, ..base() }, user(), "an instance cannot only join"),
        (
            Settings { hybrid: true, allow_setgroups: true, ..base() },
            Facts { setuid: true, ..user() },
            "setgroups with a map of nothing but the own group",
        ),
        (Settings { hybrid: true, ..Settings::default() }, root(), "needs a new user namespace"),
        (Settings { uid_mappings: vec![], ..base() }, user(), "needs a user id map"),
        (Settings { gid_mappings: vec![], ..base() }, user(), "needs a group id map"),
        (Settings { uid_mappings: one(0, 0), ..Settings::default() }, root(), "without a new user namespace"),
        (Settings { newuidmap: Some("/x".into()), ..base() }, user(), "only of use together"),
        (
            Settings { newuidmap: Some("/x".into()), newgidmap: Some("/y".into()), ..base() },
            user(),
            "need the hybrid workflow",
        ),
        (Settings { kept_fds: (0..1025).collect(), ..base() }, user(), "more than 1024"),
        (Settings { kept_fds: vec![-1], ..base() }, user(), "negative descriptor"),
        (Settings { target_gids: vec![0; 33], ..base() }, user(), "more than 32"),
        (
            Settings { timeouts: Timeouts { handshake_ms: 0, ..Timeouts::default() }, ..base() },
            user(),
            "handshake limit",
        ),
        (Settings { target_uid: Some(5), ..Settings::default() }, root(), "without a target group id"),
        (Settings { target_gids: vec![0], ..base() }, user(), "target group ids where setgroups is denied"),
        (Settings { allow_setgroups: true, ..base() }, user(), "whose group id map is written without CAP_SETGID"),
        (
            Settings {
                join: BTreeMap::from([
                    (NamespaceKind::User, "ns/user".to_owned()),
                    (NamespaceKind::Pid, "ns/pid".to_owned()),
                ]),
                ..Settings::default()
            },
            user(),
            "a PID namespace joined with its user namespace",
        ),
        (Settings { target_uid: Some(5), ..base() }, user(), "user id 5 is not in the user id map"),
        (Settings { target_gids: vec![0, 7], ..base() }, user(), "group id 7 is not in the group id map"),
        (
            Settings { capabilities: CapabilitySets { effective: 3, permitted: 1, ..Default::default() }, ..base() },
            user(),
            "effective capabilities 0x3 are not within the permitted ones 0x1",
        ),
        (
            Settings { capabilities: CapabilitySets { ambient: 1, permitted: 1, ..Default::default() }, ..base() },
            user(),
            "ambient capabilities 0x1",
        ),
    ];
    for (settings, facts, words) in cases {
        let refused = refusal(&settings, &facts);
        assert!(refused.contains(words), "{words:?} is not in {refused:?}");
    }
}

#[test]
fn the_last_good_and_the_first_bad_value() {
    plan(&Settings { kept_fds: (0..1024).collect(), ..rootless() }, &user());
    plan(&Settings { target_gids: vec![0; 32], no_setgroups: true, ..rootless() }, &user());
    for handshake_ms in [1, 3_600_000] {
        plan(&Settings { timeouts: Timeouts { handshake_ms, ..Timeouts::default() }, ..rootless() }, &user());
    }
    let above = Timeouts { handshake_ms: 3_600_001, ..Timeouts::default() };
    assert!(refusal(&Settings { timeouts: above, ..rootless() }, &user()).contains("handshake limit"));
}

#[test]
fn only_what_is_asked_for_exists() {
    let plain = plan(&rootless(), &user());
    let roles: Vec<Role> = plain.processes.iter().map(|process| process.role).collect();
    assert_eq!(roles, [Role::Starter, Role::Stage1, Role::Container, Role::RpcServer, Role::Stage2, Role::Master]);
    assert!(plain.messages.iter().all(|row| row.to != Role::CleanupHost && row.from != Role::PostStartHost));
    assert!(!plain.messages.iter().any(|row| row.name == "joined"));
    let shared = plan(&Settings { master_propagate_mount: true, ..rootless() }, &user());
    assert!(shared.messages.iter().any(|row| row.name == "joined"));
    let asked = plan(&rootless(), &Facts { cleanup_host: true, post_start_host: true, ..user() });
    assert!(asked.processes.iter().any(|process| process.role == Role::CleanupSpare));
    assert!(asked.messages.iter().any(|row| row.to == Role::PostStartHost));
}

#[test]
fn namespaces_come_in_the_order_in_which_they_are_entered() {
    let create = NamespaceKind::ALL.into_iter().rev().collect();
    let kinds: Vec<_> =
        plan(&Settings { create, ..rootless() }, &user()).namespaces.iter().map(|namespace| namespace.kind).collect();
    assert_eq!(kinds, NamespaceKind::ALL);
}

#[test]
fn the_hybrid_flow_leaves_the_user_namespace_to_the_clone() {
    let hybrid = plan(&Settings { hybrid: true, ..rootless() }, &user());
    assert_eq!(hybrid.created_by(Role::Master), []);
    assert!(hybrid.created_by(Role::Container).contains(&NamespaceKind::User));
    assert_eq!(plan(&rootless(), &user()).created_by(Role::Master), [NamespaceKind::User]);
}

#[test]
fn who_is_not_mapped_takes_the_namespaces_root_in_the_container() {
    let ranges = |container_id| vec![IdMapping { container_id, host_id: 100_000, size: 65536 }];
    let hybrid = |uids, gids| {
        let settings = Settings { hybrid: true, uid_mappings: uids, gid_mappings: gids, ..rootless() };
        plan(&settings, &root())
    };
    let unmapped = hybrid(ranges(0), ranges(0));
    assert_eq!((unmapped.becomes_root(), unmapped.mapped_uid()), ((true, true), None));
    assert_eq!((unmapped.container_uid(), unmapped.target_uid()), (Some(0), Some(0)));
    let text = unmapped.to_string();
    assert!(text.contains("uid 0 of its user namespace") && text.contains("uid not mapped"), "{text}");
    let target = Settings {
        target_uid: Some(5),
        target_gids: vec![0],
        allow_setgroups: true,
        hybrid: true,
        uid_mappings: ranges(0),
        ..rootless()
    };
    assert_eq!(plan(&target, &root()).target_uid(), Some(5));
    assert_eq!(hybrid(ranges(0), one(7, 0)).becomes_root(), (true, false));
    assert_eq!(hybrid(ranges(1), ranges(1)).becomes_root(), (false, false));
    assert_eq!(hybrid(one(0, 0), one(0, 0)).becomes_root(), (false, false));
    assert_eq!(plan(&rootless(), &user()).becomes_root(), (false, false));
}

#[test]
fn a_plan_is_valid_json_and_a_readable_tree() {
    let plan = plan(&rootless(), &user());
    let json: serde_json::Value = serde_json::to_value(plan.document()).expect("json");
    assert_eq!(json["flow"], "user-namespace");
    let text = plan.to_string();
    let master = json["processes"].as_array().expect("processes").last().expect("master");
    assert_eq!(master["privileges"]["threads"], "one-until-role");
    assert_eq!(master["privileges"]["environment"], serde_json::json!(["GOGC", "GODEBUG", "RUST_BACKTRACE"]));
    let open =
        ["signal-queue", "event-counters", "master-socket", "control-socket", "rpc-connection", "container-pidfd"];
    let opened = json["open"].as_array().expect("open").last().expect("master");
    assert_eq!(*opened, serde_json::json!({ "role": "master", "descriptors": open }));
    let words = [
        "stage1",
        "rpc-server",
        "= stage2",
        "= master",
        "uid 0 (mapped)",
        "PrepareConfig",
        "environment message level, GOGC, GODEBUG, RUST_BACKTRACE",
        "threads one until its role begins",
        "every process    standard streams, what the caller has left open, record\n",
        "stage2           master socket, control socket\n",
    ];
    for word in words {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
}

#[test]
fn a_setuid_starter_that_only_joins_keeps_nothing_in_master() {
    let join = BTreeMap::from([(NamespaceKind::Pid, "ns/pid".to_owned())]);
    let setuid = Facts { setuid: true, ..user() };
    let plan = plan(&Settings { join, join_only: true, ..Settings::default() }, &setuid);
    let master = plan.privileges(Role::Master);
    assert_eq!((master.ids, master.capabilities), (contract::Ids::RealUser, contract::Capabilities::None));
    assert_eq!(master.threads, contract::holdings::Threads::One);
    assert_eq!(master.environment, ["GOGC"]);
    let text = plan.to_string();
    let is_masters = |line: &str| line.contains("= master ") && line.ends_with(" uid 1000, no capabilities");
    assert!(text.lines().any(is_masters) && !text.contains("RPC"), "{text}");
}

prop_compose! {
    fn any_settings()(
        flags in proptest::array::uniform8(any::<bool>()),
        create in proptest::sample::subsequence(NamespaceKind::ALL.to_vec(), 0..=7),
        joins in proptest::sample::subsequence(NamespaceKind::ALL.to_vec(), 0..=7),
        maps in proptest::collection::vec((0u32..5, 0u32..5, 0u32..5), 0..3),
        target in proptest::option::of(0u32..6),
        gids in proptest::collection::vec(0u32..6, 0..3),
        sets in proptest::array::uniform5(0u64..8),
    ) -> Settings {
        let map: Vec<_> = maps.into_iter().map(|(container_id, host_id, size)| IdMapping { container_id, host_id, size }).collect();
        Settings {
            instance: flags[0], hybrid: flags[1], join_only: flags[2], no_new_privs: flags[3],
            master_propagate_mount: flags[4], allow_setgroups: flags[5], no_setgroups: flags[6], bring_loopback: flags[7],
            create, join: joins.into_iter().map(|kind| (kind, format!("ns/{}", kind.file()))).collect(),
            uid_mappings: map.clone(), gid_mappings: map, target_uid: target, target_gids: gids,
            capabilities: CapabilitySets { permitted: sets[0], effective: sets[1], inheritable: sets[2], bounding: sets[3], ambient: sets[4] },
            ..Settings::default()
        }
    }
}

proptest! {
    #[test]
    fn a_plan_that_is_made_holds_what_it_promises(settings in any_settings(), uid in 0u32..3, setuid in any::<bool>()) {
        let facts = Facts { uid, setuid, ..root() };
        let Ok(plan) = Plan::make(&settings, &facts, &Declaration::default()) else { return Ok(()) };
        // Nobody but root runs without a user namespace, unless the starter is setuid, and no ordinary user's process has
        // capabilities on the host but master of that.
        prop_assert!(plan.flow != Flow::Root || uid == 0 && !setuid);
        prop_assert_eq!(plan.flow.is_setuid(), setuid);
        for process in &plan.processes {
            let on_host = matches!(process.role, Role::Stage1 | Role::PostStartHost | Role::CleanupHost);
            prop_assert!(!on_host || uid == 0 || process.privileges.capabilities == contract::Capabilities::None
                || plan.flow == Flow::Root);
        }
        // Each kind is entered once, by one process.
        let mut kinds: Vec<_> = plan.namespaces.iter().map(|namespace| namespace.kind).collect();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), plan.namespaces.len());
        // The sealed settings come out of their JSON as they went in: both sides make the same plan.
        let text = serde_json::to_string(&settings).expect("json");
        let again: Settings = serde_json::from_str(&text).expect("settings");
        prop_assert_eq!(Plan::make(&again, &facts, &Declaration::default()).expect("plan"), plan);
    }
}
