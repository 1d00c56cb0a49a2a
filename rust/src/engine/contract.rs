// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privileges of every process, as data: applied, compared with the kernel's answer before a callback is called
//! (`lifecycle/check.rs`), and printed by `pinion plan`.

use serde::Serialize;

use crate::lifecycle::roles::Role;

/// Which way a start takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// Real root, no user namespace.
    Root,
    /// Master and container share a new user namespace.
    UserNamespace,
    /// The container alone is cloned into a new user namespace, whose maps master writes from the host before it joins.
    Hybrid,
    /// A user namespace that exists already.
    JoinUserNamespace,
}

impl Flow {
    /// In words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Flow::Root => "root, no user namespace",
            Flow::UserNamespace => "new user namespace, shared by master and container",
            Flow::Hybrid => "new user namespace of the container, maps written from the host (fakeroot)",
            Flow::JoinUserNamespace => "user namespace of a running container",
        }
    }
}

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

/// The row of a process in a flow, started by root or by an ordinary user.
pub fn privileges(flow: Flow, role: Role, by_root: bool, no_new_privs: bool) -> Privileges {
    // Dropped to the real user, which for root is no drop.
    let dropped = if by_root { Capabilities::Callers } else { Capabilities::None };
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
