// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privileges of every process, as data: applied, compared with the kernel's answer before a callback is called
//! (`lifecycle/check.rs`), and printed by `pinion plan`. What it has besides, its threads, environment and descriptors, is in
//! [`holdings`].

use rustix::thread::CapabilitySet;
use serde::Serialize;

use crate::lifecycle::roles::Role;

pub mod holdings;
#[cfg(test)]
mod tests;
mod words;

use holdings::{DeathSignal, Threads};

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
    /// Effective are CAP_SETUID and CAP_SETGID, by which an engine gets root back; permitted those of a setuid-root
    /// program.
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

/// What is in one capability set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Nothing.
    None,
    /// What it was when the starter was called.
    Callers,
    /// What the kernel gives to a setuid-root program: all of the bounding set.
    SetuidProgram,
    /// The same without those about files.
    SetuidProgramButFiles,
    /// All that there are, those of the container's user namespace.
    Full,
    /// These, as far as they are permitted.
    Only(u64),
    /// What the starter configuration set.
    Configured,
}

/// The five capability sets of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sets {
    /// Effective.
    pub effective: Set,
    /// Permitted.
    pub permitted: Set,
    /// Inheritable.
    pub inheritable: Set,
    /// Bounding.
    pub bounding: Set,
    /// Ambient.
    pub ambient: Set,
}

impl Capabilities {
    /// Set by set.
    pub const fn sets(self) -> Sets {
        /// Effective and permitted, and nothing that a program could inherit.
        const fn own(effective: Set, permitted: Set) -> Sets {
            Sets { effective, permitted, inheritable: Set::None, bounding: Set::Callers, ambient: Set::None }
        }
        const fn all(set: Set) -> Sets {
            Sets { effective: set, permitted: set, inheritable: set, bounding: set, ambient: set }
        }
        match self {
            Capabilities::None => own(Set::None, Set::None),
            Capabilities::Callers => all(Set::Callers),
            Capabilities::FullInNamespace => Sets { bounding: Set::Full, ..own(Set::Full, Set::Full) },
            Capabilities::Configured => all(Set::Configured),
            Capabilities::Permitted => Sets { inheritable: Set::Callers, ..own(Set::None, Set::SetuidProgram) },
            Capabilities::RootsButFiles => {
                Sets { inheritable: Set::Callers, ..own(Set::SetuidProgramButFiles, Set::SetuidProgram) }
            }
            Capabilities::Regain => own(Set::Only(MASTER_EFFECTIVE), Set::SetuidProgram),
            Capabilities::Server => {
                Sets { bounding: Set::Only(SERVER_BOUNDING), ..own(Set::Only(SERVER_EFFECTIVE), Set::SetuidProgram) }
            }
        }
    }

    /// The securebits that go with them.
    pub const fn securebits(self) -> Securebits {
        match self {
            Capabilities::None | Capabilities::Callers | Capabilities::Permitted | Capabilities::RootsButFiles => {
                Securebits::Callers
            }
            Capabilities::FullInNamespace | Capabilities::Configured => Securebits::None,
            Capabilities::Regain | Capabilities::Server => Securebits::KeepCaps,
        }
    }
}

/// The securebits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Securebits {
    /// None.
    None,
    /// Those with which the starter was called.
    Callers,
    /// Those, and the one that keeps capabilities over a change of ids.
    KeepCaps,
}

/// Whether others of its user may look into a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dumpable {
    /// As it was when the starter was called.
    AsCalled,
    /// No: the kernel hides setuid programs.
    Hidden,
    /// As it was, unless it takes target ids: the kernel hides a process that changes its ids.
    AsCalledUnlessTarget,
    /// Yes, unless it takes target ids: a later start is to find its namespaces.
    OpenedUnlessTarget,
}

/// The passport of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// Whose ids.
    pub ids: Ids,
    /// Which capabilities, effective and permitted.
    pub capabilities: Capabilities,
    /// The same set by set.
    pub sets: Sets,
    /// Whether no_new_privs is set by the core. Where the caller has it, every process has.
    pub no_new_privs: bool,
    /// Securebits.
    pub securebits: Securebits,
    /// Whether others of its user may look into it.
    pub dumpable: Dumpable,
    /// The signal that it gets when its parent dies.
    pub death_signal: Option<DeathSignal>,
    /// The same while its callback runs.
    pub death_signal_in_callback: Option<DeathSignal>,
    /// How many threads it has.
    pub threads: Threads,
    /// The variables of its environment, beside that of the message level.
    pub environment: &'static [&'static str],
}

/// What a row hangs on beside flow and process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Whether root calls the starter.
    pub by_root: bool,
    /// Whether the starter configuration asks for no_new_privs.
    pub no_new_privs: bool,
    /// Whether a running container is joined: master calls no engine, and drops for good.
    pub join_only: bool,
}

/// The row of a process in a flow.
pub fn privileges(flow: Flow, role: Role, conditions: Conditions) -> Privileges {
    let (ids, capabilities) = ids_and_capabilities(flow, role, conditions);
    let dumpable = match (role, flow) {
        (Role::Stage2, Flow::SetuidHybrid) => Dumpable::OpenedUnlessTarget,
        (_, Flow::Setuid | Flow::SetuidHybrid) => Dumpable::Hidden,
        (Role::Stage2, _) => Dumpable::AsCalledUnlessTarget,
        _ => Dumpable::AsCalled,
    };
    Privileges {
        ids,
        capabilities,
        sets: capabilities.sets(),
        no_new_privs: conditions.no_new_privs && role == Role::Stage2,
        securebits: capabilities.securebits(),
        dumpable,
        death_signal: DeathSignal::of(role),
        death_signal_in_callback: DeathSignal::in_callback(role),
        threads: Threads::of(role, conditions.join_only),
        environment: holdings::environment(flow.is_setuid()),
    }
}

fn ids_and_capabilities(flow: Flow, role: Role, conditions: Conditions) -> (Ids, Capabilities) {
    // Dropped to the real user, which for root is no drop.
    let dropped = if conditions.by_root { Capabilities::Callers } else { Capabilities::None };
    match role {
        Role::Stage1 | Role::PostStartHost | Role::CleanupHost | Role::CleanupSpare => (Ids::RealUser, dropped),
        Role::Starter if flow.is_setuid() => (Ids::RealUserSavedRoot, Capabilities::Permitted),
        Role::Starter => (Ids::RealUser, Capabilities::Callers),
        Role::Stage2 => (Ids::Target, Capabilities::Configured),
        Role::Master if flow.is_setuid() && conditions.join_only => (Ids::RealUser, dropped),
        Role::Master if flow.is_setuid() => (Ids::RealUser, Capabilities::Regain),
        Role::Container if flow == Flow::Setuid => (Ids::RootForUser, Capabilities::RootsButFiles),
        Role::RpcServer if flow == Flow::Setuid => (Ids::RealUser, Capabilities::Server),
        Role::RpcServer if flow == Flow::SetuidHybrid => (Ids::MappedUserOrRoot, Capabilities::Server),
        Role::Container | Role::RpcServer if flow.is_hybrid() => (Ids::MappedUserOrRoot, Capabilities::FullInNamespace),
        Role::Master | Role::Container | Role::RpcServer => match flow {
            Flow::Root => (Ids::RealUser, Capabilities::Callers),
            _ => (Ids::MappedUser, Capabilities::FullInNamespace),
        },
    }
}
