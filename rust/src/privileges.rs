// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Credentials: read from the kernel, dropped for good, and applied to the container process in the order of
//! step 16. After every change the kernel is asked what is true now, and a difference ends the process.
//!
//! All of this is per thread in the kernel; it is called while the process has one thread. Only a death signal may be armed
//! later, for the thread that will execute a program.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::process::Signal;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet};
use serde::Serialize;

use crate::config::names::capability_names;
use crate::config::settings::CapabilitySets;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::process::{capabilities, ids};

pub mod posture;
pub mod setuid;

/// What the kernel says of the calling thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// User ids: real, effective, saved.
    pub uid: [u32; 3],
    /// Group ids: real, effective, saved.
    pub gid: [u32; 3],
    /// Effective capabilities.
    pub effective: u64,
    /// Permitted capabilities.
    pub permitted: u64,
    /// Inheritable capabilities.
    pub inheritable: u64,
}

impl Credentials {
    /// Reads them: getresuid(2), getresgid(2), capget(2).
    pub fn read() -> Result<Self> {
        let (uid, gid) = ids();
        let [effective, permitted, inheritable] = capabilities().tried(|| "read the capabilities")?;
        Ok(Credentials { uid, gid, effective, permitted, inheritable })
    }

    /// Whether an engine of the setuid flow has got root back in this thread and put it aside again, by its own raw calls: the
    /// user's ids, root's saved, nothing effective. The contract takes that for what it had before.
    pub fn has_put_root_aside(&self) -> bool {
        let [user, ..] = self.uid;
        user != 0 && self.uid == [user, user, 0] && self.effective == 0
    }
}

/// Drops to the real user for good: all ids the real ones, and unless that user is root, no capabilities.
pub fn drop_for_good() -> Result<()> {
    let ([uid, ..], [gid, ..]) = ids();
    set_gids(gid)?;
    set_uids(uid)?;
    if uid != 0 {
        let none = CapabilitySets::default();
        set_capabilities(&none)?;
    }
    Ok(())
}

/// Takes the user id 0, the group id 0 or both of a new user namespace, in which the calling process has all capabilities.
/// Groups stay, and so does what others may see of the process: one that changes its ids is hidden even from master, which has
/// to enter its mount namespace.
pub fn become_root_of_namespace(user: bool, group: bool) -> Result<()> {
    let visible = posture::is_dumpable()?;
    if group {
        set_gids(0)?;
    }
    if user {
        set_uids(0)?;
    }
    posture::set_dumpable(visible)
}

/// After its maps are written: in a new user namespace that a setuid-root program has cloned, root's saved id has no number.
pub fn forget_saved_ids() -> Result<()> {
    let ([_, uid, _], [_, gid, _]) = ids();
    set_gids(gid)?;
    set_uids(uid)
}

/// A process that changes its ids is closed to its user, as the kernel has it unless /proc/sys/fs/suid_dumpable says otherwise.
fn set_uids(uid: u32) -> Result<()> {
    if ids().0 == [uid; 3] {
        return Ok(());
    }
    let id = Uid::from_raw(uid);
    let set = setresuid(id, id, id).tried(|| format!("set all user ids to {uid}"));
    set.map_err(|error| takes(error, CapabilitySet::SETUID))?;
    posture::set_dumpable(false)?;
    read_back("user ids", ids().0, [uid; 3])
}

fn set_gids(gid: u32) -> Result<()> {
    if ids().1 == [gid; 3] {
        return Ok(());
    }
    let id = Gid::from_raw(gid);
    let set = setresgid(id, id, id).tried(|| format!("set all group ids to {gid}"));
    set.map_err(|error| takes(error, CapabilitySet::SETGID))?;
    posture::set_dumpable(false)?;
    read_back("group ids", ids().1, [gid; 3])
}

fn read_back<T: PartialEq + std::fmt::Debug>(what: &str, is: T, wanted: T) -> Result<()> {
    if is == wanted {
        return Ok(());
    }
    Err(Error::system(format!("set {what} to {wanted:?}: the kernel accepted it but says {is:?}"), libc::EPERM))
}

fn set_capabilities(sets: &CapabilitySets) -> Result<()> {
    let wanted = rustix::thread::CapabilitySets {
        effective: CapabilitySet::from_bits_retain(sets.effective),
        permitted: CapabilitySet::from_bits_retain(sets.permitted),
        inheritable: CapabilitySet::from_bits_retain(sets.inheritable),
    };
    let is = rustix::thread::capabilities(None).tried(|| "read the capabilities")?;
    if is == wanted {
        return Ok(());
    }
    rustix::thread::set_capabilities(None, wanted).tried(|| {
        format!(
            "set the capabilities to permitted {:#x}, effective {:#x}, inheritable {:#x} (permitted now {:#x})",
            sets.permitted, sets.effective, sets.inheritable, is.permitted
        )
    })?;
    let is = rustix::thread::capabilities(None).tried(|| "read the capabilities")?;
    read_back("the capabilities", is, wanted)
}

/// What the container process gets before it executes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContainerPrivileges {
    /// User id inside the container; its own if absent.
    pub uid: Option<u32>,
    /// Group ids inside the container, the first being the gid.
    pub gids: Vec<u32>,
    /// Whether setgroups is allowed although the user id is not 0.
    pub allow_setgroups: bool,
    /// Whether the supplementary groups stay the host's.
    pub keep_groups: bool,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// The five capability sets.
    pub capabilities: CapabilitySets,
}

impl ContainerPrivileges {
    /// Refuses a target user without a target group, of a container process that runs as this user and could become the target.
    pub fn has_group(&self, uid: u32) -> Result<()> {
        if uid == 0 && self.uid.is_some_and(|target| target != 0) && self.gids.is_empty() {
            let text = "a target user id without a target group id: the container would keep the caller's groups";
            return Err(Error::new(ErrorKind::Refused, text));
        }
        Ok(())
    }
}

/// Applies the container's privileges to the calling process, in the order that step 16 gives. `known` are the capabilities
/// that the kernel knows.
pub fn apply(wanted: &ContainerPrivileges, known: u64) -> Result<()> {
    let sets = masked(&wanted.capabilities, known);
    let now = Credentials::read()?;
    wanted.has_group(now.uid[0])?;
    let missing = (sets.effective | sets.permitted) & !now.permitted;
    if missing != 0 {
        return Err(Error::invalid(format!(
            "{} cannot be given to the container: it asks for effective {:#x}, permitted {:#x}; {:#x} is permitted here",
            capability_names(missing).join(" "),
            sets.effective,
            sets.permitted,
            now.permitted
        ))
        .with_help("leave it out of the container's capabilities, or start where it is permitted"));
    }
    drop_bounding_set(known & !sets.bounding)?;
    // Outlives the change of ids; exec clears it.
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::KEEP_CAPS)
        .tried(|| "keep the capabilities over the change of ids")?;
    apply_ids(wanted, now.uid[0])?;
    if wanted.no_new_privs {
        rustix::thread::set_no_new_privs(true).tried(|| "set no_new_privs")?;
        read_back("no_new_privs", rustix::thread::no_new_privs().tried(|| "read no_new_privs")?, true)?;
    }
    set_capabilities(&sets)?;
    // An init shim never executes, which would clear it.
    rustix::thread::set_keep_capabilities(false).tried(|| "stop keeping the capabilities")?;
    raise_ambient(sets.ambient)
}

fn apply_ids(wanted: &ContainerPrivileges, uid_now: u32) -> Result<()> {
    let may_set_groups = uid_now == 0 || wanted.allow_setgroups;
    if let (true, Some(gid)) = (may_set_groups, wanted.gids.first()) {
        set_gids(*gid)?;
        if !wanted.keep_groups {
            let groups: Vec<Gid> = wanted.gids.iter().copied().map(Gid::from_raw).collect();
            let set = setgroups(&groups).tried(|| format!("set the supplementary groups to {:?}", wanted.gids));
            set.map_err(|error| takes(error, CapabilitySet::SETGID))?;
        }
    }
    set_uids(if uid_now == 0 { wanted.uid.unwrap_or(uid_now) } else { uid_now })
}

/// The error of something that takes capabilities: where the kernel has refused it to a process without them, it names
/// them.
pub fn takes(error: Error, needed: CapabilitySet) -> Error {
    let lacking = rustix::thread::capabilities(None).map_or(needed, |is| needed - is.effective);
    if error.errno() != Some(libc::EPERM) || lacking.is_empty() {
        return error;
    }
    error.with_help(format!("this takes {}, which this process lacks", capability_names(lacking.bits()).join(" and ")))
}

fn masked(sets: &CapabilitySets, known: u64) -> CapabilitySets {
    CapabilitySets {
        permitted: sets.permitted & known,
        effective: sets.effective & known,
        inheritable: sets.inheritable & known,
        bounding: sets.bounding & known,
        ambient: sets.ambient & known,
    }
}

/// The capabilities that this kernel knows. It is asked, by halving: a constant would miss those of a newer kernel.
pub fn known_capabilities() -> Result<u64> {
    let (mut known, mut unknown) = (0, 64);
    while unknown - known > 1 {
        let middle = (known + unknown) / 2;
        match rustix::thread::capability_is_in_bounding_set(CapabilitySet::from_bits_retain(1 << middle)) {
            Ok(_) => known = middle,
            Err(rustix::io::Errno::INVAL) => unknown = middle,
            Err(errno) => return Err(errno).tried(|| "read the bounding set"),
        }
    }
    Ok(u64::MAX >> (63 - known))
}

/// Drops them from the bounding set. One that was not in it is no error.
fn drop_bounding_set(dropped: u64) -> Result<()> {
    for bit in (0..64).filter(|bit| dropped & (1 << bit) != 0) {
        let removed = rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit));
        let tried = || format!("drop {} from the bounding set", capability_names(1 << bit).join(" "));
        removed.tried(tried).map_err(|error| takes(error, CapabilitySet::SETPCAP))?;
    }
    Ok(())
}

fn raise_ambient(ambient: u64) -> Result<()> {
    rustix::thread::clear_ambient_capability_set().tried(|| "clear the ambient set")?;
    for bit in (0..64).filter(|bit| ambient & (1 << bit) != 0) {
        rustix::thread::configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << bit), true)
            .tried(|| format!("raise {} in the ambient set", capability_names(1 << bit).join(" ")))?;
    }
    Ok(())
}

/// Asks for `signal` when the parent dies, or for none, and reads it back. The kernel forgets it at each change of credentials,
/// so this is called again after one.
pub fn set_death_signal(signal: Option<Signal>) -> Result<()> {
    rustix::process::set_parent_process_death_signal(signal).tried(|| "set the parent-death signal")?;
    let is = rustix::process::parent_process_death_signal().tried(|| "read the parent-death signal")?;
    read_back("the parent-death signal", posture::number_of(is), posture::number_of(signal))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_knows_what_its_own_file_says() {
        let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("file");
        let last: u32 = last.trim().parse().expect("number");
        assert_eq!(super::known_capabilities().expect("known"), u64::MAX >> (63 - last));
    }
}
