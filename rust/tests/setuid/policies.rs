// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each key of the policy, allowed and refused; and policies that are odd.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use serde_json::json;

use crate::common;
use crate::host::{Host, mode};

/// The container's process, as the kernel sees it.
const POSTURE: &str = "id -u; id -G; grep -E '^(Cap...|NoNewPrivs):' /proc/self/status | tr -d '\\t\\n'";
/// Of the user 1000.
const OF_USER: &str = "1000\n1000\nCapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000\
                       CapBnd:0000000000000000CapAmb:0000000000000000NoNewPrivs:1";

#[test]
fn without_a_policy_a_container_is_its_user() {
    let Some(host) = Host::new() else { return };
    host.script(POSTURE).says(OF_USER);
    fs::remove_dir(host.path("etc/pinion")).expect("directory");
    host.script(POSTURE).says(OF_USER);
}

#[test]
fn the_devices_of_a_container_can_be_used() {
    let Some(host) = Host::new() else { return };
    let script = "for name in null zero full random urandom tty; do test -c /dev/$name || exit 1; done
        echo x >/dev/null && head -c 2 /dev/zero | wc -c; cat /dev/full | head -c 1 | wc -c; 
        test -c /dev/ptmx && echo pts";
    host.script(script).says("2\n1\npts");
    let Some(bundle) = host.bundle("bundle") else { return };
    host.run_bundle(&bundle, "echo x >/dev/null && head -c 2 /dev/zero | cat >/dev/null && echo used").says("used");
    // Nodes that the root has already are of no use where everything is nodev.
    let dev = host.directory("bundle/rootfs/dev");
    fs::remove_file(dev.join("null")).expect("file");
    let (kind, bits) = (nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::from_bits_truncate(0o666));
    nix::sys::stat::mknod(&dev.join("null"), kind, bits, nix::sys::stat::makedev(1, 3)).expect("node");
    host.run_bundle(&bundle, "echo x >/dev/null && grep -c ' /dev/null rw,nosuid' /proc/self/mountinfo").says("1");
    let root = bundle.root("").to_str().expect("UTF-8").to_owned();
    host.pinion(&["run", "--setuid", "--root", &root, "--", "sh", "-c", "echo x >/dev/null && echo used"]).says("used");
}

#[test]
fn users() {
    let Some(host) = Host::new() else { return };
    host.allow(json!({ "users": ["ben", "root"] }));
    host.script("echo started").refused(&["the policy forbids: user 1000 starts a container", "\"users\""]);
    host.allow(json!({ "users": ["ann"] }));
    host.script("echo started").says("started");
    host.allow(json!({ "users": [1000] }));
    host.script("echo started").says("started");
}

#[test]
fn groups() {
    let Some(host) = Host::new() else { return };
    host.allow(json!({ "groups": ["containers"] }));
    let pinion = host.text("pinion");
    let command = [pinion.as_str(), "run", "--setuid", "--", "echo", "started"];
    host.run_as("1000", &["--groups=1000,5001"], &command).refused(&["user 1000 starts a container", "\"groups\""]);
    host.run_as("1000", &["--groups=1000,5000"], &command).says("started");
    host.allow(json!({ "groups": ["ann"] }));
    host.run_as("1000", &[], &command).says("started");
}

#[test]
fn ids_that_belong_to_nobody() {
    let Some(host) = Host::new() else { return };
    let pinion = host.text("pinion");
    let command = [pinion.as_str(), "run", "--setuid", "--", "echo", "started"];
    host.run_as("65534", &[], &command).refused(&["this id belongs to no account", "\"users\""]);
    host.allow(json!({ "users": [65534] }));
    host.run_as("65534", &[], &command).says("started");
}

#[test]
fn engines() {
    let Some(host) = Host::new() else { return };
    host.allow(json!({ "engines": ["OCI", "lab"] }));
    host.script("echo started").refused(&["the policy forbids: the engine \"oci\"", "\"engines\""]);
    host.allow(json!({ "engines": ["lab", "oci"] }));
    host.script("echo started").says("started");
}

#[test]
fn mounts() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("bundle") else { return };
    let kinds = [
        ("tmpfs", "tmpfs", &["size=1m"][..]),
        ("sysfs", "sysfs", &["ro"]),
        ("devpts", "devpts", &["newinstance"]),
        ("mqueue", "mqueue", &[]),
    ];
    let namespaces = bundle.document["linux"]["namespaces"].as_array_mut().expect("namespaces");
    namespaces.push(json!({ "type": "cgroup" }));
    let whole = bundle.document.clone();
    for (kind, filesystem, options) in kinds {
        bundle.document = whole.clone();
        bundle.mount("/place", filesystem, filesystem, options);
        host.allow(json!({ "mounts": ["bind", "proc", kind] }));
        let seen = host.run_bundle(&bundle, "grep ' /place ' /proc/self/mountinfo");
        assert!(seen.stdout.contains(&format!("- {filesystem} ")) && seen.stdout.contains("nosuid"), "{seen:?}");
        host.allow(json!({ "mounts": ["bind", "proc"] }));
        let what = format!("the policy forbids: {kind} mounts");
        host.run_bundle(&bundle, "echo started").refused(&[&what, "root can allow it with \"mounts\""]);
    }
    bundle.document = whole.clone();
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro"]);
    host.allow(json!({ "mounts": ["bind", "proc", "cgroup"] }));
    let seen = host.run_bundle_with_cgroups(&bundle, "grep ' /sys/fs/cgroup ' /proc/self/mountinfo");
    assert!(
        seen.stdout.contains(" /sys/fs/cgroup ro,nosuid,nodev,noexec,") && seen.stdout.contains("- cgroup2 "),
        "{seen:?}"
    );
    host.allow(json!({ "mounts": ["bind", "proc"] }));
    host.run_bundle_with_cgroups(&bundle, "echo started").refused(&["the policy forbids: cgroup mounts", "\"mounts\""]);
    bundle.document = whole;
    host.allow(json!({ "mounts": ["bind"] }));
    host.run_bundle(&bundle, "echo started").refused(&["the policy forbids: proc mounts"]);
    host.allow(json!({ "mounts": ["proc", "tmpfs"] }));
    host.run_bundle(&bundle, "echo started").refused(&["the policy forbids: bind mounts"]);
}

#[test]
fn overlays() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("bundle") else { return };
    let directory = |name: &str| host.directory(name).to_str().expect("UTF-8").to_owned();
    fs::write(host.directory("lower").join("file"), "x").expect("file");
    let layers = format!("lowerdir={}:{}", directory("lower"), directory("other"));
    bundle.mount("/place", "overlay", "overlay", &[&layers]);
    host.run_bundle(&bundle, "echo started").refused(&["the policy forbids: overlay mounts", "\"mounts\""]);
    host.allow(json!({ "mounts": ["bind", "proc", "overlay"] }));
    host.run_bundle(&bundle, "cat /place/file").says("x");
    let seen = host.run_bundle(&bundle, "grep ' /place ' /proc/self/mountinfo");
    assert!(seen.stdout.contains("nosuid,nodev"), "{seen:?}");
    // Its layers are looked up as the user.
    fs::create_dir_all(host.path("closed/inner")).expect("directory");
    mode(&host.path("closed"), 0o700);
    bundle.document["mounts"].as_array_mut().expect("mounts").pop();
    bundle.mount("/place", "overlay", "overlay", &[&format!("lowerdir={}:/", host.text("closed/inner"))]);
    host.run_bundle(&bundle, "echo started").refused(&["ermission denied"]);
}

#[test]
fn capabilities() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("bundle") else { return };
    let wanted = json!(["CAP_NET_BIND_SERVICE"]);
    for set in ["bounding", "permitted", "effective"] {
        bundle.document["process"]["capabilities"][set] = wanted.clone();
    }
    host.run_bundle(&bundle, "echo started")
        .refused(&["the policy forbids: the capabilities CAP_NET_BIND_SERVICE", "\"capabilities\""]);
    host.allow(json!({ "capabilities": wanted }));
    host.run_bundle(&bundle, "grep CapBnd /proc/self/status").says("CapBnd:\t0000000000000400");
}

#[test]
fn namespaces_of_the_host() {
    let Some(host) = Host::new() else { return };
    for (kind, without) in [("pid", "pid"), ("uts", "uts"), ("ipc", "ipc")] {
        let Some(mut bundle) = host.bundle(kind) else { return };
        let namespaces = bundle.document["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != without);
        bundle.document["mounts"] = json!([]);
        host.allow(json!({ "host_namespaces": ["network", "cgroup"] }));
        let what = format!("the policy forbids: the host's {kind} namespace");
        host.run_bundle(&bundle, "echo started").refused(&[&what, "root can allow it with \"host_namespaces\""]);
        host.allow(json!({ "host_namespaces": ["network", "cgroup", kind] }));
        host.run_bundle(&bundle, "echo started").says("started");
    }
    host.allow(json!({ "host_namespaces": ["cgroup"] }));
    host.script("echo started").refused(&["the host's network namespace"]);
    host.allow(json!({ "host_namespaces": ["network"] }));
    host.script("echo started").refused(&["the host's cgroup namespace"]);
}

#[test]
fn user_namespaces() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("bundle") else { return };
    let namespaces = bundle.document["linux"]["namespaces"].as_array_mut().expect("namespaces");
    namespaces.push(json!({ "type": "user" }));
    let map = |host_id: u32, size: u32| {
        let own = json!({ "containerID": 0, "hostID": 1000, "size": 1 });
        json!([own, { "containerID": 1, "hostID": host_id, "size": size }])
    };
    for kind in ["uidMappings", "gidMappings"] {
        bundle.document["linux"][kind] = map(700_000, 65_536);
    }
    bundle.document["process"]["user"] = json!({ "uid": 0, "gid": 0 });
    host.allow(json!({ "fakeroot": false }));
    host.run_bundle(&bundle, "echo started").refused(&["the policy forbids: a user namespace", "\"fakeroot\""]);
    // What is mounted in a user namespace is the kernel's to judge.
    host.allow(json!({ "mounts": [] }));
    bundle.mount("/place", "tmpfs", "tmpfs", &["suid"]);
    host.run_bundle(&bundle, "id -u; cat /proc/self/uid_map; grep -c ' /place rw,rel' /proc/self/mountinfo")
        .says("0\n         0       1000          1\n         1     700000      65536\n1");
    for (host_id, size) in [(0, 1), (1001, 1), (700_000, 65_537), (699_999, 2)] {
        bundle.document["linux"]["uidMappings"] = map(host_id, size);
        host.run_bundle(&bundle, "echo started").refused(&["/etc/subuid"]);
    }
}

#[test]
fn namespaces_by_path() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("bundle") else { return };
    let namespaces = bundle.document["linux"]["namespaces"].as_array().expect("namespaces").clone();
    for (kind, file) in [("network", "net"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("mount", "mnt")] {
        let mut joined: Vec<_> = namespaces.iter().filter(|namespace| namespace["type"] != kind).cloned().collect();
        joined.push(json!({ "type": kind, "path": format!("/proc/1/ns/{file}") }));
        bundle.document["linux"]["namespaces"] = json!(joined);
        let ended = host.run_bundle(&bundle, "echo started");
        ended.refused(&[]);
        let words = ["ermission denied", "the policy forbids", "a new mount namespace is needed"];
        assert!(words.iter().any(|word| ended.stderr.contains(word)), "{ended:?}");
    }
}

#[test]
fn a_network_namespace_that_root_has_prepared() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("bundle") else { return };
    let place = host.text("lab");
    fs::write(&place, "").expect("file");
    let namespaces = bundle.document["linux"]["namespaces"].as_array_mut().expect("namespaces");
    namespaces.push(json!({ "type": "network", "path": place }));
    // The user's command where root has bound a new network namespace to the file.
    let start = host.command(&bundle, "readlink /proc/self/ns/net").join(" ");
    let start = format!("unshare --net=$1 true && {start}");
    let script = format!("({start}); code=$?; umount $1; exit $code");
    let run = |host: &Host| host.run_by_root(&["sh", "-c", &script, "sh", &place]);
    run(&host).refused(&["the policy forbids: joining the network namespace", "\"join\""]);
    host.allow(json!({ "join": [place] }));
    let ended = run(&host);
    let own = fs::read_link("/proc/self/ns/net").expect("namespace");
    assert!(ended.code == 0 && ended.stdout.starts_with("net:["), "{ended:?}");
    assert_ne!(ended.stdout.trim_end(), own.to_str().expect("UTF-8"));
}

#[test]
fn an_odd_policy_starts_nothing() {
    let Some(host) = Host::new() else { return };
    for (text, words) in [
        ("", "it is not a JSON object"),
        ("{\"version\": 2}", "version: 2"),
        ("{}", "version"),
        ("{\"version\": 1, \"user\": [\"ann\"]}", "user"),
        ("{\"version\": 1, \"users\": [\"nobody-here\"]}", "nobody-here"),
        ("{\"version\": 1, \"users\": [\"1000\"]}", "1000"),
        ("{\"version\": 1, \"users\": null}", "null"),
        ("{\"version\": 1, \"users\": [], \"users\": [\"ann\"]}", "users"),
        ("{\"version\": 1} x", "trailing"),
        ("\u{feff}{\"version\": 1}", ""),
        ("{\"version\": 1, \"mounts\": [\"ext4\"]}", "ext4"),
    ] {
        host.policy(text);
        host.script("echo started").refused(&["/etc/pinion/policy.json", words]);
    }
    host.policy(&format!("{{\"version\": 1}}{}", " ".repeat(1 << 20)));
    host.script("echo started").refused(&["has more than 1048576 bytes"]);
}

#[test]
fn a_policy_that_others_could_have_changed() {
    let Some(host) = Host::new() else { return };
    let file = host.path("etc/pinion/policy.json");
    let whole = "{\"version\": 1}";
    host.policy(whole);
    host.script("echo started").says("started");
    for (path, odd, plain) in [("etc/pinion/policy.json", 0o664, 0o644), ("etc/pinion/policy.json", 0o646, 0o644)] {
        mode(&host.path(path), odd);
        host.script("echo started").refused(&["is writable by others than its owner", "chmod go-w"]);
        mode(&host.path(path), plain);
    }
    for directory in ["etc/pinion", "etc"] {
        for odd in [0o775, 0o757] {
            mode(&host.path(directory), odd);
            host.script("echo started").refused(&["is writable by others than its owner"]);
        }
        mode(&host.path(directory), 0o755);
        chown(host.path(directory), Some(1000), None).expect("owner");
        host.script("echo started").refused(&["is owned by user 1000, not by root"]);
        chown(host.path(directory), Some(0), None).expect("owner");
    }
    chown(&file, Some(1000), None).expect("owner");
    host.script("echo started").refused(&["is owned by user 1000, not by root"]);
    fs::rename(&file, host.path("etc/pinion/other")).expect("rename");
    chown(host.path("etc/pinion/other"), Some(0), None).expect("owner");
    symlink("other", &file).expect("link");
    host.script("echo started").refused(&["is a symbolic link"]);
    fs::remove_file(&file).expect("link");
    fs::create_dir(&file).expect("directory");
    host.script("echo started").refused(&["is no regular file"]);
    fs::remove_dir(&file).expect("directory");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o644)).expect("fifo");
    host.script("echo started").refused(&["is no regular file"]);
    fs::rename(host.path("etc/pinion"), host.path("etc/real")).expect("rename");
    symlink("real", host.path("etc/pinion")).expect("link");
    host.script("echo started").refused(&["is a symbolic link or no directory"]);
}

#[test]
fn nothing_of_the_users_chooses_another_policy() {
    let Some(host) = Host::new() else { return };
    host.allow(json!({ "users": ["ben"] }));
    let own = host.directory("own").join("policy.json");
    fs::write(&own, "{\"version\": 1}").expect("file");
    let variable = format!("PINION_POLICY={}", own.display());
    let pinion = host.text("pinion");
    host.run(&["env", &variable, &pinion, "run", "--setuid", "--", "echo", "started"]).refused(&["\"users\""]);
}

/// A product's starter in C, whose library was built so that the policy holds for it.
#[test]
fn it_holds_for_a_starter_in_c_that_is_built_so() {
    let Some(host) = Host::new() else { return };
    let starter = host.path("probe-suid");
    common::copy_program(&common::languages::c_probe_with_policy(), &starter);
    mode(&starter, 0o4755);
    let start = |propagation: &str| {
        let script = "test $(id -u) = 1000 && grep -q '^CapPrm:.0*$' /proc/self/status && echo started";
        let config = json!({ "create": ["pid", "mount"], "propagation": propagation, "no_new_privs": true, "exec": ["/bin/sh", "-c", script] });
        let document = json!({ "engineName": "probe", "containerID": "test", "engineConfig": config });
        let config = format!("ENGINE_CONFIG1={document}");
        host.run(&["env", "ENGINE_CONFIG_CHUNKS=1", &config, starter.to_str().expect("UTF-8")])
    };
    start("rprivate").refused(&["the policy forbids: the engine \"probe\"", "\"engines\""]);
    host.allow(json!({ "engines": ["probe"], "users": ["ben"] }));
    start("rprivate").refused(&["user 1000 starts a container", "\"users\""]);
    host.allow(json!({ "engines": ["probe"], "users": ["ann"] }));
    start("rprivate").says("started");
    start("rshared").refused(&["the policy forbids", "propagation"]);
}

#[test]
fn instances_of_ones_own() {
    let Some(host) = Host::new() else { return };
    let waiting = "trap 'exit 0' TERM; for second in $(seq 60); do sleep 1; done";
    let exec = |host: &Host, script: &str| host.pinion(&["exec", "own", "--", "sh", "-c", script]);
    let started = host.pinion(&["start", "--setuid", "own", "--", "sh", "-c", waiting]);
    assert_eq!(started.code, 0, "{started:?}");
    exec(&host, POSTURE).says(OF_USER);
    host.allow(json!({ "join": [] }));
    exec(&host, "echo joined").refused(&["the policy forbids: joining the", "\"join\""]);
    fs::remove_file(host.path("etc/pinion/policy.json")).expect("policy");
    let stopped = host.pinion(&["stop", "own"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
}
