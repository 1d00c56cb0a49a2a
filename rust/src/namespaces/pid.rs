// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PID namespaces: joined before the clone, since only children enter them; left again by a master with an engine.

use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::config::settings::NamespaceKind;
use crate::error::{Result, Tried};
use crate::namespaces::{Target, join};
use crate::plan::Plan;

/// Step 12: children are born in the joined PID namespace from now on. Returns the host's, if master is to go back to it: with
/// its children in another one it could make no thread (clone(2)), and an engine's helpers would be the container's.
pub fn enter(plan: &Plan, targets: &mut Vec<Target>) -> Result<Option<OwnedFd>> {
    let Some(at) = targets.iter().position(|target| target.kind() == NamespaceKind::Pid) else { return Ok(None) };
    let own = || open("/proc/self/ns/pid", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    let own = if plan.join_only { None } else { Some(own().tried(|| "open the own PID namespace")?) };
    targets.remove(at).join()?;
    Ok(own)
}

/// After the clone: master's later children are born on the host again.
pub fn leave(own: Option<OwnedFd>) -> Result<()> {
    own.map_or(Ok(()), |own| join(own, NamespaceKind::Pid, "/proc/self/ns/pid"))
}
