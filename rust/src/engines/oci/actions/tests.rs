// SPDX-License-Identifier: Apache-2.0 OR MIT
use serde_json::{Value, json};

use super::*;
use crate::engines::oci::spec;

fn document(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = json!({
        "ociVersion": "1.2.0",
        "process": {"args": ["sh"], "cwd": "/"},
        "root": {"path": "rootfs"},
    });
    change(&mut document);
    document
}

fn root() -> RootDirectory {
    RootDirectory { path: "/b/rootfs".into(), bundle: "/b".into(), ..Default::default() }
}

fn actions(change: impl FnOnce(&mut Value)) -> Result<Vec<Action>> {
    plan(&spec::parse(&document(change)).expect("document"), root())
}

fn one_mount(mount: Value) -> Result<Mount> {
    let actions = actions(|document| document["mounts"] = json!([mount]))?;
    match &actions[1] {
        Action::Mount(mounts) => Ok(mounts.mounts[0].clone()),
        other => panic!("{other:?}"),
    }
}

fn devices() -> Vec<Item> {
    let nodes = DEVICES.iter().map(|(path, major, minor)| Item::Device((*path).into(), *major, *minor));
    nodes.chain(DEVICE_LINKS.iter().map(|(path, target)| Item::Link((*path).into(), (*target).into()))).collect()
}

#[test]
fn the_least_that_is_done() {
    assert_eq!(
        actions(|_| {}).expect("actions"),
        [
            Action::OpenRoot(OpenRoot { path: "/b/rootfs".into(), fresh: false }),
            Action::Furnish(Furnish { items: devices() }),
            Action::Enter(Enter { read_only: false }),
            Action::Pivot,
            Action::Chdir("/".into()),
        ]
    );
}

#[test]
fn all_that_is_done_in_its_order() {
    let actions = actions(|document| {
        document["root"]["readonly"] = json!(true);
        document["process"]["cwd"] = json!("/work/../home//x/.");
        document["hostname"] = json!("h");
        document["domainname"] = json!("d");
        document["mounts"] = json!([{"destination": "proc", "type": "proc", "source": "proc"}]);
        document["linux"] = json!({
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
            "rootfsPropagation": "rshared",
        });
    });
    let mut items = devices();
    items.push(Item::Directory("/home/x".into()));
    let mounts =
        vec![Mount { target: "/proc".into(), filesystem: "proc".into(), source: "proc".into(), ..Default::default() }];
    assert_eq!(
        actions.expect("actions"),
        [
            Action::OpenRoot(OpenRoot { path: "/b/rootfs".into(), fresh: false }),
            Action::Mount(Mounts { mounts }),
            Action::Furnish(Furnish { items }),
            Action::Cover(Cover { read_only: vec!["/proc/sys".into()], masked: vec!["/proc/kcore".into()] }),
            Action::Enter(Enter { read_only: true }),
            Action::Pivot,
            Action::Propagate(libc::MS_SHARED | libc::MS_REC),
            Action::SetHostname("h".into()),
            Action::SetDomainname(SetDomainname { name: "d".into() }),
            Action::Chdir("/home/x".into()),
        ]
    );
}

#[test]
fn a_bind_mount_of_dev_keeps_its_devices() {
    let mount = json!({"destination": "/dev", "source": "/dev", "options": ["rbind"]});
    let actions = actions(|document| document["mounts"] = json!([mount])).expect("actions");
    assert!(!actions.iter().any(|action| matches!(action, Action::Furnish(_))), "{actions:?}");
}

#[test]
fn bind_mounts() {
    let mount = |mount| one_mount(mount).expect("mount");
    let bind = mount(json!({"destination": "/x", "type": "none", "source": "data", "options": ["rbind", "ro"]}));
    assert_eq!((bind.filesystem.as_str(), bind.source.as_str()), ("", "/b/data"));
    let bind = mount(json!({"destination": "/x", "type": "bind", "source": "/data"}));
    assert_eq!((bind.filesystem.as_str(), bind.source.as_str()), ("", "/data"));
    assert_eq!(bind.options, ["bind"]);
    let maps = json!([{"containerID": 0, "hostID": 5, "size": 1}]);
    let mapped = mount(json!({
        "destination": "/x", "source": "/data", "options": ["bind"], "uidMappings": maps, "gidMappings": maps,
    }));
    assert_eq!(mapped.options, ["bind", "idmap"]);
    assert_eq!(mapped.to_string(), "mount \"/data\" on \"/x\" (bind,idmap)");
}

#[test]
fn the_hosts_cgroups_are_read_only() {
    let mount = |namespaces: Value| {
        let actions = actions(|document| {
            document["mounts"] = json!([{"destination": "/c", "type": "cgroup", "options": ["rw"]}]);
            document["linux"] = json!({"namespaces": namespaces});
        });
        match &actions.expect("actions")[1] {
            Action::Mount(mounts) => mounts.mounts[0].options.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(mount(json!([{"type": "mount"}])), ["rw", "ro"]);
    assert_eq!(mount(json!([{"type": "cgroup"}])), ["rw"]);
}

#[test]
fn what_cannot_be_mounted_is_refused_by_name() {
    let maps = json!([{"containerID": 0, "hostID": 5, "size": 1}]);
    for (mount, error) in [
        (json!({"destination": "/", "type": "tmpfs"}), "mounts[0].destination: the root itself cannot be mounted on"),
        (
            json!({"destination": "/a/..", "type": "tmpfs"}),
            "mounts[0].destination: the root itself cannot be mounted on",
        ),
        (json!({"destination": "/a\0", "type": "tmpfs"}), "mounts[0].destination: has a NUL byte"),
        (json!({"destination": "/a"}), "mounts[0].type: is missing"),
        (json!({"destination": "/a", "type": "none"}), "mounts[0].type: is missing"),
        (json!({"destination": "/a", "type": "bind"}), "mounts[0].source: a bind mount needs one"),
        (
            json!({"destination": "/a", "type": "tmpfs", "options": ["a,b"]}),
            "mounts[0].options: \"a,b\" is not one mount option",
        ),
        (
            json!({"destination": "/a", "type": "proc", "options": ["tmpcopyup"]}),
            "mounts[0].options: tmpcopyup is for a tmpfs",
        ),
        (
            json!({"destination": "/a", "type": "bind", "source": "/x", "uidMappings": maps}),
            "mounts[0]: uidMappings and gidMappings need each other",
        ),
        (
            json!({"destination": "/proc/../proc", "type": "tmpfs"}),
            "mounts[0].destination: \"/proc\" can only be a proc file system",
        ),
        (
            json!({"destination": "/proc", "type": "bind", "source": "/fake"}),
            "mounts[0].destination: \"/proc\" can only be a proc file system",
        ),
        (
            json!({"destination": "/proc/sys", "type": "tmpfs"}),
            "mounts[0].destination: \"/proc/sys\" cannot be covered",
        ),
        (
            json!({"destination": "/proc/self/attr", "type": "bind", "source": "/x"}),
            "mounts[0].destination: \"/proc/self/attr\" cannot be covered",
        ),
    ] {
        assert_eq!(one_mount(mount).expect_err(error).to_string(), error);
    }
    assert!(one_mount(json!({"destination": "/proc/uptime", "type": "bind", "source": "/x"})).is_ok());
}

#[test]
fn paths_must_be_absolute() {
    let error = |change: fn(&mut Value)| actions(change).expect_err("refused").to_string();
    assert_eq!(error(|d| d["process"]["cwd"] = json!("x")), "process.cwd: \"x\" is not an absolute path");
    assert_eq!(
        error(|d| d["linux"] = json!({"maskedPaths": ["/a", "b"]})),
        "linux.maskedPaths[1]: \"b\" is not an absolute path"
    );
    assert_eq!(
        error(|d| d["linux"] = json!({"rootfsPropagation": "x"})),
        "linux.rootfsPropagation: \"x\" is no propagation"
    );
}

#[test]
fn actions_survive_the_hand_over() {
    let before = actions(|document| {
        document["mounts"] = json!([{"destination": "/t", "type": "tmpfs", "options": ["ro"]}]);
        document["hostname"] = json!("h");
    });
    let before = before.expect("actions");
    let text = serde_json::to_string(&before).expect("text");
    assert_eq!(serde_json::from_str::<Vec<Action>>(&text).expect("actions"), before);
}
