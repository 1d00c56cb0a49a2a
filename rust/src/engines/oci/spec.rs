// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle's document (config.json of the OCI runtime specification): what of it is done here, with leaf types
//! of the `oci-spec` crate. The outer objects are ours: each member that the crate knows and we do not do would
//! only grow the starter.

mod walk;

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespace, Mount, PosixRlimit, Root, User};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// The document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The version of the specification that the document was written for.
    pub oci_version: String,
    /// The program, and with which identity and limits it runs.
    pub process: Process,
    /// The directory that becomes the root.
    pub root: Root,
    /// What is mounted in it, in this order.
    pub mounts: Option<Vec<Mount>>,
    /// The host name, in a UTS namespace of the container's own.
    pub hostname: Option<String>,
    /// The NIS domain name, likewise.
    pub domainname: Option<String>,
    /// What only Linux has.
    pub linux: Option<Linux>,
}

/// The program.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether a terminal is wanted. The caller's standard streams are used as they are.
    pub terminal: Option<bool>,
    /// The terminal's size.
    pub console_size: Option<Value>,
    /// Ids and umask.
    pub user: Option<User>,
    /// The program and its arguments.
    pub args: Option<Vec<String>>,
    /// The environment.
    pub env: Option<Vec<String>>,
    /// The working directory.
    pub cwd: String,
    /// Capabilities; none without it.
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    pub rlimits: Option<Vec<PosixRlimit>>,
    /// no_new_privs.
    pub no_new_privileges: Option<bool>,
}

/// Names of capabilities by set. The names are checked where they become bits.
#[derive(Debug, Default, Deserialize)]
pub struct Capabilities {
    /// Bounding.
    pub bounding: Option<Vec<String>>,
    /// Effective.
    pub effective: Option<Vec<String>>,
    /// Inheritable.
    pub inheritable: Option<Vec<String>>,
    /// Permitted.
    pub permitted: Option<Vec<String>>,
    /// Ambient.
    pub ambient: Option<Vec<String>>,
}

/// What only Linux has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// Paths that cannot be read.
    pub masked_paths: Option<Vec<String>>,
    /// Paths that cannot be written.
    pub readonly_paths: Option<Vec<String>>,
    /// How mounts travel between the root and what is mounted beneath it.
    pub rootfs_propagation: Option<String>,
    /// Namespaces to make or, with a path, to join.
    pub namespaces: Option<Vec<LinuxNamespace>>,
    /// User ids of a new user namespace.
    pub uid_mappings: Option<Vec<LinuxIdMapping>>,
    /// Group ids of a new user namespace.
    pub gid_mappings: Option<Vec<LinuxIdMapping>>,
}

/// Reads a document, refusing by its name what is not done here.
pub fn parse(document: &Value) -> Result<Spec> {
    walk::check(document)?;
    let spec: Spec = serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        Error::invalid(if path == "." { error.inner().to_string() } else { format!("{path}: {}", error.inner()) })
    })?;
    if !spec.oci_version.starts_with("1.") {
        return Err(Error::invalid(format!(
            "ociVersion: \"{}\" is not a version 1 of the specification",
            spec.oci_version
        )));
    }
    if spec.process.console_size.is_some() && spec.process.terminal != Some(true) {
        return Err(Error::invalid("process.consoleSize: has no meaning without process.terminal"));
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> Value {
        let mut document = json!({
            "ociVersion": "1.0.2-dev",
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/"},
            "root": {"path": "rootfs"},
        });
        change(&mut document);
        document
    }

    #[test]
    fn ids_are_numbers_and_nothing_else() {
        assert_eq!(
            parse(&document(|d| d["process"]["user"]["uid"] = json!(1))).expect("spec").process.user.map(|u| u.uid()),
            Some(1)
        );
        for bad in [json!("1"), json!(-1), json!(1.0), json!(4_294_967_296_u64), json!("1:1"), json!(" 1"), json!(true)]
        {
            let error = parse(&document(|d| d["process"]["user"]["uid"] = bad.clone())).expect_err("refused");
            assert!(error.to_string().starts_with("process.user.uid: "), "{bad}: {error}");
        }
    }

    #[test]
    fn a_wrong_type_or_a_missing_member_names_its_path() {
        let error = parse(&document(|d| d["process"]["args"] = json!("sh"))).expect_err("refused").to_string();
        assert!(error.starts_with("process.args: "), "{error}");
        let error = parse(&json!({"ociVersion": "1.0.2"})).expect_err("refused").to_string();
        assert_eq!(error, "missing field `process`");
        let error = parse(&json!(7)).expect_err("refused").to_string();
        assert!(error.starts_with("invalid type"), "{error}");
    }

    #[test]
    fn another_version_is_refused() {
        let error = parse(&document(|d| d["ociVersion"] = json!("2.0.0"))).expect_err("refused").to_string();
        assert_eq!(error, "ociVersion: \"2.0.0\" is not a version 1 of the specification");
    }

    #[test]
    fn a_console_size_needs_a_terminal() {
        let size = json!({"height": 1, "width": 2});
        assert!(parse(&document(|d| d["process"]["consoleSize"] = size.clone())).is_err());
        assert!(
            parse(&document(|d| d["process"] = json!({"terminal": true, "consoleSize": size, "cwd": "/"}))).is_ok()
        );
    }
}
