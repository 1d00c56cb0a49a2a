// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers without a document. With a directory it becomes the root; without one, a root is made of the host's own
//! system directories, read-only, so that anybody can try a container with no image at hand.
//!
//! Both get private /proc, /dev and /tmp in new PID, mount, IPC and UTS namespaces. An ordinary user gets a new user
//! namespace too, in which the ids are the same as outside: the files of the host keep their owners, and the program
//! sees itself as who it is; with a setuid-root starter that takes no user namespace. Real root keeps what container engines commonly leave to it; an ordinary user's program
//! has no capabilities. Neither can gain new ones (no_new_privs).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::identity::Caller;
use super::methods::furniture::Item;
use super::process::DEFAULT_PATH;
use crate::config::names::capability_names;
use crate::error::{Error, ErrorKind, Result};
use crate::privileges::Credentials;

/// Host directories that a program needs to run. /nix and /gnu are there on hosts that keep all programs in them.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu"];
/// Directories that exist on any host, one of which is covered by the new root in the container's mount namespace.
const COVERED: &[&str] = &["/tmp", "/run", "/var/tmp", "/mnt"];
const ROOT_CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// A document, and what a document cannot say.
#[derive(Debug)]
pub struct DefaultRoot {
    /// The document.
    pub document: Value,
    /// Whether the root is an empty file system over `root.path`.
    pub fresh: bool,
    /// Links that the host has where others have directories (/bin).
    pub items: Vec<Item>,
}

/// A root of the host's own system directories.
pub fn of_host(caller: Caller) -> Result<DefaultRoot> {
    let over = COVERED.iter().find(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()));
    let over = over.ok_or_else(|| {
        let names = COVERED.join(", ");
        Error::new(ErrorKind::NotFound, format!("make a root: none of {names} is a directory"))
            .with_help("give a root directory (--root) or a bundle (--bundle)")
    })?;
    let mut document = document(over, true, caller)?;
    let mut items = Vec::new();
    let mut mounts = Vec::new();
    for path in SYSTEM {
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        if found.is_dir() {
            mounts.push(mount(path, "", path, &["rbind", "rro", "rnodev"]));
        } else if let (true, Ok(target)) = (found.is_symlink(), fs::read_link(path)) {
            let target = target.to_str().ok_or_else(|| Error::invalid(format!("the link {path:?} is not UTF-8")))?;
            items.push(Item::Link((*path).to_owned(), target.to_owned()));
        }
    }
    mounts.extend(private_mounts());
    for (path, mode) in [("/run", "mode=755"), ("/root", "mode=700"), ("/var", "mode=755")] {
        mounts.push(mount(path, "tmpfs", "tmpfs", &["nosuid", "nodev", mode]));
    }
    items.extend([Item::Directory("/var/tmp".into()), Item::Link("/var/run".into(), "/run".into())]);
    document["mounts"] = Value::Array(mounts);
    Ok(DefaultRoot { document, fresh: true, items })
}

/// A root of a directory.
pub fn of_directory(path: &Path, caller: Caller) -> Result<DefaultRoot> {
    let path = path.to_str().ok_or_else(|| Error::invalid(format!("the root {path:?} is not UTF-8")))?;
    let mut document = document(path, false, caller)?;
    document["mounts"] = Value::Array(private_mounts());
    Ok(DefaultRoot { document, fresh: false, items: Vec::new() })
}

fn document(root: &str, read_only: bool, caller: Caller) -> Result<Value> {
    let mut namespaces = vec!["pid", "mount", "ipc", "uts"];
    let mut maps = (Value::Null, Value::Null);
    if caller.needs_user_namespace() {
        namespaces.insert(0, "user");
        let own = |id: u32| json!([{"containerID": id, "hostID": id, "size": 1}]);
        maps = (own(caller.uid), own(caller.gid));
    }
    let namespaces: Vec<Value> = namespaces.into_iter().map(|kind| json!({"type": kind})).collect();
    let capabilities = if caller.is_root() {
        // What root itself lacks, it does without.
        let permitted = Credentials::read()?.permitted;
        let names = capability_names(permitted);
        let kept: Vec<&str> =
            ROOT_CAPABILITIES.iter().copied().filter(|name| names.iter().any(|has| has == name)).collect();
        json!({"bounding": kept, "permitted": kept, "effective": kept})
    } else {
        json!({})
    };
    Ok(json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": caller.uid, "gid": caller.gid},
            "args": ["/bin/sh"],
            "env": [format!("PATH={DEFAULT_PATH}"), "HOME=/root"],
            "cwd": "/",
            "capabilities": capabilities,
            "noNewPrivileges": true,
        },
        "root": {"path": root, "readonly": read_only},
        "hostname": "pinion",
        "linux": {
            "namespaces": namespaces,
            "uidMappings": maps.0,
            "gidMappings": maps.1,
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
                "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }))
}

fn private_mounts() -> Vec<Value> {
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "nodev", "noexec"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "noexec", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "nodev", "noexec", "mode=1777"]),
        mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
    ]
}

fn mount(target: &str, filesystem: &str, source: &str, options: &[&str]) -> Value {
    json!({"destination": target, "type": filesystem, "source": source, "options": options})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::oci::spec;

    #[test]
    fn the_documents_are_ones_that_this_engine_reads() {
        let user = Caller { uid: 1000, gid: 100, setuid: false };
        for caller in [Caller { uid: 0, gid: 0, ..user }, user, Caller { setuid: true, ..user }] {
            let host = of_host(caller).expect("root");
            let directory = of_directory(Path::new("/srv/root"), caller).expect("root");
            assert!(host.fresh && !directory.fresh);
            for root in [host, directory] {
                let spec = spec::parse(&root.document).expect("document");
                let namespaces = spec.linux.and_then(|linux| linux.namespaces).unwrap_or_default();
                assert_eq!(namespaces.len(), if caller.needs_user_namespace() { 5 } else { 4 });
            }
        }
    }

    #[test]
    fn each_system_directory_of_the_host_is_there_as_on_the_host() {
        let root = of_host(Caller { uid: 1000, gid: 1000, setuid: false }).expect("root");
        let mounts = root.document["mounts"].as_array().expect("mounts");
        for path in SYSTEM.iter().filter(|path| Path::new(path).exists()) {
            let mounted = mounts.iter().any(|mount| mount["destination"] == *path);
            let linked = root.items.iter().any(|item| matches!(item, Item::Link(link, _) if link == path));
            assert!(mounted != linked, "{path}");
        }
    }
}
