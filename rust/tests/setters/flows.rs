// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The columns of the table: the flows, each attached and as an instance, and those that only join.

use serde_json::{Value, json};

use crate::common::USER;

/// A way to start a container.
pub struct Flow {
    /// By which the rows name it: an instance has the capital letter of the attached one.
    pub letter: char,
    pub name: &'static str,
    /// `root`, `user`, or `setuid`: that user, and the setuid-root file.
    pub caller: &'static str,
    base: fn() -> Value,
}

#[rustfmt::skip]
pub const FLOWS: &[Flow] = &[
    Flow { letter: 'r', name: "root", caller: "root", base: plain },
    Flow { letter: 'R', name: "root, instance", caller: "root", base: plain },
    Flow { letter: 'u', name: "new user namespace", caller: "user", base: new_user },
    Flow { letter: 'U', name: "new user namespace, instance", caller: "user", base: new_user },
    Flow { letter: 'f', name: "ranges by newuidmap", caller: "user", base: ranges_by_helpers },
    Flow { letter: 'F', name: "ranges by newuidmap, instance", caller: "user", base: ranges_by_helpers },
    Flow { letter: 'j', name: "joined user namespace", caller: "user", base: joined_user },
    Flow { letter: 'J', name: "joined user namespace, instance", caller: "user", base: joined_user },
    Flow { letter: 's', name: "setuid", caller: "setuid", base: plain },
    Flow { letter: 'S', name: "setuid, instance", caller: "setuid", base: plain },
    Flow { letter: 'h', name: "setuid, ranges", caller: "setuid", base: ranges },
    Flow { letter: 'H', name: "setuid, ranges, instance", caller: "setuid", base: ranges },
    Flow { letter: 'o', name: "root only joins", caller: "root", base: only_join },
    Flow { letter: 'p', name: "user only joins", caller: "user", base: only_join_user },
    Flow { letter: 'q', name: "setuid only joins", caller: "setuid", base: only_join },
];

fn plain() -> Value {
    json!({ "create": ["pid", "mount", "uts"] })
}

fn new_user() -> Value {
    let own = json!([[0, USER, 1]]);
    json!({ "create": ["user", "pid", "mount", "uts"], "uid_map": own, "gid_map": own })
}

fn ranges() -> Value {
    let map = json!([[0, USER, 1], [1, 100_000, 65_536]]);
    json!({ "create": ["user", "pid", "mount", "uts"], "uid_map": map, "gid_map": map, "hybrid": true })
}

fn ranges_by_helpers() -> Value {
    patched(&ranges(), r#"{"map_helpers": true}"#)
}

fn joined_user() -> Value {
    json!({ "create": ["pid", "mount", "uts"], "join": { "user": "$TARGET/ns/user" } })
}

fn only_join() -> Value {
    json!({ "join_only": true, "join": { "pid": "$TARGET/ns/pid", "mount": "$TARGET/ns/mnt", "uts": "$TARGET/ns/uts",
            "network": "$TARGET/ns/net" } })
}

fn only_join_user() -> Value {
    patched(&only_join(), r#"{"+join": {"user": "$TARGET/ns/user"}}"#)
}

/// The containers that are joined: one of each caller with every kind of namespace.
pub fn target(caller: &str) -> Value {
    let base = if caller == "user" { ranges_by_helpers() } else { plain() };
    patched(&base, r#"{"+create": ["network", "ipc", "cgroup"]}"#)
}

/// A user's container in whose user namespace the user is not root.
pub fn target_without_root() -> Value {
    patched(&new_user(), NOT_ROOT_ONE)
}

/// The user's own id as it is, and no other.
pub const NOT_ROOT_ONE: &str =
    r#"{"uid_map": [[1000, 1000, 1]], "gid_map": [[1000, 1000, 1]], "+create": ["network"]}"#;

impl Flow {
    /// The engine's configuration, with what a row changes.
    pub fn configuration(&self, patch: &str) -> Value {
        let mut base = (self.base)();
        base["instance"] = json!(self.letter.is_uppercase());
        patched(&base, patch)
    }
}

/// Changes a configuration: a key with `+` in front adds to what is there, any other one takes its place.
fn patched(base: &Value, patch: &str) -> Value {
    let mut result = base.clone();
    let changes: Value = serde_json::from_str(patch).unwrap_or_else(|error| panic!("{patch}: {error}"));
    for (key, value) in changes.as_object().expect("an object") {
        match (key.strip_prefix('+'), value) {
            (Some(key), Value::Array(more)) => {
                let mut list = result[key].as_array().cloned().unwrap_or_default();
                list.extend(more.clone());
                result[key] = json!(list);
            }
            (Some(key), Value::Object(more)) => more.iter().for_each(|(name, value)| result[key][name] = value.clone()),
            _ => result[key] = value.clone(),
        }
    }
    result
}
