// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes of mounts by descriptor: mount_setattr(2), which no safe crate offers yet.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// What to change on a mount.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'fd> {
    /// MOUNT_ATTR_* bits to set.
    pub set: u64,
    /// MOUNT_ATTR_* bits to clear.
    pub clear: u64,
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; 0 for no change.
    pub propagation: u64,
    /// The user namespace whose id maps the mount shows, with MOUNT_ATTR_IDMAP set.
    pub user_namespace: Option<BorrowedFd<'fd>>,
}

/// Changes the mount that `mount` is the root of, or the whole tree of mounts beneath it.
pub fn mount_setattr(mount: BorrowedFd<'_>, tree: bool, change: Change<'_>) -> Result<(), Errno> {
    let userns_fd = match change.user_namespace {
        Some(fd) => u64::try_from(fd.as_raw_fd()).map_err(|_| Errno::EBADF)?,
        None => 0,
    };
    let attributes =
        libc::mount_attr { attr_set: change.set, attr_clr: change.clear, propagation: change.propagation, userns_fd };
    let flags = libc::AT_EMPTY_PATH | if tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, the attributes are valid for the call and of the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(Errno::last()) }
}
