// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The starter configuration: what stage 1 decides about everything that follows.

use serde::Serialize;

use crate::engine::common::MAX_CONFIG;
use crate::engine::common::encode;
use crate::engine::{Pid, json};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::journal::{Entry, Journal};

mod helper;
pub mod idmap;
pub mod names;
pub mod settings;

pub use settings::{IdMapping, NamespaceKind, Settings, Timeouts};

/// How many descriptors may survive stage 1.
pub const MAX_KEPT: usize = 1024;

/// How many groups the container process may have, its gid included.
pub const MAX_GROUPS: usize = 32;

/// The longest path of a namespace to join, in bytes.
pub const MAX_PATH: usize = 4095;

/// The highest user or group id; the next number means no id.
const MAX_ID: i64 = 4_294_967_294;

/// The longest [`Timeouts::handshake_ms`].
const MAX_HANDSHAKE_MS: u32 = 3_600_000;

/// A namespace as the OCI runtime specification has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// pid, network, mount, ipc, uts, user or cgroup.
    pub kind: String,
    /// The namespace to join; empty to create one.
    pub path: String,
}

/// What the privileged side knows by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// Whether the setuid flow runs.
    pub is_suid: bool,
}

/// What PrepareConfig sets. Setters may be called in any order, and the last call wins. After
/// [`release`](StarterConfig::release) each setter is an error and each getter neutral.
pub struct StarterConfig {
    facts: Facts,
    settings: Settings,
    json: Vec<u8>,
    warnings: Vec<String>,
    journal: Option<Journal>,
    released: bool,
}

impl StarterConfig {
    pub(crate) fn new(facts: Facts, json: Vec<u8>, journal: Option<Journal>) -> Self {
        StarterConfig { facts, settings: Settings::default(), json, warnings: Vec::new(), journal, released: false }
    }

    /// What was decided, the engine configuration as last written, and the warnings. A release changes nothing
    /// of what had been decided before.
    pub(crate) fn into_parts(self) -> (Settings, Vec<u8>, Vec<String>) {
        (self.settings, self.json, self.warnings)
    }

    /// What was decided so far.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Writes down what PrepareConfig is about to make on the host, so that whoever survives undoes it. Before it is made.
    /// Errors: the launcher did not ask for the cleanup-host process, which undoes it; a path that is not absolute.
    pub fn note(&mut self, entry: &Entry) -> Result<()> {
        self.open()?;
        let journal = self.journal.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Refused, "write to the journal: there is none without the cleanup-host process")
                .with_help("let the launcher ask for it")
        })?;
        journal.note(entry)
    }

    /// Whether the setuid flow runs. A fact: also known after the release.
    pub fn is_suid(&self) -> bool {
        self.facts.is_suid
    }

    /// The container process's pid on the host. 0: in stage 1 there is none yet.
    pub fn container_pid(&self) -> Pid {
        0
    }

    /// What was accepted only in part.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Makes the container an instance: it runs on in a session of its own, with master, and who launched it gets 0 as soon as
    /// PostStartProcess has returned.
    pub fn set_instance(&mut self, on: bool) -> Result<()> {
        self.open()?.instance = on;
        Ok(())
    }

    /// Sets no_new_privs for the container process.
    pub fn set_no_new_privs(&mut self, on: bool) -> Result<()> {
        self.open()?.no_new_privs = on;
        Ok(())
    }

    /// Shares a mount namespace with master.
    pub fn set_master_propagate_mount(&mut self, on: bool) -> Result<()> {
        self.open()?.master_propagate_mount = on;
        Ok(())
    }

    /// Joins a running container: no RPC server, no engine in master.
    pub fn set_namespace_join_only(&mut self, on: bool) -> Result<()> {
        self.open()?.join_only = on;
        Ok(())
    }

    /// Brings `lo` up in a new network namespace.
    pub fn set_bring_loopback_interface(&mut self, on: bool) -> Result<()> {
        self.open()?.bring_loopback = on;
        Ok(())
    }

    /// Sets the propagation of `/` in the new mount namespace: shared, slave, private or unbindable, with an `r`
    /// in front for the whole tree. Errors: another word.
    pub fn set_mount_propagation(&mut self, word: &str) -> Result<()> {
        self.open()?.mount_propagation = Some(names::propagation(word)?);
        Ok(())
    }

    /// Makes a directory the starter's working directory after stage 1. Errors: a negative number.
    pub fn set_working_directory_fd(&mut self, fd: i32) -> Result<()> {
        self.open()?.working_directory_fd = Some(descriptor("working directory", fd)?);
        Ok(())
    }

    /// Sets the descriptor that master closes before host clean-up. Errors: a negative number.
    pub fn set_image_fd(&mut self, fd: i32) -> Result<()> {
        self.open()?.image_fd = Some(descriptor("image", fd)?);
        Ok(())
    }

    /// The descriptor that [`set_image_fd`](Self::set_image_fd) set.
    pub fn image_fd(&self) -> Option<i32> {
        if self.released { None } else { self.settings.image_fd }
    }

    /// Lets a descriptor survive stage 1 at the same number, with close-on-exec. Errors: a negative number, more
    /// than 1024 descriptors; the same number again is no further one.
    pub fn keep_file_descriptor(&mut self, fd: i32) -> Result<()> {
        let kept = &mut self.open()?.kept_fds;
        let fd = descriptor("keep", fd)?;
        if kept.contains(&fd) {
            return Ok(());
        }
        if kept.len() == MAX_KEPT {
            return Err(Error::invalid(format!(
                "keep descriptor {fd}: {MAX_KEPT} are kept already, the most possible"
            )));
        }
        kept.push(fd);
        Ok(())
    }

    /// Enlarges the bounding set of the RPC server, for nvidia-container-cli.
    pub fn set_nvccli_caps(&mut self, on: bool) -> Result<()> {
        self.open()?.nvidia_capabilities = on;
        Ok(())
    }

    /// Leaves master outside the new user namespace in which the container runs.
    pub fn set_hybrid_workflow(&mut self, on: bool) -> Result<()> {
        self.open()?.hybrid = on;
        Ok(())
    }

    /// Allows setgroups in the container.
    pub fn set_allow_setgroups(&mut self, on: bool) -> Result<()> {
        self.open()?.allow_setgroups = on;
        Ok(())
    }

    /// Keeps the host's supplementary groups.
    pub fn set_no_setgroups(&mut self, on: bool) -> Result<()> {
        self.open()?.no_setgroups = on;
        Ok(())
    }

    /// A copy of the engine configuration's bytes, as last written; empty after the release.
    pub fn json_config(&self) -> Vec<u8> {
        if self.released { Vec::new() } else { self.json.clone() }
    }

    /// Serialises a payload, such as the engine's [`Common`](crate::engine::Common), over the engine
    /// configuration. Errors: it cannot be serialised; more than 64 MiB.
    pub fn write<T: Serialize + ?Sized>(&mut self, payload: &T) -> Result<()> {
        self.open()?;
        self.json = encode(payload)?;
        Ok(())
    }

    /// As [`write`](Self::write), for what was serialised elsewhere. Errors: not one JSON value; more than 64 MiB.
    pub fn write_json(&mut self, json: Vec<u8>) -> Result<()> {
        self.open()?;
        if json.len() > MAX_CONFIG {
            let size = json.len();
            return Err(Error::invalid(format!(
                "engine configuration: {size} bytes, at most {MAX_CONFIG} are possible"
            )));
        }
        json::check(&json).map_err(|error| error.during("engine configuration"))?;
        self.json = json;
        Ok(())
    }

    /// As [`write_json`](Self::write_json), for what PrepareConfig has left: nothing is written after a release.
    pub fn write_back(&mut self, json: Vec<u8>) -> Result<()> {
        if self.released { Ok(()) } else { self.write_json(json) }
    }

    /// Sets the user id map in place of an earlier one. Errors: as [`idmap::check`].
    pub fn add_uid_mappings(&mut self, mappings: &[IdMapping]) -> Result<()> {
        let settings = self.open()?;
        idmap::check(mappings).map_err(|error| error.during("user id map"))?;
        settings.uid_mappings = mappings.to_vec();
        Ok(())
    }

    /// As [`add_uid_mappings`](Self::add_uid_mappings), for groups.
    pub fn add_gid_mappings(&mut self, mappings: &[IdMapping]) -> Result<()> {
        let settings = self.open()?;
        idmap::check(mappings).map_err(|error| error.during("group id map"))?;
        settings.gid_mappings = mappings.to_vec();
        Ok(())
    }

    /// Finds newuidmap in the default PATH. Errors: the setuid flow; not found; not owned by root; writable by others.
    pub fn set_newuidmap_path(&mut self) -> Result<()> {
        let suid = self.facts.is_suid;
        self.open()?.newuidmap = Some(helper::find("newuidmap", suid)?);
        Ok(())
    }

    /// As [`set_newuidmap_path`](Self::set_newuidmap_path), for newgidmap.
    pub fn set_newgidmap_path(&mut self) -> Result<()> {
        let suid = self.facts.is_suid;
        self.open()?.newgidmap = Some(helper::find("newgidmap", suid)?);
        Ok(())
    }

    /// Sets the namespaces to create, as CLONE_NEW* bits. Errors: other bits.
    pub fn set_ns_flags(&mut self, flags: i32) -> Result<()> {
        self.open()?.create = names::namespaces(flags)?;
        Ok(())
    }

    /// Sets the namespaces to create: those without a path. Errors: an unknown kind.
    pub fn set_ns_flags_from_spec(&mut self, namespaces: &[Namespace]) -> Result<()> {
        let settings = self.open()?;
        let mut create = Vec::new();
        for namespace in namespaces {
            let kind = names::namespace(&namespace.kind)?;
            if namespace.path.is_empty() {
                create.push(kind);
            }
        }
        create.sort_unstable();
        create.dedup();
        settings.create = create;
        Ok(())
    }

    /// Sets a namespace to join. Errors: an unknown kind; a path that is empty, has a NUL or more than 4,095 bytes.
    pub fn set_ns_path(&mut self, kind: &str, path: &str) -> Result<()> {
        let settings = self.open()?;
        let checked = check_path(path).and_then(|()| names::namespace(kind));
        let kind = checked.map_err(|error| error.during(format!("join {} namespace", kind.escape_debug())))?;
        settings.join.insert(kind, path.to_owned());
        Ok(())
    }

    /// Sets the namespaces to join: those with a path. All or none is set. Errors: as
    /// [`set_ns_path`](Self::set_ns_path).
    pub fn set_ns_path_from_spec(&mut self, namespaces: &[Namespace]) -> Result<()> {
        let before = self.open()?.join.clone();
        for namespace in namespaces {
            let done = match namespace.path.as_str() {
                "" => names::namespace(&namespace.kind).map(drop),
                path => self.set_ns_path(&namespace.kind, path),
            };
            if let Err(error) = done {
                self.settings.join = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sets one of the container process's five capability sets: permitted, effective, inheritable, bounding,
    /// ambient. Errors: an unknown set or name.
    pub fn set_capabilities<S: AsRef<str>>(&mut self, set: &str, names: &[S]) -> Result<()> {
        let sets = &mut self.open()?.capabilities;
        let target = match set {
            "permitted" => &mut sets.permitted,
            "effective" => &mut sets.effective,
            "inheritable" => &mut sets.inheritable,
            "bounding" => &mut sets.bounding,
            "ambient" => &mut sets.ambient,
            _ => {
                return Err(Error::invalid(format!("capability set \"{}\" is unknown", set.escape_debug()))
                    .with_help("known are permitted, effective, inheritable, bounding and ambient"));
            }
        };
        *target = names::capability_mask(names).map_err(|error| error.during(format!("{set} capabilities")))?;
        Ok(())
    }

    /// Sets the user id of the container process, 0 to 4,294,967,294. Errors: any other number.
    pub fn set_target_uid(&mut self, uid: i64) -> Result<()> {
        self.open()?.target_uid = Some(id("user", uid)?);
        Ok(())
    }

    /// Sets the group ids of the container process, the first being its gid. Of more than 32 the first 32 count,
    /// with a [warning](Self::warnings). Errors: a number that is not 0 to 4,294,967,294.
    pub fn set_target_gid(&mut self, gids: &[i64]) -> Result<()> {
        let settings = self.open()?;
        let mut groups = gids.iter().map(|gid| id("group", *gid)).collect::<Result<Vec<u32>>>()?;
        groups.truncate(MAX_GROUPS);
        settings.target_gids = groups;
        if gids.len() > MAX_GROUPS {
            let given = gids.len();
            self.warnings.push(format!("{given} groups for the container process, only the first {MAX_GROUPS} count"));
        }
        Ok(())
    }

    /// Lets the RPC server serve built-in methods only, without the program's own runtime.
    pub fn set_native_rpc(&mut self, on: bool) -> Result<()> {
        self.open()?.native_rpc = on;
        Ok(())
    }

    /// Sets the limits of the waits. Errors: a handshake of 0 or more than 3,600,000 ms.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        let settings = self.open()?;
        let limit = timeouts.handshake_ms;
        if !(1..=MAX_HANDSHAKE_MS).contains(&limit) {
            return Err(Error::invalid(format!("handshake limit of {limit} ms: 1 to {MAX_HANDSHAKE_MS} are possible")));
        }
        settings.timeouts = timeouts;
        Ok(())
    }

    /// Ends the use of this configuration. Errors: it was released before.
    pub fn release(&mut self) -> Result<()> {
        self.open()?;
        self.released = true;
        Ok(())
    }

    fn open(&mut self) -> Result<&mut Settings> {
        if self.released {
            return Err(Error::new(ErrorKind::Refused, "starter configuration: used after its release"));
        }
        Ok(&mut self.settings)
    }
}

fn descriptor(what: &str, fd: i32) -> Result<i32> {
    if fd < 0 {
        return Err(Error::invalid(format!("{what} descriptor {fd}: a negative number is no descriptor")));
    }
    Ok(fd)
}

fn id(what: &str, id: i64) -> Result<u32> {
    let legal = (0..=MAX_ID).contains(&id);
    u32::try_from(id)
        .ok()
        .filter(|_| legal)
        .ok_or_else(|| Error::invalid(format!("target {what} id {id}: 0 to {MAX_ID} are possible")))
}

fn check_path(path: &str) -> Result<()> {
    if path.is_empty() {
        return Err(Error::invalid("the path is empty"));
    }
    if path.contains('\0') {
        return Err(Error::invalid("the path has a NUL"));
    }
    if path.len() > MAX_PATH {
        return Err(Error::invalid(format!("the path has {} bytes, at most {MAX_PATH} are possible", path.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
