// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a start will do, decided before anything is done.
//!
//! [`Plan::make`] is pure: from stage 1's [`Settings`] and the [`Facts`] that the caller knows by itself it derives
//! processes, namespaces, privileges and messages, or refuses. Stage 1 makes the plan to refuse early; the parent makes it again
//! from the sealed settings and its own facts, and only that one is carried out. So a refusal has the same words on
//! every path, and nothing that stage 1 could forge is trusted.

use serde::Serialize;

use crate::config::settings::{IdMapping, NamespaceKind, Propagation, Settings, Timeouts};
pub use crate::engine::contract::Flow;
use crate::engine::contract::{self, Callback, Conditions, Privileges};
use crate::engine::{Declaration, Monitor};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::messages::{self, Condition, Row};
use crate::lifecycle::roles::Role;
use crate::privileges::ContainerPrivileges;
use crate::privileges::posture::Attributes;

mod refuse;
mod show;

/// What a process knows by itself, before stage 1 said anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Whether the program is a setuid-root file, which an ordinary user called.
    pub setuid: bool,
    /// The real user id.
    pub uid: u32,
    /// The real group id.
    pub gid: u32,
    /// Effective capabilities at the start.
    pub effective: u64,
    /// Permitted capabilities at the start.
    pub permitted: u64,
    /// Inheritable capabilities at the start.
    pub inheritable: u64,
    /// What else the kernel keeps of its privileges, at the start.
    pub attributes: Attributes,
    /// Capabilities that the kernel knows.
    pub known_capabilities: u64,
    /// Whether the launcher asked for the post-start-host process.
    pub post_start_host: bool,
    /// Whether the launcher asked for the cleanup-host process.
    pub cleanup_host: bool,
}

/// What happens to one kind of namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// The kind.
    pub kind: NamespaceKind,
    /// The path to join; created if absent.
    pub join: Option<String>,
    /// Which process does it.
    pub by: Role,
}

/// One process and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Who.
    pub role: Role,
    /// Made by.
    pub parent: Option<Role>,
    /// The process that it was before.
    pub earlier: Option<Role>,
    /// Its passport.
    pub privileges: Privileges,
    /// The callbacks that it calls.
    pub callbacks: Vec<Callback>,
}

/// Descriptors that survive stage 1, by the number that they have everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Descriptors {
    /// Kept with close-on-exec.
    pub kept: Vec<i32>,
    /// Becomes the working directory.
    pub working_directory: Option<i32>,
    /// Closed by master before host clean-up.
    pub image: Option<i32>,
}

impl Descriptors {
    /// Whether the descriptor with this number keeps it.
    pub fn stays(&self, number: i32) -> bool {
        self.kept.contains(&number) || self.image == Some(number)
    }
}

/// Everything about one start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Version of this structure as JSON.
    pub version: u32,
    /// Which way.
    pub flow: Flow,
    /// Whether a running container is joined: no RPC server, no engine in master.
    pub join_only: bool,
    /// Whether master runs on as a daemon when the container runs.
    pub instance: bool,
    /// The facts that it was made from.
    pub facts: Facts,
    /// Processes, in the order in which they come.
    pub processes: Vec<Process>,
    /// Namespaces, in the order in which they are entered.
    pub namespaces: Vec<Namespace>,
    /// The user id map of a new user namespace.
    pub uid_map: Vec<IdMapping>,
    /// The group id map of a new user namespace.
    pub gid_map: Vec<IdMapping>,
    /// Whether `lo` is brought up.
    pub bring_loopback: bool,
    /// Whether the mount namespace is shared with master.
    pub propagate_to_master: bool,
    /// Propagation of `/` in the new mount namespace.
    pub propagation: Option<Propagation>,
    /// What the container process gets.
    pub container: ContainerPrivileges,
    /// Whether the RPC server's bounding set is that for nvidia-container-cli.
    pub nvidia_capabilities: bool,
    /// Descriptors.
    pub descriptors: Descriptors,
    /// Who waits for the container.
    pub engine_monitors: bool,
    /// Whether PreStartProcess is called.
    pub pre_start_process: bool,
    /// Every message that can be sent in this run.
    pub messages: Vec<Row>,
    /// Limits of the waits.
    pub timeouts: Timeouts,
}

/// The version of a plan as JSON. Fields are only added within one version.
pub const VERSION: u32 = 1;

impl Plan {
    /// Decides, or refuses.
    pub fn make(settings: &Settings, facts: &Facts, declaration: &Declaration) -> Result<Plan> {
        refuse::forbidden(settings, facts)?;
        let flow = flow(settings, facts)?;
        let mut plan = Plan {
            version: VERSION,
            flow,
            join_only: settings.join_only,
            instance: settings.instance,
            facts: facts.clone(),
            processes: Vec::new(),
            namespaces: namespaces(settings, flow),
            uid_map: settings.uid_mappings.clone(),
            gid_map: settings.gid_mappings.clone(),
            bring_loopback: settings.bring_loopback,
            propagate_to_master: settings.master_propagate_mount
                && flow != Flow::JoinUserNamespace
                && settings.create.contains(&NamespaceKind::Mount),
            propagation: settings.mount_propagation,
            container: ContainerPrivileges {
                uid: settings.target_uid,
                gids: settings.target_gids.clone(),
                allow_setgroups: settings.allow_setgroups,
                keep_groups: settings.no_setgroups,
                no_new_privs: settings.no_new_privs,
                capabilities: settings.capabilities,
            },
            nvidia_capabilities: settings.nvidia_capabilities,
            descriptors: Descriptors {
                kept: settings.kept_fds.clone(),
                working_directory: settings.working_directory_fd,
                image: settings.image_fd,
            },
            engine_monitors: declaration.monitor == Monitor::Engine,
            pre_start_process: declaration.pre_start_process,
            messages: Vec::new(),
            timeouts: settings.timeouts,
        };
        refuse::target_ids(&plan, settings)?;
        plan.processes = plan.roles().map(|role| plan.process(role)).collect();
        plan.messages = messages::TABLE.iter().filter(|row| plan.sends(row)).copied().collect();
        Ok(plan)
    }

    /// The processes of this run.
    fn roles(&self) -> impl Iterator<Item = Role> {
        let absent = |role: &Role| match role {
            Role::PostStartHost => !self.facts.post_start_host || self.join_only,
            Role::CleanupHost | Role::CleanupSpare => !self.facts.cleanup_host,
            Role::RpcServer => self.join_only,
            _ => false,
        };
        Role::ALL.into_iter().filter(move |role| !absent(role)).collect::<Vec<_>>().into_iter()
    }

    fn process(&self, role: Role) -> Process {
        let calls = |callback: &Callback| match callback {
            Callback::PreStartProcess => self.pre_start_process && !self.join_only,
            Callback::MonitorContainer => self.engine_monitors && !self.join_only,
            _ => role != Role::Master || !self.join_only,
        };
        let forked = self.instance && role == Role::Master;
        Process {
            role,
            parent: if forked { Some(Role::Starter) } else { role.parent() },
            earlier: if forked { None } else { role.earlier() },
            privileges: self.privileges(role),
            callbacks: Callback::of(role).iter().copied().filter(calls).collect(),
        }
    }

    fn sends(&self, row: &Row) -> bool {
        let exists = |role: Role| self.processes.iter().any(|process| process.role == role);
        exists(row.from) && exists(row.to) && self.meets(row.condition)
    }

    fn meets(&self, condition: Condition) -> bool {
        match condition {
            Condition::Always | Condition::Failure => true,
            Condition::NewUserNamespace => self.creates_user_namespace(),
            Condition::Creation => !self.join_only,
            Condition::Propagation => self.propagate_to_master && self.creates(NamespaceKind::Mount),
            Condition::Instance => self.instance,
            Condition::PreStartProcess => self.pre_start_process && !self.join_only,
        }
    }

    /// The row of a process of this run.
    pub fn privileges(&self, role: Role) -> Privileges {
        let conditions = Conditions {
            by_root: self.facts.uid == 0,
            no_new_privs: self.container.no_new_privs,
            join_only: self.join_only,
        };
        contract::privileges(self.flow, role, conditions)
    }

    /// The kinds that are created by a process, in order.
    pub fn created_by(&self, role: Role) -> Vec<NamespaceKind> {
        let of_role = |namespace: &&Namespace| namespace.by == role && namespace.join.is_none();
        self.namespaces.iter().filter(of_role).map(|namespace| namespace.kind).collect()
    }

    /// The kinds that are joined, with their paths, in order.
    pub fn joined(&self) -> impl Iterator<Item = (NamespaceKind, &str)> {
        self.namespaces.iter().filter_map(|namespace| Some((namespace.kind, namespace.join.as_deref()?)))
    }

    /// Whether a namespace of this kind is created.
    pub fn creates(&self, kind: NamespaceKind) -> bool {
        self.namespaces.iter().any(|namespace| namespace.kind == kind && namespace.join.is_none())
    }

    /// Whether a user namespace is created, by whichever process.
    pub fn creates_user_namespace(&self) -> bool {
        self.flow == Flow::UserNamespace || self.flow.is_hybrid()
    }

    /// The caller's user id as a new user namespace shows it. `None` where it cannot be known beforehand, and where it is not
    /// mapped: what is seen there is the kernel's overflow id.
    pub fn mapped_uid(&self) -> Option<u32> {
        match self.flow {
            Flow::Root | Flow::Setuid => Some(self.facts.uid),
            Flow::JoinUserNamespace => None,
            Flow::UserNamespace | Flow::Hybrid | Flow::SetuidHybrid => to_container(&self.uid_map, self.facts.uid),
        }
    }

    /// Whether the container process takes the new namespace's user id 0 and group id 0. In the hybrid flow the caller's own
    /// ids may not be mapped there, and under an unmapped id the kernel makes no inode: a devpts, a device node.
    pub fn becomes_root(&self) -> (bool, bool) {
        let takes = |map: &[IdMapping], own| {
            let has_root = map.iter().any(|line| line.container_id == 0);
            self.flow.is_hybrid() && has_root && to_container(map, own).is_none()
        };
        (takes(&self.uid_map, self.facts.uid), takes(&self.gid_map, self.facts.gid))
    }

    /// The user id of the container process and of the RPC server: the mapped one, or the namespace's 0 in its place.
    pub fn container_uid(&self) -> Option<u32> {
        if self.becomes_root().0 { Some(0) } else { self.mapped_uid() }
    }

    /// The user id that the container process ends up with, where it can be known beforehand.
    pub fn target_uid(&self) -> Option<u32> {
        let own = self.container_uid()?;
        Some(if own == 0 { self.container.uid.unwrap_or(own) } else { own })
    }
}

fn to_container(map: &[IdMapping], host_id: u32) -> Option<u32> {
    map.iter().find_map(|line| {
        let offset = host_id.checked_sub(line.host_id)?;
        if offset < line.size { line.container_id.checked_add(offset) } else { None }
    })
}

/// Step 11's table.
fn flow(settings: &Settings, facts: &Facts) -> Result<Flow> {
    let joins = settings.join.contains_key(&NamespaceKind::User);
    let creates = settings.create.contains(&NamespaceKind::User);
    match (joins, creates, settings.hybrid) {
        (true, _, _) => Ok(Flow::JoinUserNamespace),
        (false, true, true) if facts.setuid => Ok(Flow::SetuidHybrid),
        (false, true, true) => Ok(Flow::Hybrid),
        (false, true, false) => Ok(Flow::UserNamespace),
        (false, false, _) if facts.setuid => Ok(Flow::Setuid),
        (false, false, _) if facts.uid == 0 => Ok(Flow::Root),
        (false, false, _) => Err(Error::new(
            ErrorKind::Refused,
            "no setuid installation: without it only root can start \
             a container that has no user namespace",
        )
        .with_help("ask for a user namespace (the engine's SetNsFlags, or a bundle with a namespace of type user)")),
    }
}

fn namespaces(settings: &Settings, flow: Flow) -> Vec<Namespace> {
    let by = |kind: NamespaceKind, joins: bool| match (kind, joins) {
        (NamespaceKind::User, false) if flow.is_hybrid() => Role::Container,
        (NamespaceKind::User, _) => Role::Master,
        (NamespaceKind::Pid, true) => Role::Master,
        _ => Role::Container,
    };
    let wanted = |kind: NamespaceKind| {
        // A path wins over a flag, as in the reference.
        let join = settings.join.get(&kind).cloned();
        let wanted = join.is_some() || settings.create.contains(&kind);
        wanted.then(|| Namespace { kind, by: by(kind, join.is_some()), join })
    };
    NamespaceKind::ALL.into_iter().filter_map(wanted).collect()
}

#[cfg(test)]
mod tests;
