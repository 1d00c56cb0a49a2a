// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the policy of the setuid flow says to a bundle's mounts, and what it adds to their options. Without a policy in
//! this server the options stay as they are.
//!
//! It is not asked about what only takes rights away (masked and read-only paths), nor how mounts travel: the mount
//! namespace is cut off from the host's.

use std::borrow::Cow;
use std::os::fd::BorrowedFd;

use super::tree;
use crate::engines::oci::options::{self, IdMap, MountOptions};
use crate::error::Result;
use crate::policy::{self, Forced, MountRequest, Server};

/// Nobody takes these from a mount that has them.
const RESTRICTIONS: u64 = options::RDONLY | options::NOSUID | options::NODEV | options::NOEXEC | options::NOSYMFOLLOW;

/// The options of a new file system.
pub fn new<'a>(filesystem: &str, options: &'a MountOptions) -> Result<Cow<'a, MountOptions>> {
    let Some(policy) = policy::server() else { return Ok(Cow::Borrowed(options)) };
    owners(policy, options)?;
    let flags = options.filesystem | tree::old_flags(options.mount.set);
    let forced = policy.permits_filesystem(filesystem.as_bytes(), flags, options.data.join(",").as_bytes())?;
    Ok(Cow::Owned(restricted(options, forced)))
}

/// The options with which something that was opened is shown at another place (`MS_BIND`), or changed where it is
/// (`MS_REMOUNT`).
pub fn shown<'a>(flags: u64, opened: BorrowedFd<'_>, options: &'a MountOptions) -> Result<Cow<'a, MountOptions>> {
    let Some(policy) = policy::server() else { return Ok(Cow::Borrowed(options)) };
    owners(policy, options)?;
    let mut restricted = restricted(options, policy.permits_shown(flags, opened)?);
    if flags & libc::MS_REC != 0 {
        restricted.tree.set |= restricted.mount.set & (options::NOSUID | options::NODEV);
    }
    Ok(Cow::Owned(restricted))
}

/// What a root has to have that shows an opened directory.
pub fn root(opened: BorrowedFd<'_>) -> Result<MountOptions> {
    shown(libc::MS_BIND | libc::MS_REC, opened, &MountOptions::default()).map(Cow::into_owned)
}

fn owners(policy: &Server, options: &MountOptions) -> Result<()> {
    let request = MountRequest { id_map: options.id_map != IdMap::No, flags: libc::MS_PRIVATE, ..Default::default() };
    policy.permits(&request).map(drop)
}

fn restricted(options: &MountOptions, forced: Forced) -> MountOptions {
    let mut options = options.clone();
    options.mount.set |= tree::new_flags(forced.flags);
    options.mount.clear &= !RESTRICTIONS;
    options.tree.clear &= !RESTRICTIONS;
    options.data.extend(forced.data.map(str::to_owned));
    options
}
