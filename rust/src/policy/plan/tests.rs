// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::super::PATH;
use super::super::tests::{policy, words};
use super::*;
use crate::config::settings::{CapabilitySets, IdMapping, Propagation};

fn ann() -> Caller {
    Caller { uid: 1000, gid: 1001, groups: vec![27, 50], own_instance: Vec::new() }
}

/// A container on the host's own user namespace.
fn plain() -> Settings {
    Settings {
        create: vec![NamespaceKind::Mount],
        mount_propagation: Some(Propagation::PRIVATE),
        no_new_privs: true,
        ..Settings::default()
    }
}

fn line(container_id: u32, host_id: u32, size: u32) -> IdMapping {
    IdMapping { container_id, host_id, size }
}

/// One in the hybrid flow, in which the caller is root.
fn hybrid() -> Settings {
    Settings {
        create: vec![NamespaceKind::User, NamespaceKind::Mount],
        hybrid: true,
        uid_mappings: vec![line(0, 1000, 1), line(1, 100_000, 65_536)],
        gid_mappings: vec![line(0, 1001, 1), line(1, 200_000, 65_536)],
        ..Settings::default()
    }
}

fn permits(settings: &Settings) -> Result<()> {
    Policy::default().permits_plan(settings, &ann())
}

fn key(what: &str, key: &str) -> String {
    format!("{what} (root can allow it with \"{key}\" in {PATH})")
}

#[test]
fn a_plain_start_and_a_hybrid_one_are_permitted() {
    permits(&plain()).expect("plain");
    permits(&hybrid()).expect("hybrid");
}

#[test]
fn capabilities_of_every_set_are_within_those_that_are_listed() {
    let none = CapabilitySets::default();
    let sets = [
        CapabilitySets { permitted: 0x401, ..none },
        CapabilitySets { effective: 0x401, ..none },
        CapabilitySets { inheritable: 0x401, ..none },
        CapabilitySets { bounding: 0x401, ..none },
        CapabilitySets { ambient: 0x401, ..none },
    ];
    let listed = policy(json!({"capabilities": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]}));
    let half = policy(json!({"capabilities": ["CAP_CHOWN"]}));
    for capabilities in sets {
        let settings = Settings { capabilities, ..plain() };
        let refused = |names: &str| key(&format!("the capabilities {names}"), "capabilities");
        assert_eq!(words(permits(&settings)), refused("CAP_CHOWN CAP_NET_BIND_SERVICE"));
        assert_eq!(words(half.permits_plan(&settings, &ann())), refused("CAP_NET_BIND_SERVICE"));
        listed.permits_plan(&settings, &ann()).expect("listed");
        permits(&Settings { capabilities, ..hybrid() }).expect("of its user namespace");
    }
    let unknown = CapabilitySets { bounding: 1 << 63, ..none };
    assert!(words(permits(&Settings { capabilities: unknown, ..plain() })).starts_with("the capabilities CAP_63"));
}

#[test]
fn without_a_user_namespace_a_container_has_no_new_privs() {
    let text = "a container without no_new_privs: setuid programs in it were the host's \
        (set no_new_privs, or ask for the hybrid workflow)";
    assert_eq!(words(permits(&Settings { no_new_privs: false, ..plain() })), text);
    // The word alone makes no user namespace, nor does one that master would have to make.
    assert_eq!(words(permits(&Settings { no_new_privs: false, hybrid: true, ..plain() })), text);
    let create = vec![NamespaceKind::User, NamespaceKind::Mount];
    assert_eq!(words(permits(&Settings { no_new_privs: false, create, ..plain() })), text);
    permits(&Settings { no_new_privs: false, ..hybrid() }).expect("in a user namespace");
}

#[test]
fn without_a_user_namespace_the_ids_are_the_callers() {
    let help = "(leave the target ids out, or ask for the hybrid workflow)";
    permits(&Settings { target_uid: Some(1000), target_gids: vec![1001, 27, 50], ..plain() }).expect("own");
    for uid in [0, 999, 1001] {
        let text = format!("user 1000 runs a container as user {uid} {help}");
        assert_eq!(words(permits(&Settings { target_uid: Some(uid), ..plain() })), text);
    }
    for gid in [0, 26, 1000] {
        let text = format!("user 1000 runs a container with group {gid} {help}");
        assert_eq!(words(permits(&Settings { target_gids: vec![1001, gid], ..plain() })), text);
    }
    let text = "setgroups without a user namespace (ask for the hybrid workflow)";
    assert_eq!(words(permits(&Settings { allow_setgroups: true, ..plain() })), text);
    let text = "nvidia-container-cli with the host's capabilities (ask for the hybrid workflow)";
    assert_eq!(words(permits(&Settings { nvidia_capabilities: true, ..plain() })), text);
    permits(&Settings { target_uid: Some(7), target_gids: vec![0, 9], nvidia_capabilities: true, ..hybrid() })
        .expect("in a user namespace");
}

#[test]
fn mounts_do_not_spread_to_the_host() {
    use PropagationKind::{Private, Shared, Slave, Unbindable};
    let with = |kind, recursive| Some(Propagation { kind, recursive });
    let text = "mounts that spread to the host (set the mount propagation rslave or rprivate)";
    for (propagation, shared_with_master, tied) in [
        (None, false, true),
        (None, true, false),
        (with(Shared, true), false, true),
        (with(Shared, false), true, true),
        (with(Shared, true), true, true),
        (with(Private, false), false, true),
        (with(Slave, false), true, true),
        (with(Slave, true), false, false),
        (with(Private, true), true, false),
        (with(Unbindable, true), false, false),
    ] {
        let settings =
            Settings { mount_propagation: propagation, master_propagate_mount: shared_with_master, ..plain() };
        match tied {
            true => assert_eq!(words(permits(&settings)), text, "{propagation:?}"),
            false => permits(&settings).expect("free"),
        }
    }
    permits(&Settings { mount_propagation: None, ..hybrid() }).expect("the kernel cuts the tie");
}

#[test]
fn the_host_namespaces_that_stay_are_listed() {
    let kinds =
        [NamespaceKind::Pid, NamespaceKind::Network, NamespaceKind::Uts, NamespaceKind::Ipc, NamespaceKind::Cgroup];
    let none = policy(json!({"host_namespaces": []}));
    let all = |settings: Settings| Settings { create: NamespaceKind::ALL[1..].to_vec(), ..settings };
    none.permits_plan(&all(plain()), &ann()).expect("all its own");
    for kind in kinds {
        let mut settings = all(plain());
        settings.create.retain(|created| *created != kind);
        let text = key(&format!("the host's {} namespace", kind.word()), "host_namespaces");
        assert_eq!(words(none.permits_plan(&settings, &ann())), text);
        let one = policy(json!({"host_namespaces": [kind.word()]}));
        one.permits_plan(&settings, &ann()).expect("listed");
        // Joined is not the host's.
        settings.join.insert(kind, "/ns".to_owned());
        let caller = Caller { own_instance: vec![kind], ..ann() };
        none.permits_plan(&settings, &caller).expect("joined");
        let mut settings = hybrid();
        settings.create.extend(kinds.iter().filter(|other| **other != kind));
        assert_eq!(words(none.permits_plan(&settings, &ann())), text);
    }
    let text = "a container in the host's mount namespace: its mounts were the host's (ask for a mount namespace)";
    assert_eq!(words(permits(&Settings { create: vec![], ..plain() })), text);
    assert_eq!(words(permits(&Settings { create: vec![NamespaceKind::User], ..hybrid() })), text);
}

#[test]
fn namespaces_are_joined_of_own_instances_and_by_listed_paths() {
    let join = |kind, path: &str, own| Policy::default().permits_join(kind, path, own);
    join(NamespaceKind::Network, "/proc/7/ns/net", true).expect("own instance");
    let refused = |path: &str| key(&format!("joining the network namespace \"{path}\""), "join");
    assert_eq!(words(join(NamespaceKind::Network, "/proc/7/ns/net", false)), refused("/proc/7/ns/net"));
    let listed = policy(json!({"join": ["/run/netns/lab"]}));
    listed.permits_join(NamespaceKind::Network, "/run/netns/lab", false).expect("listed");
    for path in ["/run/netns/lab2", "/run/netns", "/run/netns/lab/", "/run/./netns/lab", ""] {
        assert_eq!(words(listed.permits_join(NamespaceKind::Network, path, false)), refused(path));
    }
    // The list replaces the default.
    assert_eq!(words(listed.permits_join(NamespaceKind::Network, "/proc/7/ns/net", true)), refused("/proc/7/ns/net"));
    let everything = policy(json!({"join": ["own-instances", "/ns"]}));
    let text = "joining the user namespace \"/ns\" (run the starter without the setuid bit to join a user namespace)";
    assert_eq!(words(everything.permits_join(NamespaceKind::User, "/ns", true)), text);
}

#[test]
fn a_plan_joins_what_was_proven_for_its_very_kind() {
    let join = BTreeMap::from([(NamespaceKind::Mount, "/m".to_owned()), (NamespaceKind::Pid, "/p".to_owned())]);
    let mut settings = Settings { create: vec![], join, join_only: true, mount_propagation: None, ..plain() };
    let proven = |kinds: &[NamespaceKind]| {
        let caller = Caller { own_instance: kinds.to_vec(), ..ann() };
        Policy::default().permits_plan(&settings, &caller)
    };
    proven(&[NamespaceKind::Mount, NamespaceKind::Pid]).expect("both");
    assert!(words(proven(&[NamespaceKind::Mount])).starts_with("joining the pid namespace \"/p\""));
    assert!(
        words(proven(&[NamespaceKind::Pid, NamespaceKind::User])).starts_with("joining the mount namespace \"/m\"")
    );
    // Where mounts are made as well, in a tree that the instance has prepared.
    settings.join_only = false;
    let caller = Caller { own_instance: NamespaceKind::ALL.to_vec(), ..ann() };
    let refused = words(Policy::default().permits_plan(&settings, &caller));
    assert!(refused.starts_with("joining the mount namespace \"/m\""), "{refused}");
    let mut user = hybrid();
    user.join.insert(NamespaceKind::User, "/u".to_owned());
    assert!(words(permits(&user)).starts_with("joining the user namespace \"/u\""));
}

#[test]
fn a_user_namespace_needs_fakeroot() {
    let without = policy(json!({"fakeroot": false}));
    assert_eq!(words(without.permits_plan(&hybrid(), &ann())), key("a user namespace", "fakeroot"));
    without.permits_plan(&plain(), &ann()).expect("no user namespace");
}

#[test]
fn a_name_is_set_in_a_namespace_of_its_own() {
    let policy = Policy::default();
    policy.permits_host_name(&[NamespaceKind::Mount, NamespaceKind::Uts]).expect("own");
    let text = "setting the host's own name (ask for a UTS namespace)";
    assert_eq!(words(policy.permits_host_name(&[NamespaceKind::Mount])), text);
}

prop_compose! {
    fn any_settings()(
        flags in proptest::array::uniform6(any::<bool>()),
        create in proptest::sample::subsequence(NamespaceKind::ALL.to_vec(), 0..=7),
        joins in proptest::sample::subsequence(NamespaceKind::ALL.to_vec(), 0..=2),
        target in proptest::option::of(998u32..1002),
        gids in proptest::collection::vec(999u32..1003, 0..3),
        maps in proptest::collection::vec((0u32..3, 998u32..1002, 0u32..3), 0..3),
        sets in proptest::array::uniform5(0u64..4),
    ) -> Settings {
        let line = |(container_id, host_id, size): (u32, u32, u32)| line(container_id, host_id, size);
        let maps: Vec<_> = maps.into_iter().map(line).collect();
        Settings {
            hybrid: flags[0], no_new_privs: flags[1], allow_setgroups: flags[2], master_propagate_mount: flags[3],
            nvidia_capabilities: flags[4], mount_propagation: flags[5].then_some(Propagation::PRIVATE),
            create, join: joins.into_iter().map(|kind| (kind, "/ns".to_owned())).collect(), target_uid: target,
            target_gids: gids, uid_mappings: maps.clone(), gid_mappings: maps,
            capabilities: CapabilitySets {
                permitted: sets[0], effective: sets[1], inheritable: sets[2], bounding: sets[3], ambient: sets[4],
            },
            ..Settings::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_permitted_gives_nothing_of_the_hosts(settings in any_settings()) {
        let caller = Caller { own_instance: vec![NamespaceKind::Mount, NamespaceKind::Uts], ..ann() };
        if Policy::default().permits_plan(&settings, &caller).is_err() {
            return Ok(());
        }
        let has = |kind| settings.create.contains(&kind) || settings.join.contains_key(&kind);
        prop_assert!(has(NamespaceKind::Mount));
        prop_assert!(settings.join.keys().all(|kind| caller.own_instance.contains(kind)));
        if !(settings.hybrid && settings.create.contains(&NamespaceKind::User)) {
            prop_assert!(settings.no_new_privs && !settings.allow_setgroups && !settings.nvidia_capabilities);
            prop_assert_eq!(settings.capabilities, CapabilitySets::default());
            prop_assert!(settings.target_uid.is_none_or(|uid| uid == 1000));
            prop_assert!(settings.target_gids.iter().all(|gid| *gid == 1001));
        }
    }
}
