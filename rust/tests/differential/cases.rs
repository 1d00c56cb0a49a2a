// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bundles: what each changes in the document of `runc spec`, and how it is to end.

use serde_json::{Value, json};

use crate::bundle::{Who, kinds, lean, mount};
use crate::run::Options;

#[path = "mounts.rs"]
mod mounts;
#[path = "process.rs"]
mod process;

/// How a container is to end under both runtimes.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// The probe runs to its end.
    Probe,
    /// The program prints the same and ends with this, as a shell says it.
    Code(i32),
    /// The runtime fails and says so; the program prints nothing.
    Refused,
    /// crun fails for the reason given; pinion need not.
    RefusedByCrunAlone(&'static str),
    /// pinion refuses for the reason given.
    RefusedByPinionAlone(&'static str),
}

/// One bundle.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Who starts it.
    pub who: &'static [Who],
    /// How it is started.
    pub options: Options,
    /// How it ends.
    pub end: End,
    /// What it asks for.
    pub change: fn(&mut Value, Who),
}

const BOTH: &[Who] = &[Who::Root, Who::User];
const ROOT: &[Who] = &[Who::Root];
const USER: &[Who] = &[Who::User];

const fn case(name: &'static str, who: &'static [Who], change: fn(&mut Value, Who)) -> Case {
    Case { name, who, options: Options { preserve: 0, shared: false }, end: End::Probe, change }
}

const fn ending(end: End, case: Case) -> Case {
    Case { end, ..case }
}

const fn shared(case: Case) -> Case {
    Case { options: Options { shared: true, preserve: 0 }, ..case }
}

impl Case {
    /// Why it cannot be compared here.
    pub fn left_out(&self, who: Who) -> Option<String> {
        if self.name.contains("by helpers") && !has_ranges(who) {
            return Some(format!("/etc/subuid has no range for user {}", who.uid()));
        }
        None
    }
}

fn has_ranges(who: Who) -> bool {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = who.uid().to_string();
    let name =
        passwd.lines().find(|line| line.split(':').nth(2) == Some(&number)).and_then(|line| line.split(':').next());
    let ranges = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    ranges.lines().filter_map(|line| line.split(':').next()).any(|owner| owner == number || Some(owner) == name)
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Case> {
    TABLE.iter().chain(process::all()).chain(mounts::TABLE)
}

const RANGE: u32 = 65536;

fn ranges(document: &mut Value, first: u32) {
    lean(document);
    let map = json!([{"containerID": 0, "hostID": first, "size": RANGE}]);
    document["linux"]["namespaces"] = kinds(&["pid", "ipc", "uts", "mount", "network", "user"]);
    document["linux"]["uidMappings"] = map.clone();
    document["linux"]["gidMappings"] = map;
    let devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    mount(document, "/dev/pts", "devpts", "devpts", &devpts);
    mount(document, "/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]);
}

/// Namespaces, names and id maps; the rest has files of its own.
const TABLE: &[Case] = &[
    case("as runc spec writes it", BOTH, |_, _| {}),
    case("lean", BOTH, |document, _| lean(document)),
    case("host name and domain name", BOTH, |document, _| {
        lean(document);
        document["hostname"] = json!("a-name");
        document["domainname"] = json!("a.domain");
    }),
    case("no host name", BOTH, |document, _| {
        lean(document);
        document.as_object_mut().expect("object").remove("hostname");
    }),
    case("mount namespace alone", ROOT, |document, _| {
        lean(document);
        document["linux"]["namespaces"] = kinds(&["mount"]);
        document.as_object_mut().expect("object").remove("hostname");
        mount(document, "/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]);
        mount(document, "/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]);
    }),
    case("user and mount namespace alone", USER, |document, _| {
        lean(document);
        document["linux"]["namespaces"] = kinds(&["mount", "user"]);
        document.as_object_mut().expect("object").remove("hostname");
        document["mounts"][0] =
            json!({"destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"]});
    }),
    case("every namespace", BOTH, |document, who| {
        lean(document);
        let user = if who == Who::User { "user" } else { "mount" };
        let mut all = kinds(&["pid", "ipc", "uts", "mount", "network", "cgroup"]);
        if user == "user" {
            all.as_array_mut().expect("kinds").push(json!({"type": user}));
        }
        document["linux"]["namespaces"] = all;
        mount(document, "/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]);
    }),
    case("user namespace with a range", ROOT, |document, _| ranges(document, 100_000)),
    case("user namespace with a range, ordinary user inside", ROOT, |document, _| {
        ranges(document, 100_000);
        document["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9, 10]});
    }),
    case("user namespace that has root's own ids", ROOT, |document, _| ranges(document, 0)),
    case("user namespace without a root", ROOT, |document, _| {
        ranges(document, 100_000);
        for map in ["uidMappings", "gidMappings"] {
            document["linux"][map] = json!([{"containerID": 0, "hostID": 100_000, "size": 1},
                                            {"containerID": 5, "hostID": 200_000, "size": 10}]);
        }
        document["process"]["user"] = json!({"uid": 5, "gid": 6});
    }),
    case("one id that is not root's", USER, |document, who| {
        lean(document);
        document["linux"]["uidMappings"] = json!([{"containerID": 70, "hostID": who.uid(), "size": 1}]);
        document["linux"]["gidMappings"] = json!([{"containerID": 80, "hostID": who.gid(), "size": 1}]);
        document["process"]["user"] = json!({"uid": 70, "gid": 80});
    }),
    case("ranges by helpers", USER, |document, who| {
        lean(document);
        for (map, own) in [("uidMappings", who.uid()), ("gidMappings", who.gid())] {
            document["linux"][map] = json!([{"containerID": 0, "hostID": own, "size": 1},
                                            {"containerID": 1, "hostID": 100_000, "size": 1000}]);
        }
    }),
    case("ranges by helpers, ordinary user inside", USER, |document, who| {
        lean(document);
        for (map, own) in [("uidMappings", who.uid()), ("gidMappings", who.gid())] {
            document["linux"][map] = json!([{"containerID": 0, "hostID": own, "size": 1},
                                            {"containerID": 1, "hostID": 100_000, "size": 1000}]);
        }
        document["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9, 10]});
    }),
];
