// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles about the root and what is mounted in it.

use serde_json::{Value, json};

use super::{BOTH, Case, End, ROOT, USER, case, ending, shared};
use crate::bundle::{lean, mount};

const VOLUME: &str = "$BUNDLE/volume";

fn look_at(document: &mut Value, paths: &[&str]) {
    let args = ["/bin/sh", "/probe"].iter().chain(paths);
    document["process"]["args"] = args.map(|word| json!(word)).collect();
}

fn bind(document: &mut Value, source: &str, options: &[&str]) {
    lean(document);
    mount(document, "/v", "bind", source, options);
    look_at(document, &["/v", "/v/sub"]);
}

fn propagation(document: &mut Value, word: &str) {
    lean(document);
    document["linux"]["rootfsPropagation"] = json!(word);
    mount(document, "/v", "bind", VOLUME, &["rbind"]);
}

/// All of them.
pub const TABLE: &[Case] = &[
    case("writable root", BOTH, |document, _| document["root"]["readonly"] = json!(false)),
    case("root outside the bundle's directory by an absolute path", BOTH, |document, _| {
        lean(document);
        document["root"]["path"] = json!("$BUNDLE/rootfs");
    }),
    case("no mounts on /dev", BOTH, |document, _| {
        lean(document);
        document["mounts"].as_array_mut().expect("mounts").truncate(1);
    }),
    case("bind", BOTH, |document, _| bind(document, "$BUNDLE/volume/other", &["bind"])),
    case("bind, read-only", BOTH, |document, _| bind(document, "$BUNDLE/volume/other", &["bind", "ro"])),
    case("bind without what is beneath", ROOT, |document, _| bind(document, VOLUME, &["bind"])),
    // An ordinary user may not look beneath the mounts of others.
    ending(End::Refused, case("bind without what is beneath", USER, |document, _| bind(document, VOLUME, &["bind"]))),
    case("bind with what is beneath", BOTH, |document, _| bind(document, VOLUME, &["rbind", "rw"])),
    case("bind with what is beneath, read-only", BOTH, |document, _| bind(document, VOLUME, &["rbind", "ro"])),
    case("bind with what is beneath, all of it read-only", BOTH, |document, _| {
        bind(document, VOLUME, &["rbind", "rro"])
    }),
    case("bind with attributes", BOTH, |document, _| bind(document, VOLUME, &["rbind", "nosuid", "nodev", "noexec"])),
    case("bind with access times of its own", ROOT, |document, _| {
        bind(document, VOLUME, &["rbind", "noatime", "nodiratime"]);
    }),
    ending(
        End::RefusedByPinionAlone("the kernel locks them for an ordinary user; crun drops all attributes, silently"),
        case("bind with access times of its own", USER, |document, _| {
            bind(document, VOLUME, &["rbind", "noatime", "nodiratime"]);
        }),
    ),
    case("bind with attributes for all that is beneath", BOTH, |document, _| {
        bind(document, VOLUME, &["rbind", "rnosuid", "rnodev", "rnoexec"]);
    }),
    case("bind of a file on a file that is made", BOTH, |document, _| {
        lean(document);
        mount(document, "/new/file", "bind", "$BUNDLE/volume/file", &["bind", "ro"]);
        look_at(document, &["/new/file"]);
    }),
    case("bind on a link", BOTH, |document, _| {
        lean(document);
        mount(document, "/there/link", "bind", "$BUNDLE/volume/file", &["bind"]);
        look_at(document, &["/there/link", "/there/file"]);
    }),
    case("bind of a relative source", BOTH, |document, _| {
        lean(document);
        mount(document, "/v", "bind", "volume/other", &["bind"]);
        look_at(document, &["/v"]);
    }),
    case("tmpfs with size and mode", BOTH, |document, _| {
        lean(document);
        mount(
            document,
            "/t",
            "tmpfs",
            "a-name",
            &["size=1m", "mode=1750", "nr_inodes=100", "nosuid", "noexec", "nodev"],
        );
        look_at(document, &["/t"]);
    }),
    case("tmpfs without options", BOTH, |document, _| {
        lean(document);
        mount(document, "/etc", "tmpfs", "tmpfs", &[]);
        look_at(document, &["/etc"]);
    }),
    case("tmpfs, read-only and with access times", BOTH, |document, _| {
        lean(document);
        mount(document, "/a", "tmpfs", "tmpfs", &["ro"]);
        mount(document, "/b", "tmpfs", "tmpfs", &["noatime"]);
        mount(document, "/c", "tmpfs", "tmpfs", &["strictatime", "nodiratime"]);
        mount(document, "/d", "tmpfs", "tmpfs", &["relatime", "sync", "dirsync"]);
        look_at(document, &["/a", "/b", "/c", "/d"]);
    }),
    case("tmpfs with a copy of what was there", BOTH, |document, _| {
        lean(document);
        mount(document, "/there", "tmpfs", "tmpfs", &["tmpcopyup", "size=1m"]);
        look_at(document, &["/there", "/there/file", "/there/link"]);
    }),
    case("a mount over a mount and within it", BOTH, |document, _| {
        lean(document);
        mount(document, "/t", "tmpfs", "one", &["size=1m"]);
        mount(document, "/t", "tmpfs", "two", &["size=2m"]);
        mount(document, "/t/deep/er", "tmpfs", "three", &["size=3m"]);
        look_at(document, &["/t", "/t/deep/er"]);
    }),
    case("kernel file systems with options", BOTH, |document, _| {
        lean(document);
        document["mounts"][0]["options"] = json!(["nosuid", "noexec", "nodev"]);
        mount(document, "/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0600", "mode=0600"]);
        mount(document, "/dev/mqueue", "mqueue", "mqueue", &["nosuid", "ro"]);
    }),
    case("mounts that travel, each in its way", BOTH, |document, _| {
        lean(document);
        for word in ["private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave", "runbindable"] {
            mount(document, &format!("/{word}"), "bind", VOLUME, &["rbind", word]);
        }
        mount(document, "/tmpfs", "tmpfs", "tmpfs", &["shared"]);
    }),
    shared(case("mounts that travel, shared ones outside", BOTH, |document, _| {
        lean(document);
        for word in ["private", "shared", "slave", "rprivate", "rshared", "rslave"] {
            mount(document, &format!("/{word}"), "bind", VOLUME, &["rbind", word]);
        }
    })),
    case("root private", BOTH, |document, _| propagation(document, "private")),
    case("root slave", BOTH, |document, _| propagation(document, "slave")),
    case("root shared", BOTH, |document, _| propagation(document, "shared")),
    shared(case("root rprivate, shared mounts outside", BOTH, |document, _| propagation(document, "rprivate"))),
    shared(case("root rslave, shared mounts outside", BOTH, |document, _| propagation(document, "rslave"))),
    shared(case("root slave, shared mounts outside", BOTH, |document, _| propagation(document, "slave"))),
    shared(case("root rshared, shared mounts outside", BOTH, |document, _| propagation(document, "rshared"))),
    case("root unbindable", BOTH, |document, _| propagation(document, "unbindable")),
    case("masked and read-only paths of its own", BOTH, |document, _| {
        lean(document);
        document["linux"]["maskedPaths"] = json!(["/there/file", "/etc", "/proc/uptime", "/nowhere"]);
        document["linux"]["readonlyPaths"] = json!(["/v", "/bin/busybox", "/nowhere/else", "/proc/self/../sys"]);
        mount(document, "/v", "bind", VOLUME, &["rbind"]);
        look_at(document, &["/there", "/there/file", "/etc", "/etc/file", "/v", "/v/sub", "/bin/busybox"]);
    }),
    ending(
        End::Refused,
        case("unknown file system", BOTH, |document, _| {
            mount(document, "/x", "no-such", "none", &[]);
        }),
    ),
    ending(
        End::Refused,
        case("tmpfs with an option that it does not have", BOTH, |document, _| {
            mount(document, "/x", "tmpfs", "tmpfs", &["no-such=1"]);
        }),
    ),
    ending(
        End::RefusedByPinionAlone("what is written to /proc later must not end somewhere else (CVE-2019-16884)"),
        case("mount on the own proc", BOTH, |document, _| {
            mount(document, "/proc/self/attr", "tmpfs", "tmpfs", &[]);
        }),
    ),
];
