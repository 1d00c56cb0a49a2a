// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privileges of every process, as data: applied, compared with the kernel's answer before a callback is called
//! (`lifecycle/check.rs`), and printed by `pinion plan`.

use rustix::thread::CapabilitySet;
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
    /// A setuid-root starter, no user namespace.
    Setuid,
    /// A setuid-root starter, the container alone in a new user namespace, whose maps root's id writes.
    SetuidHybrid,
}

impl Flow {
    /// In words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Flow::Root => "root, no user namespace",
            Flow::UserNamespace => "new user namespace, shared by master and container",
            Flow::Hybrid => "new user namespace of the container, maps written from the host (fakeroot)",
            Flow::JoinUserNamespace => "user namespace of a running container",
            Flow::Setuid => "setuid-root starter, no user namespace",
            Flow::SetuidHybrid => "setuid-root starter, new user namespace of the container (fakeroot)",
        }
    }

    /// Whether the container alone is cloned into its new user namespace.
    pub const fn is_hybrid(self) -> bool {
        matches!(self, Flow::Hybrid | Flow::SetuidHybrid)
    }

    /// Whether a setuid-root starter takes it: master, on the host, can get root back.
    pub const fn is_setuid(self) -> bool {
        matches!(self, Flow::Setuid | Flow::SetuidHybrid)
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

/// Whose ids a process has: real, effective and saved alike, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// The user who called the starter.
    RealUser,
    /// That user, root being the saved id.
    RealUserSavedRoot,
    /// That user as the real id and for files, root being the others.
    RootForUser,
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
    /// None effective; permitted are those of a setuid-root program.
    Permitted,
    /// Effective are root's but those about files, which are the user's.
    RootsButFiles,
    /// Effective are CAP_SETUID and CAP_SETGID, by which an engine gets root back; permitted those of a setuid-root program.
    Regain,
    /// Effective is CAP_SYS_ADMIN, permitted are those of a setuid-root program, or all of the container's user namespace; the bounding
    /// set is that of [`SERVER_BOUNDING`].
    Server,
}

/// The effective capabilities of master in the setuid flows.
pub const MASTER_EFFECTIVE: u64 = CapabilitySet::SETUID.union(CapabilitySet::SETGID).bits();

/// The effective capabilities of the RPC server in the setuid flow while it answers nothing.
pub const SERVER_EFFECTIVE: u64 = CapabilitySet::SYS_ADMIN.bits();

/// What programs that the RPC server executes in the setuid flow can have.
pub const SERVER_BOUNDING: u64 =
    CapabilitySet::SYS_ADMIN.union(CapabilitySet::IPC_LOCK).union(CapabilitySet::MKNOD).bits();

/// The same where nvidia-container-cli is one of them.
pub const SERVER_BOUNDING_NVIDIA: u64 = SERVER_BOUNDING
    | CapabilitySet::CHOWN
        .union(CapabilitySet::DAC_OVERRIDE)
        .union(CapabilitySet::DAC_READ_SEARCH)
        .union(CapabilitySet::FOWNER)
        .union(CapabilitySet::KILL)
        .union(CapabilitySet::NET_ADMIN)
        .union(CapabilitySet::SETGID)
        .union(CapabilitySet::SETPCAP)
        .union(CapabilitySet::SETUID)
        .union(CapabilitySet::SYS_CHROOT)
        .union(CapabilitySet::SYS_PTRACE)
        .bits();

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
    let (ids, capabilities) = match role {
        Role::Stage1 | Role::PostStartHost | Role::CleanupHost | Role::CleanupSpare => (Ids::RealUser, dropped),
        Role::Starter if flow.is_setuid() => (Ids::RealUserSavedRoot, Capabilities::Permitted),
        Role::Starter => (Ids::RealUser, dropped),
        Role::Stage2 => (Ids::Target, Capabilities::Configured),
        Role::Master if flow.is_setuid() => (Ids::RealUser, Capabilities::Regain),
        Role::Container if flow == Flow::Setuid => (Ids::RootForUser, Capabilities::RootsButFiles),
        Role::RpcServer if flow == Flow::Setuid => (Ids::RealUser, Capabilities::Server),
        Role::RpcServer if flow == Flow::SetuidHybrid => (Ids::MappedUserOrRoot, Capabilities::Server),
        Role::Container | Role::RpcServer if flow.is_hybrid() => (Ids::MappedUserOrRoot, Capabilities::FullInNamespace),
        Role::Master | Role::Container | Role::RpcServer => match flow {
            Flow::Root => (Ids::RealUser, Capabilities::Callers),
            _ => (Ids::MappedUser, Capabilities::FullInNamespace),
        },
    };
    let death_signal = match role {
        Role::Starter | Role::Master => None,
        Role::PostStartHost | Role::CleanupHost | Role::CleanupSpare => Some("TERM"),
        Role::Stage1 | Role::Container | Role::RpcServer | Role::Stage2 => Some("KILL"),
    };
    Privileges { ids, capabilities, no_new_privs: no_new_privs && role == Role::Stage2, death_signal }
}
