// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stage 1 decides, as data: the content of the sealed hand-over. Facts that the privileged side knows by
//! itself (setuid or not, ids, pids) are not among it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kinds of namespaces, in the order in which the container process enters them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    /// CLONE_NEWUSER
    User,
    /// CLONE_NEWPID
    Pid,
    /// CLONE_NEWNET
    Network,
    /// CLONE_NEWUTS
    Uts,
    /// CLONE_NEWIPC
    Ipc,
    /// CLONE_NEWCGROUP
    Cgroup,
    /// CLONE_NEWNS
    Mount,
}

/// How mount events travel between a new mount namespace and its origin (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub struct Propagation {
    /// Which way.
    pub kind: PropagationKind,
    /// Whether for the whole tree of mounts.
    pub recursive: bool,
}

/// The four ways of propagation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropagationKind {
    /// MS_SHARED
    Shared,
    /// MS_SLAVE
    Slave,
    /// MS_PRIVATE
    Private,
    /// MS_UNBINDABLE
    Unbindable,
}

/// One line of an id map (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMapping {
    /// The first id inside the container.
    pub container_id: u32,
    /// The first id on the host.
    pub host_id: u32,
    /// How many ids follow each other, at least 1.
    pub size: u32,
}

/// Five capability sets, one bit a capability, bit 0 being CAP_CHOWN (capabilities(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CapabilitySets {
    /// Permitted.
    pub permitted: u64,
    /// Effective.
    pub effective: u64,
    /// Inheritable.
    pub inheritable: u64,
    /// Bounding.
    pub bounding: u64,
    /// Ambient.
    pub ambient: u64,
}

/// Limits of the waits of one start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// One message of a handshake, and the answers of the host processes. Milliseconds, 1 to 3,600,000.
    pub handshake_ms: u32,
    /// The container, from its execution to its end; the process that joins one, from when it has entered its namespaces.
    /// Milliseconds; 0 for none.
    pub container_ms: u32,
    /// The container, from the SIGTERM that asks it to end to the one that kills it. Milliseconds; 0 kills it at once.
    pub stop_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { handshake_ms: 60_000, container_ms: 0, stop_ms: 10_000 }
    }
}

impl Timeouts {
    /// With so many seconds from a request to end to the kill.
    pub fn with_stop(self, seconds: u32) -> Self {
        Timeouts { stop_ms: seconds.saturating_mul(1000), ..self }
    }

    /// One message, or one answer of a host process.
    pub fn handshake(&self) -> Duration {
        Duration::from_millis(self.handshake_ms.into())
    }

    /// The time from a request to end to the kill.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.stop_ms.into())
    }

    /// The time from that to the end of a callback of master's that hangs: one that comes back by itself is not to be cut off where
    /// there is no grace time.
    pub fn patience(&self) -> Duration {
        self.grace().max(Duration::from_secs(1))
    }
}

/// The decisions of stage 1. Written by PrepareConfig through [`StarterConfig`](super::StarterConfig); read by
/// [`plan`](crate::plan).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Daemon.
    pub instance: bool,
    /// no_new_privs for the container process.
    pub no_new_privs: bool,
    /// A mount namespace shared with master.
    pub master_propagate_mount: bool,
    /// Join a running container: no RPC server, no engine in master.
    pub join_only: bool,
    /// `lo` up in a new network namespace.
    pub bring_loopback: bool,
    /// Propagation of `/` in the new mount namespace.
    pub mount_propagation: Option<Propagation>,
    /// The starter's working directory after stage 1, as stage 1's descriptor number.
    pub working_directory_fd: Option<i32>,
    /// The descriptor that master closes before host clean-up.
    pub image_fd: Option<i32>,
    /// Descriptors that survive stage 1 at the same number. At most 1024.
    pub kept_fds: Vec<i32>,
    /// A larger bounding set of the RPC server, for nvidia-container-cli.
    pub nvidia_capabilities: bool,
    /// Master outside, container inside a new user namespace.
    pub hybrid: bool,
    /// `allow` in /proc/PID/setgroups, and setgroups in the container.
    pub allow_setgroups: bool,
    /// Keep the host's supplementary groups.
    pub no_setgroups: bool,
    /// Id maps; their text has at most 4,094 bytes each.
    pub uid_mappings: Vec<IdMapping>,
    /// As above, for groups.
    pub gid_mappings: Vec<IdMapping>,
    /// The helpers that write maps of more than one id for an ordinary user.
    pub newuidmap: Option<String>,
    /// As above, for groups.
    pub newgidmap: Option<String>,
    /// Namespaces to create.
    pub create: Vec<NamespaceKind>,
    /// Namespaces to join, by path.
    pub join: BTreeMap<NamespaceKind, String>,
    /// Capabilities of the container process.
    pub capabilities: CapabilitySets,
    /// User id of the container process.
    pub target_uid: Option<u32>,
    /// Group ids of the container process, the first being its gid. At most 32.
    pub target_gids: Vec<u32>,
    /// The RPC server serves built-in methods only, without the program's own runtime.
    pub native_rpc: bool,
    /// Limits of the waits.
    pub timeouts: Timeouts,
}
