// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a process has beside its privileges: threads, the signal of its parent's death, environment, descriptors.

use rustix::process::Signal;
use serde::Serialize;

use crate::lifecycle::roles::Role;

/// How many threads a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threads {
    /// One.
    One,
    /// One until its role begins; from then on what the program's own runtime or its engine makes, and master one for each
    /// activity.
    OneUntilRole,
}

impl Threads {
    /// Those of a process.
    pub const fn of(role: Role, join_only: bool) -> Self {
        match role {
            Role::Starter | Role::Container => Threads::One,
            Role::Master if join_only => Threads::One,
            _ => Threads::OneUntilRole,
        }
    }
}

/// The signal that a process gets when its parent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeathSignal {
    /// SIGKILL
    Kill,
    /// SIGTERM
    Term,
}

impl DeathSignal {
    /// That of a process until its callback is called.
    pub const fn of(role: Role) -> Option<Self> {
        match role {
            Role::Starter | Role::Master => None,
            Role::PostStartHost | Role::CleanupHost | Role::CleanupSpare => Some(DeathSignal::Term),
            Role::Stage1 | Role::Container | Role::RpcServer | Role::Stage2 => Some(DeathSignal::Kill),
        }
    }

    /// That of a process in its callback. Master's death is what the clean-up processes are there for.
    pub const fn in_callback(role: Role) -> Option<Self> {
        match role {
            Role::CleanupHost | Role::CleanupSpare => None,
            _ => Self::of(role),
        }
    }

    /// As system calls take it.
    pub const fn signal(self) -> Signal {
        match self {
            DeathSignal::Kill => Signal::KILL,
            DeathSignal::Term => Signal::TERM,
        }
    }
}

/// The variables that stay in the environment beside that of the message level: what language runtimes are tuned by. What a
/// program is to have in another one's name is nobody's business to steer, but for Go's memory.
pub const fn environment(setuid: bool) -> &'static [&'static str] {
    match setuid {
        true => &[crate::launch::GOGC],
        false => &[crate::launch::GOGC, "GODEBUG", "RUST_BACKTRACE"],
    }
}

/// What a process has open, by what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Descriptor {
    /// Descriptors 0, 1 and 2.
    StandardStreams,
    /// What the caller of the starter has left open beside those.
    Callers,
    /// The record of the life, if one is kept.
    Record,
    /// What PrepareConfig has registered, from step 7 on.
    Kept,
    /// The null device at the numbers of the starter's own.
    NullDevice,
    /// The memory file with what stage 1 decides.
    Decisions,
    /// What was made on the host.
    Journal,
    /// Requests to end the start.
    TerminationQueue,
    /// Master's signals.
    SignalQueue,
    /// The ends of contexts and activities.
    EventCounters,
    /// Between starter and stage 1.
    DecisionSocket,
    /// Stage 1's.
    Stage1Pidfd,
    /// Between starter, later master, and post-start-host.
    PostStartSocket,
    /// Its.
    PostStartPidfd,
    /// Between starter, later master, and each of the clean-up processes.
    CleanupSockets,
    /// Theirs.
    CleanupPidfds,
    /// Between the clean-up processes.
    SpareSocket,
    /// Between an instance's master and who waits for it.
    InstanceSocket,
    /// The stream between master and container process that engines get.
    MasterSocket,
    /// The core's own between the two.
    ControlSocket,
    /// Between master and RPC server.
    RpcConnection,
    /// Between container process and RPC server.
    ServerSocket,
    /// The RPC server's.
    ServerPidfd,
    /// The container process's.
    ContainerPidfd,
}

impl Descriptor {
    /// What every process has.
    pub const EVERYWHERE: [Descriptor; 3] = [Descriptor::StandardStreams, Descriptor::Callers, Descriptor::Record];

    /// What a process has besides at its callback; one that calls none, while it waits for the process that it has made last.
    ///
    /// Nothing is closed by this list. Each process owns what it has and lets go of it with the step that needed it, what the
    /// core opens has close-on-exec, and stage 1 has a table of its own.
    pub const fn of(role: Role, join_only: bool) -> &'static [Descriptor] {
        use Descriptor::*;
        match role {
            Role::Starter => &[
                Decisions,
                Journal,
                TerminationQueue,
                DecisionSocket,
                Stage1Pidfd,
                PostStartSocket,
                PostStartPidfd,
                CleanupSockets,
                CleanupPidfds,
            ],
            Role::PostStartHost => &[EventCounters, PostStartSocket],
            Role::CleanupHost | Role::CleanupSpare => {
                &[Journal, EventCounters, CleanupSockets, SpareSocket, ContainerPidfd]
            }
            Role::Stage1 => &[NullDevice, Decisions, Journal, DecisionSocket],
            Role::Container => &[Kept, CleanupSockets, MasterSocket, ControlSocket, ServerSocket, ServerPidfd],
            Role::RpcServer => &[Kept, CleanupSockets, ControlSocket, RpcConnection, ServerSocket],
            Role::Stage2 => &[Kept, MasterSocket, ControlSocket],
            Role::Master if join_only => &[
                Kept,
                Journal,
                TerminationQueue,
                SignalQueue,
                CleanupSockets,
                CleanupPidfds,
                MasterSocket,
                ControlSocket,
                ContainerPidfd,
            ],
            Role::Master => &[
                Kept,
                Journal,
                SignalQueue,
                EventCounters,
                PostStartSocket,
                PostStartPidfd,
                CleanupSockets,
                CleanupPidfds,
                InstanceSocket,
                MasterSocket,
                ControlSocket,
                RpcConnection,
                ContainerPidfd,
            ],
        }
    }
}
