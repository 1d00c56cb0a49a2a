// SPDX-License-Identifier: Apache-2.0 OR MIT
use std::sync::{Arc, Mutex};

use super::settings::{Propagation, PropagationKind};
use super::*;
use crate::engine::Common;

fn config() -> StarterConfig {
    StarterConfig::new(Facts { is_suid: false }, b"{}".to_vec(), None)
}

fn refusal(result: Result<()>) -> String {
    result.expect_err("accepted").to_string()
}

fn namespaces(list: &[(&str, &str)]) -> Vec<Namespace> {
    list.iter().map(|(kind, path)| Namespace { kind: (*kind).into(), path: (*path).into() }).collect()
}

#[test]
fn switches_end_up_in_the_settings() {
    type Switch = (fn(&mut StarterConfig, bool) -> Result<()>, fn(&Settings) -> bool);
    let switches: [Switch; 10] = [
        (StarterConfig::set_instance, |settings| settings.instance),
        (StarterConfig::set_no_new_privs, |settings| settings.no_new_privs),
        (StarterConfig::set_master_propagate_mount, |settings| settings.master_propagate_mount),
        (StarterConfig::set_namespace_join_only, |settings| settings.join_only),
        (StarterConfig::set_bring_loopback_interface, |settings| settings.bring_loopback),
        (StarterConfig::set_nvccli_caps, |settings| settings.nvidia_capabilities),
        (StarterConfig::set_hybrid_workflow, |settings| settings.hybrid),
        (StarterConfig::set_allow_setgroups, |settings| settings.allow_setgroups),
        (StarterConfig::set_no_setgroups, |settings| settings.no_setgroups),
        (StarterConfig::set_native_rpc, |settings| settings.native_rpc),
    ];
    for (index, (set, _)) in switches.iter().enumerate() {
        let mut config = config();
        set(&mut config, true).unwrap();
        for (other, (_, get)) in switches.iter().enumerate() {
            assert_eq!(get(&config.settings), index == other);
        }
        set(&mut config, false).unwrap();
        assert_eq!(config.settings, Settings::default());
    }
}

#[test]
fn facts_do_not_come_from_stage_1() {
    assert!(StarterConfig::new(Facts { is_suid: true }, Vec::new(), None).is_suid());
    assert!(!config().is_suid());
    assert_eq!(config().container_pid(), 0);
}

#[test]
fn the_last_propagation_wins_and_an_unknown_word_changes_nothing() {
    let mut config = config();
    config.set_mount_propagation("rslave").unwrap();
    config.set_mount_propagation("private").unwrap();
    assert_eq!(refusal(config.set_mount_propagation("none")), "mount propagation \"none\" is unknown");
    let private = Propagation { kind: PropagationKind::Private, recursive: false };
    assert_eq!(config.settings.mount_propagation, Some(private));
}

#[test]
fn descriptors_have_limits() {
    let mut config = config();
    assert_eq!(config.image_fd(), None);
    config.set_image_fd(0).unwrap();
    config.set_image_fd(7).unwrap();
    assert_eq!(config.image_fd(), Some(7));
    config.set_working_directory_fd(i32::MAX).unwrap();
    assert_eq!(refusal(config.set_image_fd(-1)), "image descriptor -1: a negative number is no descriptor");
    assert!(config.set_working_directory_fd(i32::MIN).is_err());
    assert!(config.keep_file_descriptor(-1).is_err());
    for fd in 0..1024 {
        config.keep_file_descriptor(fd).unwrap();
    }
    config.keep_file_descriptor(5).unwrap();
    let error = refusal(config.keep_file_descriptor(1024));
    assert_eq!(error, "keep descriptor 1024: 1024 are kept already, the most possible");
    assert_eq!(config.settings.kept_fds.len(), MAX_KEPT);
}

#[test]
fn the_engine_configuration_is_written_over() {
    let mut config = config();
    assert_eq!(config.json_config(), b"{}");
    config.write(&Common::new("e", "c", Arc::new(Mutex::new(5)))).unwrap();
    let written = br#"{"engineName":"e","containerID":"c","engineConfig":5,"plugin":null}"#;
    assert_eq!(config.json_config(), written);
    config.write_json(b" null ".to_vec()).unwrap();
    assert!(refusal(config.write_json(b"{".to_vec())).starts_with("engine configuration: byte 1: "));
    assert_eq!(config.json_config(), b" null ");
    let map: std::collections::BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into();
    assert!(refusal(config.write(&map)).starts_with("serialise the engine configuration: "));
    assert_eq!(config.into_parts().1, b" null ");
}

#[test]
fn the_engine_configuration_grows_to_64_mib() {
    let mut config = config();
    let fits = "x".repeat(MAX_CONFIG - 2);
    config.write(&fits).unwrap();
    assert_eq!(config.json.len(), MAX_CONFIG);
    let error = "engine configuration: 67108865 bytes, at most 67108864 are possible";
    assert_eq!(refusal(config.write(&format!("{fits}x"))), error);
    let mut json = vec![b' '; MAX_CONFIG];
    json[0] = b'1';
    config.write_json(json.clone()).unwrap();
    json.push(b' ');
    assert_eq!(refusal(config.write_json(json)), error);
    assert!(config.json.starts_with(b"1 "));
}

#[test]
fn the_last_map_wins() {
    let mut config = config();
    let one = IdMapping { container_id: 0, host_id: 1000, size: 1 };
    let two = IdMapping { container_id: 1, host_id: 100_000, size: 5 };
    config.add_uid_mappings(&[one, two]).unwrap();
    config.add_gid_mappings(&[one]).unwrap();
    config.add_uid_mappings(&[two]).unwrap();
    assert_eq!(
        refusal(config.add_uid_mappings(&[one, one])),
        "user id map: the ranges from container ids 0 and 0 overlap"
    );
    assert!(refusal(config.add_gid_mappings(&[one, one])).starts_with("group id map: "));
    assert_eq!(
        (config.settings.uid_mappings.as_slice(), config.settings.gid_mappings.as_slice()),
        (&[two][..], &[one][..])
    );
    config.add_uid_mappings(&[]).unwrap();
    assert!(config.settings.uid_mappings.is_empty());
}

#[test]
fn namespaces_are_created_without_a_path_and_joined_with_one() {
    let mut config = config();
    config.set_ns_flags(libc::CLONE_NEWNS | libc::CLONE_NEWUSER).unwrap();
    assert_eq!(config.settings.create, [NamespaceKind::User, NamespaceKind::Mount]);
    let list = namespaces(&[("mount", ""), ("pid", "/proc/1/ns/pid"), ("ipc", ""), ("mount", "")]);
    config.set_ns_flags_from_spec(&list).unwrap();
    assert_eq!(config.settings.create, [NamespaceKind::Ipc, NamespaceKind::Mount]);
    config.set_ns_path("network", "/net").unwrap();
    config.set_ns_path_from_spec(&list).unwrap();
    config.set_ns_path("network", "/n").unwrap();
    let joined = [(NamespaceKind::Pid, "/proc/1/ns/pid".to_owned()), (NamespaceKind::Network, "/n".to_owned())];
    assert_eq!(config.settings.join, joined.into());
    config.set_ns_flags(0).unwrap();
    assert!(config.settings.create.is_empty());
}

#[test]
fn wrong_namespaces_change_nothing() {
    let mut config = config();
    let unknown = "namespace \"net\" is unknown";
    assert_eq!(refusal(config.set_ns_flags_from_spec(&namespaces(&[("pid", ""), ("net", "/x")]))), unknown);
    assert_eq!(refusal(config.set_ns_path_from_spec(&namespaces(&[("pid", "/p"), ("net", "")]))), unknown);
    assert!(config.set_ns_path_from_spec(&namespaces(&[("pid", "/p"), ("ipc", "/\0")])).is_err());
    assert!(config.set_ns_flags(1).is_err());
    assert_eq!(refusal(config.set_ns_path("pid", "")), "join pid namespace: the path is empty");
    assert_eq!(refusal(config.set_ns_path("pid", "/\0")), "join pid namespace: the path has a NUL");
    assert_eq!(refusal(config.set_ns_path("time", "/t")), "join time namespace: namespace \"time\" is not supported");
    assert_eq!(config.settings, Settings::default());
    config.set_ns_path("pid", &"p".repeat(4095)).unwrap();
    let error = "join pid namespace: the path has 4096 bytes, at most 4095 are possible";
    assert_eq!(refusal(config.set_ns_path("pid", &"p".repeat(4096))), error);
}

#[test]
fn capability_sets_are_told_apart() {
    let mut config = config();
    for (number, set) in ["permitted", "effective", "inheritable", "bounding", "ambient"].iter().enumerate() {
        config.set_capabilities(set, &["CAP_SYS_ADMIN"]).unwrap();
        config.set_capabilities(set, &names::capability_names(1 << number | 1 << 40)).unwrap();
    }
    assert_eq!(refusal(config.set_capabilities("all", &["CAP_CHOWN"])), "capability set \"all\" is unknown");
    let error = "effective capabilities: capability \"CAP_EVERYTHING\" is unknown";
    assert_eq!(refusal(config.set_capabilities("effective", &["CAP_CHOWN", "CAP_EVERYTHING"])), error);
    let sets = config.settings.capabilities;
    let bits = [sets.permitted, sets.effective, sets.inheritable, sets.bounding, sets.ambient];
    assert_eq!(bits, [1, 2, 4, 8, 16].map(|bit| bit | 1 << 40));
    config.set_capabilities::<&str>("ambient", &[]).unwrap();
    assert_eq!(config.settings.capabilities.ambient, 0);
}

#[test]
fn target_ids_have_limits() {
    let mut config = config();
    config.set_target_uid(0).unwrap();
    config.set_target_uid(4_294_967_294).unwrap();
    assert_eq!(config.settings.target_uid, Some(u32::MAX - 1));
    assert_eq!(refusal(config.set_target_uid(-1)), "target user id -1: 0 to 4294967294 are possible");
    for uid in [4_294_967_295, 4_294_967_296, i64::MIN, i64::MAX] {
        assert!(config.set_target_uid(uid).is_err());
    }
    let groups: Vec<i64> = (0..33).collect();
    config.set_target_gid(&groups[..32]).unwrap();
    assert!(config.warnings().is_empty());
    config.set_target_gid(&groups).unwrap();
    assert_eq!(config.settings.target_gids, (0..32).collect::<Vec<u32>>());
    assert_eq!(config.warnings(), ["33 groups for the container process, only the first 32 count"]);
    assert_eq!(refusal(config.set_target_gid(&[5, -7])), "target group id -7: 0 to 4294967294 are possible");
    config.set_target_gid(&[5]).unwrap();
    assert_eq!(config.settings.target_gids, [5]);
}

#[test]
fn time_limits_have_limits() {
    let mut config = config();
    for (handshake_ms, legal) in [(0, false), (1, true), (3_600_000, true), (3_600_001, false)] {
        let timeouts = Timeouts { handshake_ms, container_ms: u32::MAX, stop_ms: u32::MAX };
        assert_eq!(config.set_timeouts(timeouts).is_ok(), legal);
    }
    assert_eq!(config.settings.timeouts.handshake_ms, 3_600_000);
}

#[test]
fn after_the_release_nothing_can_be_set() {
    let mut config = config();
    config.set_image_fd(7).unwrap();
    config.release().unwrap();
    let released = "starter configuration: used after its release";
    let calls: [fn(&mut StarterConfig) -> Result<()>; 24] = [
        StarterConfig::release,
        |config| config.set_instance(true),
        |config| config.set_no_new_privs(true),
        |config| config.set_master_propagate_mount(true),
        |config| config.set_namespace_join_only(true),
        |config| config.set_bring_loopback_interface(true),
        |config| config.set_mount_propagation("shared"),
        |config| config.set_working_directory_fd(1),
        |config| config.set_image_fd(1),
        |config| config.keep_file_descriptor(1),
        |config| config.set_nvccli_caps(true),
        |config| config.set_hybrid_workflow(true),
        |config| config.set_allow_setgroups(true),
        |config| config.set_no_setgroups(true),
        |config| config.write(&1),
        |config| config.write_json(b"1".to_vec()),
        |config| config.add_uid_mappings(&[]).and(config.add_gid_mappings(&[])),
        |config| config.set_newuidmap_path().and(config.set_newgidmap_path()),
        |config| config.set_ns_flags(0).and(config.set_ns_flags_from_spec(&[])),
        |config| config.set_ns_path("pid", "/p").and(config.set_ns_path_from_spec(&[])),
        |config| config.set_capabilities::<&str>("ambient", &[]),
        |config| config.set_target_uid(1).and(config.set_target_gid(&[1])),
        |config| config.set_native_rpc(true),
        |config| config.set_timeouts(Timeouts::default()),
    ];
    for call in calls {
        assert_eq!(refusal(call(&mut config)), released);
    }
    assert_eq!((config.image_fd(), config.json_config()), (None, Vec::new()));
    let (settings, json, _) = config.into_parts();
    assert_eq!((settings.image_fd, json), (Some(7), b"{}".to_vec()));
}
