// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A setuid-root program's way with root's id: put aside before anything is read, taken back for one step or one scope, and
//! given up by each process for what its row of the contract says (`engine/contract.rs`).
//!
//! | call | user ids (real, effective, saved, file system) | effective capabilities |
//! | --- | --- | --- |
//! | [`lower`] | u, u, 0, u | none |
//! | [`regain`] | u, 0, 0, u | the permitted ones but those about files |
//! | [`raise`], a scope | u, 0, 0, 0 | the permitted ones |
//! | [`become_master`] | u, u, u, u | CAP_SETUID, CAP_SETGID |
//! | [`become_server`] | u, u, u, u | CAP_SYS_ADMIN |
//!
//! credentials(7), capabilities(7). To be called with one thread.

use std::process::abort;

use nix::unistd::{Uid, setfsuid, setresuid};
use rustix::thread::CapabilitySet;

use super::posture::set_dumpable;
use super::{Credentials, drop_bounding_set, ids, read_back, set_capabilities, set_gids, set_uids};
use crate::config::settings::CapabilitySets;
use crate::engine::contract::{MASTER_EFFECTIVE, SERVER_BOUNDING, SERVER_BOUNDING_NVIDIA, SERVER_EFFECTIVE};
use crate::error::{Result, Tried};

/// The capabilities that go with a file system user id other than 0 (setfsuid(2), capabilities(7)).
const OF_FILES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::LINUX_IMMUTABLE)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::MAC_OVERRIDE);

/// Puts root's id aside: it stays the saved one.
pub fn lower() -> Result<()> {
    let ([real, ..], [group, ..]) = ids();
    set_gids(group)?;
    set_ids(real, real)?;
    read_back("the effective capabilities", Credentials::read()?.effective, 0)
}

/// Takes root's id back for the steps from the sockets to the roles. Files are the user's still: on a file system that takes
/// root for nobody, root could not find the way.
pub fn regain() -> Result<()> {
    let ([user, ..], _) = ids();
    set_ids(user, 0)?;
    setfsuid(Uid::from_raw(user));
    set_dumpable(false)?;
    read_back("the file system user id", file_uid(), user)?;
    let about_files = Credentials::read()?.effective & OF_FILES.bits();
    read_back("the effective capabilities about files", about_files, 0)
}

/// Root's ids, falling back when this is dropped.
#[must_use = "root's ids fall back at once"]
pub struct Root {
    user: u32,
}

/// Takes root's ids, those for files among them, for a scope.
pub fn raise() -> Result<Root> {
    let ([user, ..], _) = ids();
    set_ids(user, 0)?;
    let root = Root { user };
    read_back("the file system user id", file_uid(), 0)?;
    Ok(root)
}

impl Drop for Root {
    /// A process that cannot give root's ids back must not go on.
    fn drop(&mut self) {
        let lowered = set_ids(self.user, self.user);
        let effective = Credentials::read().map(|is| is.effective);
        if lowered.is_err() || effective.ok() != Some(0) || file_uid() != self.user {
            eprintln!("pinion: cannot take the user's ids again");
            abort();
        }
    }
}

/// Step 17: the user's ids for good, as far as the kernel knows, and the two capabilities with which an engine's clean-up gets
/// root back.
pub fn become_master() -> Result<()> {
    become_user(MASTER_EFFECTIVE)
}

/// Step 15: the user's ids, and what mounts need. `nvidia` is for nvidia-container-cli, which the server then executes.
pub fn become_server(nvidia: bool, known: u64) -> Result<()> {
    drop_bounding_set(known & !if nvidia { SERVER_BOUNDING_NVIDIA } else { SERVER_BOUNDING })?;
    become_user(SERVER_EFFECTIVE)
}

/// Whatever is permitted stays so, nothing is inherited.
fn become_user(effective: u64) -> Result<()> {
    let ([user, ..], _) = ids();
    let permitted = Credentials::read()?.permitted;
    // The securebit of that name, without the capability that setting securebits takes.
    rustix::thread::set_keep_capabilities(true).tried(|| "keep the capabilities over the change of ids")?;
    set_uids(user)?;
    let effective = effective & permitted;
    set_capabilities(&CapabilitySets { permitted, effective, ..Default::default() })
}

/// The saved id is root's. With each change the kernel opens the process to its user where /proc/sys/fs/suid_dumpable is 1.
fn set_ids(real: u32, effective: u32) -> Result<()> {
    setresuid(Uid::from_raw(real), Uid::from_raw(effective), Uid::from_raw(0))
        .tried(|| format!("set the user ids to {real}, {effective} and 0"))?;
    set_dumpable(false)?;
    read_back("the user ids", ids().0, [real, effective, 0])
}

/// An id that is none leaves the present one, which the call returns (setfsuid(2)).
fn file_uid() -> u32 {
    setfsuid(Uid::from_raw(u32::MAX)).as_raw()
}
