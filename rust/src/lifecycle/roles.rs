// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who exists: the processes of one start, and what holds for each whatever the configuration says.

use serde::Serialize;

/// A process of the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Role {
    /// Runs steps 1 to 14, then goes on as master.
    Starter,
    /// Runs PostStartHost on the host, if asked for.
    PostStartHost,
    /// Runs CleanupHost on the host, if asked for.
    CleanupHost,
    /// Takes cleanup-host's place if that is killed.
    CleanupSpare,
    /// Runs PrepareConfig.
    Stage1,
    /// Watches over the container.
    Master,
    /// The container process before it becomes stage 2.
    Container,
    /// Does the privileged work inside the container's namespaces.
    RpcServer,
    /// The container process as it runs StartProcess.
    Stage2,
}

impl Role {
    /// The word for messages, records and plans.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Starter => "starter",
            Role::PostStartHost => "post-start-host",
            Role::CleanupHost => "cleanup-host",
            Role::CleanupSpare => "cleanup-spare",
            Role::Stage1 => "stage1",
            Role::Master => "master",
            Role::Container => "container",
            Role::RpcServer => "rpc-server",
            Role::Stage2 => "stage2",
        }
    }

    /// Every role, in the order in which a start makes them.
    pub const ALL: [Role; 9] = [
        Role::Starter,
        Role::PostStartHost,
        Role::CleanupHost,
        Role::CleanupSpare,
        Role::Stage1,
        Role::Container,
        Role::RpcServer,
        Role::Stage2,
        Role::Master,
    ];

    /// The process that makes it; `None` for the starter, which the launcher executes, and for the two that a process
    /// becomes.
    pub const fn parent(self) -> Option<Role> {
        match self {
            Role::Starter => None,
            Role::PostStartHost | Role::CleanupHost | Role::CleanupSpare | Role::Stage1 => Some(Role::Starter),
            Role::Container | Role::Stage2 => Some(Role::Master),
            Role::RpcServer => Some(Role::Container),
            Role::Master => None,
        }
    }

    /// The process that this one was before.
    pub const fn earlier(self) -> Option<Role> {
        match self {
            Role::Master => Some(Role::Starter),
            Role::Stage2 => Some(Role::Container),
            _ => None,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// The numbered steps of one start, as docs/lifecycle.md lists them. Records, kill points and `pinion run --timing`
/// use these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[repr(u8)]
pub enum Step {
    /// Facts: setuid or not, ids; signals queued.
    Facts = 1,
    /// The engine configuration is read.
    Configuration = 2,
    /// Host processes, if asked for.
    HostProcesses = 3,
    /// The environment is emptied.
    Environment = 4,
    /// Standard streams repaired.
    StandardStreams = 5,
    /// Stage 1 decides; its sealed result becomes the plan.
    Stage1 = 6,
    /// Working directory changed, kept descriptors installed.
    Descriptors = 7,
    /// SIGCHLD is blocked and queued.
    Signals = 8,
    /// Daemon.
    Daemon = 9,
    /// Sockets between master, container process and RPC server.
    Sockets = 10,
    /// User namespace joined or created by master.
    UserNamespace = 11,
    /// PID namespace joined.
    PidNamespace = 12,
    /// The container process is cloned and enters its namespaces.
    Container = 13,
    /// Id maps written, namespaces ready, shared mount namespace joined.
    Handshake = 14,
    /// The RPC server serves.
    RpcServer = 15,
    /// The container's privileges are applied: stage 2.
    Stage2 = 16,
    /// Master's three activities.
    Master = 17,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Step; 17] = [
        Step::Facts,
        Step::Configuration,
        Step::HostProcesses,
        Step::Environment,
        Step::StandardStreams,
        Step::Stage1,
        Step::Descriptors,
        Step::Signals,
        Step::Daemon,
        Step::Sockets,
        Step::UserNamespace,
        Step::PidNamespace,
        Step::Container,
        Step::Handshake,
        Step::RpcServer,
        Step::Stage2,
        Step::Master,
    ];

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// What happens in it, in two or three words.
    pub const fn word(self) -> &'static str {
        match self {
            Step::Facts => "facts",
            Step::Configuration => "configuration",
            Step::HostProcesses => "host processes",
            Step::Environment => "environment",
            Step::StandardStreams => "standard streams",
            Step::Stage1 => "stage 1",
            Step::Descriptors => "descriptors",
            Step::Signals => "signals",
            Step::Daemon => "daemon",
            Step::Sockets => "sockets",
            Step::UserNamespace => "user namespace",
            Step::PidNamespace => "pid namespace",
            Step::Container => "container process",
            Step::Handshake => "handshake",
            Step::RpcServer => "rpc server",
            Step::Stage2 => "stage 2",
            Step::Master => "master",
        }
    }
}
