// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts that hang nowhere yet: made, furnished with attributes, and only then attached to a directory by its
//! descriptor. Where the kernel lacks the calls (before Linux 5.2, and 5.12 for attributes) mount(2) on the
//! directory's name in /proc/self/fd does the same.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MsFlags;
use rustix::fs::CWD;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use crate::engines::oci::options::{self, Attributes, IdMap, MountOptions};
use crate::ffi::sys::mount::{self, MountAttributes};
use crate::policy;

/// What mount(2) takes for each attribute.
const OLD_FLAGS: &[(u64, u64)] = &[
    (options::RDONLY, libc::MS_RDONLY),
    (options::NOSUID, libc::MS_NOSUID),
    (options::NODEV, libc::MS_NODEV),
    (options::NOEXEC, libc::MS_NOEXEC),
    (options::NODIRATIME, libc::MS_NODIRATIME),
    (options::NOSYMFOLLOW, libc::MS_NOSYMFOLLOW),
    (options::NOATIME, libc::MS_NOATIME),
    (options::STRICTATIME, libc::MS_STRICTATIME),
];

/// Words of fsconfig(2) for the flags of a file system. `silent` and `iversion` have none.
const FLAG_WORDS: &[(u64, &str)] = &[
    (libc::MS_SYNCHRONOUS, "sync"),
    (libc::MS_DIRSYNC, "dirsync"),
    (libc::MS_MANDLOCK, "mand"),
    (libc::MS_LAZYTIME, "lazytime"),
];

/// Stands in front of each of the newer calls, so that a test can take them away from its thread.
fn available() -> Result<(), Errno> {
    #[cfg(test)]
    if tests::OLD_KERNEL.get() {
        return Err(Errno::ENOSYS);
    }
    Ok(())
}

/// A mount of a new file system, not attached. ENOSYS where only mount(2) can make it.
pub fn new(filesystem: &str, source: &str, options: &MountOptions) -> Result<OwnedFd, Errno> {
    available()?;
    let words = FLAG_WORDS.iter().fold(0, |words, (flag, _)| words | flag);
    if options.filesystem & !words != 0 {
        return Err(Errno::ENOSYS);
    }
    let context = rustix::mount::fsopen(filesystem, FsOpenFlags::FSOPEN_CLOEXEC).map_err(old)?;
    let context = context.as_fd();
    if !source.is_empty() {
        rustix::mount::fsconfig_set_string(context, "source", source).map_err(old)?;
    }
    // As with mount(2), `ro` is for the mount and for the file system that is new.
    let read_only = (options.mount.set & options::RDONLY != 0).then_some("ro");
    let flags = FLAG_WORDS.iter().filter(|(flag, _)| options.filesystem & flag != 0).map(|(_, word)| *word);
    for word in flags.chain(read_only) {
        rustix::mount::fsconfig_set_flag(context, word).map_err(old)?;
    }
    for word in &options.data {
        match word.split_once('=') {
            Some((key, value)) => rustix::mount::fsconfig_set_string(context, key, value),
            None => rustix::mount::fsconfig_set_flag(context, word.as_str()),
        }
        .map_err(old)?;
    }
    rustix::mount::fsconfig_create(context).map_err(old)?;
    let attributes = u32::try_from(options.mount.set).map_err(|_| Errno::EINVAL)?;
    let attributes = MountAttrFlags::from_bits_retain(attributes);
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(old)
}

/// A copy of the mount at a path of the host, with those beneath it or without, not attached.
pub fn copy(source: &Path, flags: u64) -> Result<OwnedFd, Errno> {
    available()?;
    apart(rustix::mount::open_tree(CWD, source, copy_flags(flags)).map_err(old))
}

/// As [`copy`], of what a descriptor stands for.
pub fn copy_of(source: BorrowedFd<'_>, flags: u64) -> Result<OwnedFd, Errno> {
    available()?;
    apart(rustix::mount::open_tree(source, "", copy_flags(flags) | OpenTreeFlags::AT_EMPTY_PATH).map_err(old))
}

/// Under a policy a copy is no peer of its source, which would hand on to the host's tree what is mounted on it. There
/// is no older way to that then.
fn apart(copy: Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    if policy::server().is_none() {
        return copy;
    }
    let slave = MountAttributes { propagation: libc::MS_SLAVE, recursive: true, ..Default::default() };
    let done = copy.and_then(|copy| match mount::mount_setattr(&copy, slave) {
        Ok(()) => Ok(copy),
        Err(error) => Err(Errno::from_raw(error.errno().unwrap_or(libc::EIO))),
    });
    done.map_err(|errno| if errno == Errno::ENOSYS { Errno::EOPNOTSUPP } else { errno })
}

fn copy_flags(flags: u64) -> OpenTreeFlags {
    let tree = if flags & libc::MS_REC != 0 { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | tree
}

/// Attaches a mount to what a descriptor stands for.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", target, "", flags).map_err(old)
}

/// Changes attributes of a mount by its root, or of the tree beneath it too.
pub fn change(mount: BorrowedFd<'_>, tree: bool, attributes: Attributes) -> Result<(), Errno> {
    if attributes.is_empty() {
        return Ok(());
    }
    let change =
        MountAttributes { set: attributes.set, clear: attributes.clear, recursive: tree, ..Default::default() };
    match set_attributes(mount, change) {
        // What mount(2) changes is one mount.
        Err(Errno::ENOSYS) if !tree => remount(mount, attributes),
        result => result,
    }
}

/// Shows the mount's owners through the id maps of a user namespace. The mount must not be attached yet.
pub fn map_ids(mount: BorrowedFd<'_>, which: IdMap, user_namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    let change = MountAttributes {
        set: libc::MOUNT_ATTR_IDMAP,
        user_namespace: Some(user_namespace),
        recursive: which == IdMap::Tree,
        ..Default::default()
    };
    set_attributes(mount, change)
}

fn set_attributes(mount: BorrowedFd<'_>, change: MountAttributes<'_>) -> Result<(), Errno> {
    available()?;
    mount::mount_setattr(mount, change).map_err(|error| Errno::from_raw(error.errno().unwrap_or(libc::EIO)))
}

/// Changes how mount events travel, in the order of the words.
pub fn propagate(mount: BorrowedFd<'_>, words: &[u64]) -> Result<(), Errno> {
    words.iter().try_for_each(|word| {
        let (propagation, recursive) = (word & !libc::MS_REC, word & libc::MS_REC != 0);
        let change = MountAttributes { propagation, recursive, ..Default::default() };
        match set_attributes(mount, change) {
            Err(Errno::ENOSYS) => old_mount(None, mount, None, *word, None),
            result => result,
        }
    })
}

/// A new file system by mount(2), attached at once.
pub fn old_new(filesystem: &str, source: &str, options: &MountOptions, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let data = options.data.join(",");
    let flags = options.filesystem | old_flags(options.mount.set);
    old_mount(Some(source), target, Some(filesystem), flags, Some(&data))
}

/// A bind mount by mount(2), attached at once.
pub fn old_bind(source: &Path, flags: u64, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MsFlags::from_bits_retain(flags | libc::MS_BIND);
    nix::mount::mount(Some(source), name(target).as_str(), None::<&str>, flags, None::<&str>)
}

/// Changes an existing file system and its mount, as `mount -o remount` does.
pub fn old_remount(options: &MountOptions, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let data = options.data.join(",");
    let flags = libc::MS_REMOUNT | options.filesystem | old_flags(options.mount.set);
    old_mount(None, target, None, flags, Some(&data))
}

/// The name by which a call that takes only paths reaches a descriptor.
pub fn name(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn remount(mount: BorrowedFd<'_>, attributes: Attributes) -> Result<(), Errno> {
    let present = rustix::fs::fstatvfs(mount).map_err(old)?.f_flag.bits();
    // The kernel reports a mount's attributes by the numbers of mount(2), but for relatime, which is its default.
    let present = present & OLD_FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
    let flags = (present & !old_flags(attributes.clear)) | old_flags(attributes.set);
    old_mount(None, mount, None, libc::MS_REMOUNT | libc::MS_BIND | flags, None)
}

/// The flags of mount(2) for attributes.
pub fn old_flags(attributes: u64) -> u64 {
    OLD_FLAGS.iter().filter(|(bits, _)| attributes & bits == *bits).fold(0, |flags, (_, flag)| flags | flag)
}

/// The attributes for flags of mount(2).
pub fn new_flags(flags: u64) -> u64 {
    OLD_FLAGS.iter().filter(|(_, flag)| flags & flag != 0).fold(0, |attributes, (bits, _)| attributes | bits)
}

fn old_mount(
    source: Option<&str>,
    target: BorrowedFd<'_>,
    filesystem: Option<&str>,
    flags: u64,
    data: Option<&str>,
) -> Result<(), Errno> {
    let target = name(target);
    nix::mount::mount(source, target.as_str(), filesystem, MsFlags::from_bits_retain(flags), data)
}

fn old(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Whether this thread's kernel has but mount(2).
        pub(in super::super) static OLD_KERNEL: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn attributes_have_numbers_of_mount_2() {
        assert_eq!(old_flags(options::RDONLY | options::NOSUID), libc::MS_RDONLY | libc::MS_NOSUID);
        assert_eq!(old_flags(options::STRICTATIME), libc::MS_STRICTATIME);
        assert_eq!(
            old_flags(options::ATIME),
            libc::MS_NOATIME | libc::MS_STRICTATIME,
            "clearing the way to keep access times clears each of them"
        );
    }
}
