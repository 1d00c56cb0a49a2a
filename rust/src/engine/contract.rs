// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privileges of every process, as data: applied, checked before a callback is called, and printed by `pinion plan`.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::roles::Role;
use crate::plan::{Flow, Plan};
use crate::privileges::Credentials;

/// A callback of [`Operations`](crate::engine::Operations) that a process calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Callback {
    /// PrepareConfig
    PrepareConfig,
    /// CreateContainer
    CreateContainer,
    /// StartProcess
    StartProcess,
    /// PreStartProcess
    PreStartProcess,
    /// PostStartHost
    PostStartHost,
    /// PostStartProcess
    PostStartProcess,
    /// MonitorContainer
    MonitorContainer,
    /// CleanupContainer
    CleanupContainer,
    /// CleanupHost
    CleanupHost,
}

impl Callback {
    /// Its published name.
    pub const fn name(self) -> &'static str {
        match self {
            Callback::PrepareConfig => "PrepareConfig",
            Callback::CreateContainer => "CreateContainer",
            Callback::StartProcess => "StartProcess",
            Callback::PreStartProcess => "PreStartProcess",
            Callback::PostStartHost => "PostStartHost",
            Callback::PostStartProcess => "PostStartProcess",
            Callback::MonitorContainer => "MonitorContainer",
            Callback::CleanupContainer => "CleanupContainer",
            Callback::CleanupHost => "CleanupHost",
        }
    }

    /// The callbacks that a process calls.
    pub const fn of(role: Role) -> &'static [Callback] {
        match role {
            Role::Stage1 => &[Callback::PrepareConfig],
            Role::Master => &[
                Callback::CreateContainer,
                Callback::PreStartProcess,
                Callback::PostStartProcess,
                Callback::MonitorContainer,
                Callback::CleanupContainer,
            ],
            Role::Stage2 => &[Callback::StartProcess],
            Role::PostStartHost => &[Callback::PostStartHost],
            Role::CleanupHost | Role::CleanupSpare => &[Callback::CleanupHost],
            Role::Starter | Role::Container | Role::RpcServer => &[],
        }
    }
}

/// Whose ids a process has: real, effective and saved alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// The user who called the starter.
    RealUser,
    /// That user as the container's user namespace shows it.
    MappedUser,
    /// The same; the namespace's root where that user is not mapped.
    MappedUserOrRoot,
    /// The container's target ids.
    Target,
}

/// Which capabilities a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capabilities {
    /// None at all.
    None,
    /// Those with which root called the starter.
    Callers,
    /// All of the container's user namespace, none on the host.
    FullInNamespace,
    /// What the starter configuration set.
    Configured,
}

/// The passport of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// Whose ids.
    pub ids: Ids,
    /// Which capabilities, effective and permitted.
    pub capabilities: Capabilities,
    /// Whether no_new_privs is set by the core.
    pub no_new_privs: bool,
    /// The signal that it gets when its parent dies.
    pub death_signal: Option<&'static str>,
}

/// The row of a process in a flow.
pub fn privileges(flow: Flow, role: Role, no_new_privs: bool) -> Privileges {
    let dropped = match flow {
        Flow::Root => Capabilities::Callers,
        _ => Capabilities::None,
    };
    let inside = match flow {
        Flow::Root => (Ids::RealUser, Capabilities::Callers),
        _ => (Ids::MappedUser, Capabilities::FullInNamespace),
    };
    let row = |ids, capabilities, death_signal| Privileges { ids, capabilities, no_new_privs: false, death_signal };
    match role {
        Role::Starter => row(Ids::RealUser, dropped, None),
        Role::Stage1 => row(Ids::RealUser, dropped, Some("KILL")),
        Role::PostStartHost | Role::CleanupHost | Role::CleanupSpare => row(Ids::RealUser, dropped, Some("TERM")),
        Role::Master => row(inside.0, inside.1, None),
        Role::Container | Role::RpcServer if flow == Flow::Hybrid => row(Ids::MappedUserOrRoot, inside.1, Some("KILL")),
        Role::Container | Role::RpcServer => row(inside.0, inside.1, Some("KILL")),
        Role::Stage2 => Privileges { no_new_privs, ..row(Ids::Target, Capabilities::Configured, Some("KILL")) },
    }
}

/// Compares the kernel's answer with the row, before a callback is called.
pub fn check(plan: &Plan, role: Role, callback: Callback) -> Result<()> {
    let row = plan.privileges(role);
    let is = Credentials::read()?;
    let uid = match row.ids {
        Ids::RealUser => Some(plan.facts.uid),
        Ids::MappedUser => plan.mapped_uid(),
        Ids::MappedUserOrRoot => plan.container_uid(),
        Ids::Target => plan.target_uid(),
    };
    let capabilities = match row.capabilities {
        Capabilities::None => Some((0, 0)),
        Capabilities::Callers => Some((plan.facts.effective, plan.facts.permitted)),
        // Which bits the kernel knows is asked once, where they are applied.
        Capabilities::FullInNamespace => None,
        Capabilities::Configured => {
            let mask = plan.facts.known_capabilities;
            Some((plan.container.capabilities.effective & mask, plan.container.capabilities.permitted & mask))
        }
    };
    if let Some(uid) = uid.filter(|uid| is.uid != [*uid; 3]) {
        return Err(mismatch(role, callback, "user ids", format!("{:?}", is.uid), format!("{:?}", [uid; 3])));
    }
    match capabilities {
        Some((effective, permitted)) if (is.effective, is.permitted) != (effective, permitted) => Err(mismatch(
            role,
            callback,
            "capabilities (effective, permitted)",
            format!("{:#x}, {:#x}", is.effective, is.permitted),
            format!("{effective:#x}, {permitted:#x}"),
        )),
        _ => Ok(()),
    }
}

fn mismatch(role: Role, callback: Callback, what: &str, is: String, wanted: String) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("call {} in {role}: the process's {what} are {is}, the contract says {wanted}", callback.name()),
    )
}
