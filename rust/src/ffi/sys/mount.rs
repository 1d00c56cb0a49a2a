// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one mount call that neither rustix nor nix offers. openat2, open_tree, move_mount, pivot_root and the classic
//! ones are called through those.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::error::{Error, Result};

/// What [`mount_setattr`] changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountAttributes<'fd> {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0 to leave the propagation as it is.
    pub propagation: u64,
    /// With `MOUNT_ATTR_IDMAP` set: the user namespace whose id maps the mount shows.
    pub user_namespace: Option<BorrowedFd<'fd>>,
    /// Also every mount below.
    pub recursive: bool,
}

/// mount_setattr(2) on an open mount: all mounts change, or none. Linux 5.12 on; older ones answer `ENOSYS`.
pub fn mount_setattr(mount: impl AsFd, change: MountAttributes<'_>) -> Result<()> {
    let userns_fd = match change.user_namespace {
        Some(fd) => u64::try_from(fd.as_raw_fd()).map_err(|_| Error::system("use a user namespace", libc::EBADF))?,
        None => 0,
    };
    let attributes =
        libc::mount_attr { attr_set: change.set, attr_clr: change.clear, propagation: change.propagation, userns_fd };
    let flags = libc::AT_EMPTY_PATH | if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, and the kernel reads the size given from the attributes, which outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result != 0 {
        let what = format!("change mount attributes (set {:#x}, clear {:#x})", change.set, change.clear);
        return Err(Error::system(what, Errno::last_raw()));
    }
    Ok(())
}
