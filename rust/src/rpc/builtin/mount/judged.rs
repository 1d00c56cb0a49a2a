// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounting on a descriptor as a policy lets it: it is asked about what was opened, and just that is mounted, with what
//! it adds before anybody can reach it. A kernel that lacks the calls for this (before Linux 5.12) binds nothing.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, fstat, open, statfs};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::MountArgs;
use super::onto::{self, Action, DESCRIPTORS};
use crate::error::{Error, ErrorKind, Result, Tried, errno_text};
use crate::ffi::sys::mount::{MountAttributes, mount_setattr};
use crate::policy::{Forced, Server};
use crate::rpc::builtin::host::Host;

/// Nobody takes these from a mount that has them.
pub const RESTRICTIONS: u64 = libc::MOUNT_ATTR_RDONLY
    | libc::MOUNT_ATTR_NOSUID
    | libc::MOUNT_ATTR_NODEV
    | libc::MOUNT_ATTR_NOEXEC
    | libc::MOUNT_ATTR_NOSYMFOLLOW;

/// mount(2) with the opened `target` in its target's place.
pub fn mount_onto(policy: &Server, host: &Host, args: &MountArgs, target: BorrowedFd<'_>) -> Result<()> {
    match onto::action(args.flags) {
        Action::Bind { recursive } => bind(policy, host, args, target, recursive),
        Action::Change { set, clear, propagation: 0, .. } => {
            let forced = attributes(policy.permits_shown(args.flags, target)?);
            let change = MountAttributes { set: set | forced, clear: clear & !RESTRICTIONS, ..Default::default() };
            mount_setattr(target, change)
        }
        Action::Change { .. } => {
            policy.permits_filesystem(&[], args.flags, &[])?;
            kernel(onto::mount_onto(args, target))
        }
        Action::Move | Action::Other => new(policy, host, args, target),
    }
}

fn bind(policy: &Server, host: &Host, args: &MountArgs, target: BorrowedFd<'_>, recursive: bool) -> Result<()> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    let tree = open_tree(CWD, &args.source[..], flags).tried(|| "open the source")?;
    let set = attributes(policy.permits_shown(args.flags, tree.as_fd())?);
    // As a peer of its source it would hand on to the host's tree what is mounted on it.
    let propagation = libc::MS_SLAVE;
    mount_setattr(&tree, MountAttributes { set, propagation, recursive, ..Default::default() })?;
    host.permits_target(target)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, c"", target, c"", flags).tried(|| "attach it")
}

/// A new file system. A block device is mounted by the descriptor that was looked at.
fn new(policy: &Server, host: &Host, args: &MountArgs, target: BorrowedFd<'_>) -> Result<()> {
    let opened = open(args.source.as_path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
    let is_block = |fd: &_| fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice);
    let device = opened.filter(is_block);
    let mut args = args.clone();
    let forced = match &device {
        Some(device) => policy.permits_image(&args.filesystem, args.flags, &args.data, device.as_fd())?,
        None => policy.permits_filesystem(&args.filesystem, args.flags, &args.data)?,
    };
    host.permits_target(target)?;
    if let Some(device) = &device {
        if !statfs(DESCRIPTORS).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC) {
            return Err(Error::new(
                ErrorKind::Refused,
                "a block device is mounted by its descriptor, which takes /proc",
            ));
        }
        args.source = format!("{DESCRIPTORS}/{}", device.as_raw_fd()).into();
    }
    args.flags |= forced.flags;
    if let Some(option) = forced.data {
        let comma: &[u8] = if args.data.is_empty() { b"" } else { b"," };
        args.data = [&args.data, comma, option.as_bytes()].concat().into();
    }
    kernel(onto::mount_onto(&args, target))
}

fn attributes(forced: Forced) -> u64 {
    onto::attributes(forced.flags).0
}

/// The reason alone: what was tried is said by the caller.
fn kernel(result: nix::Result<()>) -> Result<()> {
    result.map_err(|errno| Error::new(ErrorKind::System, errno_text(errno as i32)).with_errno(errno as i32))
}
