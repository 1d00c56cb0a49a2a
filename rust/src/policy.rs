// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the setuid starter may do at all, decided by root in a file: whose containers it starts, with which engines,
//! mounts, images, capabilities and namespaces.
//!
//! [`Policy::read`] is the only part that touches the system. Every decision is pure: a function of the policy and of
//! facts that the caller has proven, never of what a user claims. Without a file the [default](Policy::default) holds;
//! a file that is odd in any way is an error. `docs/policy.md` has each key with its reason.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use crate::accounts;
use crate::config::settings::NamespaceKind;
use crate::error::{Error, ErrorKind, Result};
use crate::trusted::file;

mod document;
mod mount;
mod plan;
mod server;

pub use mount::{Forced, ImageFile, ImageKind, MountKind, MountRequest};
pub use plan::Caller;
pub use server::{Server, serve, server};

/// Where the policy is. Fixed when the starter is built, by the variable `PINION_POLICY`: nothing that a user sets may
/// choose it.
pub const PATH: &str = match option_env!("PINION_POLICY") {
    Some(path) => path,
    None => "/etc/pinion/policy.json",
};
const _: () = assert!(!PATH.is_empty() && PATH.as_bytes()[0] == b'/', "PINION_POLICY must be an absolute path");

/// The largest policy, in bytes.
const MAX_POLICY: usize = 1 << 20;

/// User ids that stand for nobody: what a file system or a user namespace cannot name has the first, and -1 in 16 and
/// in 32 bits is no id.
const NO_ACCOUNTS: [u32; 3] = [65_534, 65_535, u32::MAX];

/// What root allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    users: Option<BTreeSet<u32>>,
    groups: Option<BTreeSet<u32>>,
    engines: BTreeSet<String>,
    mounts: BTreeSet<MountKind>,
    images: BTreeSet<ImageKind>,
    image_owners: Option<BTreeSet<u32>>,
    capabilities: u64,
    fakeroot: bool,
    host_namespaces: BTreeSet<NamespaceKind>,
    join_own_instances: bool,
    join_paths: BTreeSet<String>,
}

impl Default for Policy {
    /// What holds without a file.
    fn default() -> Self {
        use MountKind::{Bind, Cgroup, Devpts, Mqueue, Proc, Sysfs, Tmpfs};
        use NamespaceKind::{Cgroup as Cgroups, Ipc, Network, Pid, Uts};
        Policy {
            users: None,
            groups: None,
            engines: BTreeSet::from(["oci".to_owned()]),
            mounts: BTreeSet::from([Bind, Tmpfs, Proc, Sysfs, Devpts, Mqueue, Cgroup]),
            images: BTreeSet::new(),
            image_owners: None,
            capabilities: 0,
            fakeroot: true,
            host_namespaces: BTreeSet::from([Pid, Network, Uts, Ipc, Cgroups]),
            join_own_instances: true,
            join_paths: BTreeSet::new(),
        }
    }
}

/// The one that holds for this start.
static IN_FORCE: OnceLock<Policy> = OnceLock::new();

/// The policy that holds for this start and all of its processes; none where the starter is not setuid, and where it is one of a
/// product with a configuration of its own.
pub fn in_force() -> Option<&'static Policy> {
    // Nothing of it is to be in a library whose programs cannot ask for it.
    if cfg!(feature = "policy") { IN_FORCE.get() } else { None }
}

impl Policy {
    /// Lets it hold from now on.
    pub fn enforce(self) {
        // There is one start in a process's life, and one policy.
        let _ = IN_FORCE.set(self);
    }

    /// Reads the policy at [`PATH`], with an effective user id of 0. Errors: a file or a directory on its way that
    /// others than root could have made or changed; a document that is not exactly as described.
    pub fn read() -> Result<Policy> {
        let path = Path::new(PATH);
        let Some(text) = file::read(path, MAX_POLICY)? else { return Ok(Policy::default()) };
        let accounts = |name: &'static str| {
            let file = file::read(Path::new(name), accounts::MAX_FILE)?;
            file.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("look a name up: there is no {name}")))
        };
        Policy::parse(&text, accounts).map_err(|error| error.during(format!("read the policy {path:?}")))
    }

    /// Whether this user may start containers at all. `groups` are the supplementary ones.
    pub fn permits_caller(&self, uid: u32, gid: u32, groups: &[u32]) -> Result<()> {
        let listed = self.users.as_ref().is_some_and(|users| users.contains(&uid));
        let anybody = self.users.is_none() && self.groups.is_none();
        let own_groups = || groups.iter().chain([&gid]);
        let in_group = self.groups.as_ref().is_some_and(|allowed| own_groups().any(|group| allowed.contains(group)));
        match uid {
            _ if listed => Ok(()),
            _ if NO_ACCOUNTS.contains(&uid) => {
                Err(forbids(format!("user {uid} starts a container: this id belongs to no account"), "users"))
            }
            _ if anybody || in_group => Ok(()),
            _ => Err(refused(format!("user {uid} starts a container")).with_help(format!(
                "root can list the user in \"users\" or one of its groups in \"groups\" of {PATH}"
            ))),
        }
    }

    /// Whether this engine may run.
    pub fn permits_engine(&self, name: &str) -> Result<()> {
        if self.engines.contains(name) {
            return Ok(());
        }
        Err(forbids(format!("the engine \"{}\"", name.escape_debug()), "engines"))
    }
}

fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Refused, format!("the policy forbids: {what}"))
}

/// What the policy forbids, and the key with which root allows it.
fn forbids(what: impl std::fmt::Display, key: &str) -> Error {
    refused(what).with_help(format!("root can allow it with \"{key}\" in {PATH}"))
}

#[cfg(test)]
mod tests;
