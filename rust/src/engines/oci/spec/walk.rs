// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What of a bundle's document is done here. Whatever asks for more is refused by its name: a member that were
//! ignored would leave a container weaker than its author believes it is.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// What may stand at one place of the document.
enum Rule {
    /// Anything. Its type is checked where it is read.
    Value,
    /// An object with no members but these.
    Object(&'static [(&'static str, Rule)]),
    /// A list of such.
    List(&'static Rule),
    /// A member of the specification that is not done yet.
    Later,
    /// Rules of the devices cgroup: only the one that `runc spec` writes, to deny whatever is not allowed.
    DenyAllDevices,
}

use Rule::{DenyAllDevices, Later, List, Object, Value as Any};

const ID_MAP: Rule = Object(&[("containerID", Any), ("hostID", Any), ("size", Any)]);

const PROCESS: Rule = Object(&[
    ("terminal", Any),
    ("consoleSize", Object(&[("height", Any), ("width", Any)])),
    ("user", Object(&[("uid", Any), ("gid", Any), ("umask", Any), ("additionalGids", Any), ("username", Later)])),
    ("args", Any),
    ("commandLine", Later),
    ("env", Any),
    ("cwd", Any),
    (
        "capabilities",
        Object(&[("bounding", Any), ("effective", Any), ("inheritable", Any), ("permitted", Any), ("ambient", Any)]),
    ),
    ("rlimits", List(&Object(&[("type", Any), ("hard", Any), ("soft", Any)]))),
    ("noNewPrivileges", Any),
    ("apparmorProfile", Later),
    ("oomScoreAdj", Later),
    ("selinuxLabel", Later),
    ("ioPriority", Later),
    ("scheduler", Later),
    ("execCPUAffinity", Later),
]);

const MOUNT: Rule = Object(&[
    ("destination", Any),
    ("type", Any),
    ("source", Any),
    ("options", Any),
    ("uidMappings", List(&ID_MAP)),
    ("gidMappings", List(&ID_MAP)),
]);

const LINUX: Rule = Object(&[
    ("maskedPaths", Any),
    ("readonlyPaths", Any),
    ("rootfsPropagation", Any),
    ("namespaces", List(&Object(&[("type", Any), ("path", Any)]))),
    ("uidMappings", List(&ID_MAP)),
    ("gidMappings", List(&ID_MAP)),
    ("resources", Object(RESOURCES)),
    ("cgroupsPath", Later),
    ("devices", Later),
    ("intelRdt", Later),
    ("memoryPolicy", Later),
    ("mountLabel", Later),
    ("netDevices", Later),
    ("personality", Later),
    ("seccomp", Later),
    ("sysctl", Later),
    ("timeOffsets", Later),
]);

const RESOURCES: &[(&str, Rule)] = &[
    ("devices", DenyAllDevices),
    ("blockIO", Later),
    ("cpu", Later),
    ("hugepageLimits", Later),
    ("memory", Later),
    ("network", Later),
    ("pids", Later),
    ("rdma", Later),
    ("unified", Later),
];

const SPEC: Rule = Object(&[
    ("ociVersion", Any),
    ("process", PROCESS),
    ("root", Object(&[("path", Any), ("readonly", Any)])),
    ("mounts", List(&MOUNT)),
    ("hostname", Any),
    ("domainname", Any),
    ("annotations", Any),
    ("linux", LINUX),
    ("hooks", Later),
    ("freebsd", Later),
    ("solaris", Later),
    ("vm", Later),
    ("windows", Later),
    ("zos", Later),
]);

/// Refuses the first member of a bundle's document that asks for something that is not done here.
pub fn check(document: &Value) -> Result<()> {
    walk(&SPEC, document, &mut String::new())
}

fn walk(rule: &Rule, value: &Value, path: &mut String) -> Result<()> {
    match (rule, value) {
        (Object(known), Value::Object(members)) => {
            for (name, member) in members {
                within(path, &format!(".{name}"), |path| match known.iter().find(|(known, _)| known == name) {
                    Some((_, rule)) => walk(rule, member, path),
                    None if asks_for_nothing(member) => Ok(()),
                    None => Err(refusal(path, "is not known to this runtime")),
                })?;
            }
            Ok(())
        }
        (List(rule), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                within(path, &format!("[{index}]"), |path| walk(rule, item, path))?;
            }
            Ok(())
        }
        // A list would be read as the members in their order, past this table.
        (Object(_), Value::Array(_)) => {
            let path = if path.is_empty() { "the document" } else { path };
            Err(Error::invalid(format!("{path}: is a list, not an object")))
        }
        (Later, value) if !asks_for_nothing(value) => Err(refusal(path, "not supported yet")),
        (DenyAllDevices, value) if !asks_for_nothing(value) && !denies_all_devices(value) => {
            Err(refusal(path, "not supported yet"))
        }
        _ => Ok(()),
    }
}

fn within(path: &mut String, step: &str, walk: impl FnOnce(&mut String) -> Result<()>) -> Result<()> {
    let length = path.len();
    path.push_str(if length == 0 { step.trim_start_matches('.') } else { step });
    let result = walk(path);
    path.truncate(length);
    result
}

fn refusal(path: &str, why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{path}: {why}"))
}

/// Whether a value is an empty one, at all its levels. A number asks for something, 0 too.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(asks_for_nothing),
    }
}

fn denies_all_devices(value: &Value) -> bool {
    value.as_array().is_some_and(|rules| {
        rules.iter().all(|rule| {
            rule.as_object().is_some_and(|rule| {
                rule.get("allow") == Some(&Value::Bool(false))
                    && rule.iter().all(|(name, value)| match name.as_str() {
                        "allow" => true,
                        "access" => value == "rwm",
                        "type" => value.is_null() || value == "a",
                        _ => value.is_null(),
                    })
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(document: Value) -> String {
        check(&document).expect_err("refused").to_string()
    }

    #[test]
    fn whatever_is_not_done_is_refused_by_its_name() {
        let later = "not supported yet";
        let table = [
            (json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}}), "linux.seccomp", later),
            (json!({"linux": {"cgroupsPath": "/x"}}), "linux.cgroupsPath", later),
            (json!({"linux": {"resources": {"memory": {"limit": 1}}}}), "linux.resources.memory", later),
            (json!({"linux": {"resources": {"pids": {"limit": 0}}}}), "linux.resources.pids", later),
            (json!({"linux": {"resources": {"devices": [{"allow": true}]}}}), "linux.resources.devices", later),
            (
                json!({"linux": {"resources": {"devices": [{"allow": false, "access": "rwm", "major": 1}]}}}),
                "linux.resources.devices",
                later,
            ),
            (json!({"linux": {"devices": [{"path": "/dev/fuse"}]}}), "linux.devices", later),
            (json!({"linux": {"sysctl": {"kernel.domainname": "x"}}}), "linux.sysctl", later),
            (json!({"linux": {"intelRdt": {"closID": "x"}}}), "linux.intelRdt", later),
            (json!({"linux": {"timeOffsets": {"boottime": {"secs": 1}}}}), "linux.timeOffsets", later),
            (json!({"hooks": {"prestart": [{"path": "/bin/true"}]}}), "hooks", later),
            (json!({"process": {"apparmorProfile": "x"}}), "process.apparmorProfile", later),
            (json!({"process": {"selinuxLabel": "x"}}), "process.selinuxLabel", later),
            (json!({"process": {"oomScoreAdj": 0}}), "process.oomScoreAdj", later),
            (json!({"process": {"user": {"username": "x"}}}), "process.user.username", later),
            (json!({"windows": {"layerFolders": ["x"]}}), "windows", later),
            (json!({"mounts": [{}, {"propagation": "x"}]}), "mounts[1].propagation", "is not known to this runtime"),
            (json!({"Process": {"args": ["x"]}}), "Process", "is not known to this runtime"),
            (
                json!({"linux": {"namespaces": [{"type": "pid", "fd": 3}]}}),
                "linux.namespaces[0].fd",
                "is not known to this runtime",
            ),
        ];
        for (document, path, why) in table {
            assert_eq!(refused(document), format!("{path}: {why}"));
        }
    }

    #[test]
    fn a_list_is_no_object() {
        assert_eq!(refused(json!({"root": ["/", false]})), "root: is a list, not an object");
        assert_eq!(refused(json!({"mounts": [["/proc", "proc"]]})), "mounts[0]: is a list, not an object");
        assert_eq!(refused(json!([])), "the document: is a list, not an object");
    }

    #[test]
    fn what_asks_for_nothing_is_accepted() {
        for document in [
            json!({"hooks": {}, "annotations": {"any": "thing"}, "windows": null}),
            json!({"hooks": {"prestart": []}, "process": {"selinuxLabel": "", "ioPriority": null}}),
            json!({"linux": {"resources": {"devices": [{"allow": false, "access": "rwm"}], "memory": {}}}}),
            json!({"linux": {"sysctl": {}, "devices": [], "seccomp": null, "cgroupsPath": ""}}),
            json!({"somethingNew": {}}),
        ] {
            assert!(check(&document).is_ok(), "{document}");
        }
    }
}
