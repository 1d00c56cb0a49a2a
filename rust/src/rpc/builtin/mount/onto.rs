// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounting on a descriptor. What mount(2) does with its flags has a call of its own on newer kernels for binds, moves,
//! attributes and propagation, which takes the target as the descriptor that it is. Whatever such a call refuses is put
//! to mount(2), with the descriptor's name in proc: where the call is missing or filtered this does the work, and
//! elsewhere it decides on the errno that callers know.
//!
//! New file systems go to mount(2) at once. fsopen(2) and its like would need six calls more, take no value of more than
//! 255 bytes (an overlay's layers have more), and each file system divides its options in its own way; and the target
//! is held by its descriptor either way.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, statfs};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::MountArgs;
use crate::ffi::sys::mount::{MountAttributes, mount_setattr};

/// What mount(2) does with its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts a mount's tree on the target as well.
    Bind { recursive: bool },
    /// Moves a mount to the target.
    Move,
    /// Changes the mount at the target: `MOUNT_ATTR_*` bits, `MS_*` of the propagation.
    Change { set: u64, clear: u64, propagation: u64, recursive: bool },
    /// Anything else: a new file system, a new state of one, combinations that are refused.
    Other,
}

/// The flags in the order in which mount(2) looks at them.
pub fn action(flags: u64) -> Action {
    // Once all callers had to set these bits; some of them mean something else today.
    let flags = if flags & libc::MS_MGC_MSK == libc::MS_MGC_VAL { flags & !libc::MS_MGC_MSK } else { flags };
    let has = |bits: u64| flags & bits == bits;
    let propagations = libc::MS_SHARED | libc::MS_PRIVATE | libc::MS_SLAVE | libc::MS_UNBINDABLE;
    if flags >= NO_USER {
        Action::Other
    } else if has(libc::MS_REMOUNT | libc::MS_BIND) {
        let (set, clear) = attributes(flags);
        Action::Change { set, clear, propagation: 0, recursive: false }
    } else if has(libc::MS_REMOUNT) {
        Action::Other
    } else if has(libc::MS_BIND) {
        Action::Bind { recursive: has(libc::MS_REC) }
    } else if flags & propagations != 0 {
        let propagation = flags & !(libc::MS_REC | libc::MS_SILENT);
        match propagation.is_power_of_two() {
            true => Action::Change { set: 0, clear: 0, propagation, recursive: has(libc::MS_REC) },
            false => Action::Other,
        }
    } else if has(libc::MS_MOVE) {
        Action::Move
    } else {
        Action::Other
    }
}

/// `MS_NOUSER`, the highest flag: refused by mount(2) whatever else is asked, as what lies above it is by newer kernels.
const NO_USER: u64 = 1 << 31;

/// What the flags of a remounted bind set and clear. Each attribute is as its flag says; those of access times stay if
/// no flag speaks of them.
pub fn attributes(flags: u64) -> (u64, u64) {
    const PLAIN: [(u64, u64); 5] = [
        (libc::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
        (libc::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
        (libc::MS_NODEV, libc::MOUNT_ATTR_NODEV),
        (libc::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
        (libc::MS_NOSYMFOLLOW, libc::MOUNT_ATTR_NOSYMFOLLOW),
    ];
    const ACCESS_TIMES: u64 = libc::MS_NOATIME | libc::MS_NODIRATIME | libc::MS_RELATIME | libc::MS_STRICTATIME;
    let (mut set, mut clear) = (0, 0);
    for (flag, attribute) in PLAIN {
        *if flags & flag != 0 { &mut set } else { &mut clear } |= attribute;
    }
    if flags & ACCESS_TIMES != 0 {
        // These are one number, which is cleared as a whole.
        clear |= libc::MOUNT_ATTR__ATIME;
        set |= match flags {
            _ if flags & libc::MS_STRICTATIME != 0 => libc::MOUNT_ATTR_STRICTATIME,
            _ if flags & libc::MS_NOATIME != 0 => libc::MOUNT_ATTR_NOATIME,
            _ => libc::MOUNT_ATTR_RELATIME,
        };
        let directories = libc::MOUNT_ATTR_NODIRATIME;
        *if flags & libc::MS_NODIRATIME != 0 { &mut set } else { &mut clear } |= directories;
    }
    (set, clear)
}

/// mount(2) with the opened `target` in its target's place. A failure leaves nothing behind.
pub fn mount_onto(args: &MountArgs, target: BorrowedFd<'_>) -> nix::Result<()> {
    let action = action(args.flags);
    match by_descriptor(action, args, target) {
        Ok(()) => Ok(()),
        Err(refused) => by_name(action, args, target, refused),
    }
}

fn by_descriptor(action: Action, args: &MountArgs, target: BorrowedFd<'_>) -> nix::Result<()> {
    let put = |from: BorrowedFd<'_>, name: &[u8], flags| {
        move_mount(from, name, target, c"", flags | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH).map_err(classic)
    };
    match action {
        // mount(2) cannot be given a NUL, not even in what it does not look at.
        _ if [&args.filesystem, &args.data].iter().any(|text| text.contains(&0)) => Err(Errno::EINVAL),
        Action::Bind { recursive } => {
            let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
            // Until it is put somewhere, the tree goes with its descriptor.
            let tree = open_tree(CWD, &args.source[..], flags).map_err(classic)?;
            put(tree.as_fd(), b"", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        }
        Action::Move => put(CWD, &args.source, MoveMountFlags::MOVE_MOUNT_F_SYMLINKS),
        Action::Change { set, clear, propagation, recursive } => {
            let change = MountAttributes { set, clear, propagation, user_namespace: None, recursive };
            mount_setattr(target, change).map_err(|error| Errno::from_raw(error.errno().unwrap_or(libc::EIO)))
        }
        Action::Other => Err(Errno::ENOSYS),
    }
}

/// Where descriptors have names, if proc is mounted.
pub const DESCRIPTORS: &str = "/proc/self/fd";

/// mount(2) itself. `refused` is what the newer calls said.
fn by_name(action: Action, args: &MountArgs, target: BorrowedFd<'_>, refused: Errno) -> nix::Result<()> {
    // Whatever else a container's image has there must not say where a mount goes.
    if statfs(DESCRIPTORS).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC) {
        return mount_at(args, &args.source, &format!("{DESCRIPTORS}/{}", target.as_raw_fd()));
    }
    // The container has its own root already and no proc yet. A directory has a name as working directory as well;
    // that of the container process, which is the same, is put back. (An overlay's layers have to be absolute then.)
    let mut source = args.source.to_vec();
    let of_a_mount = matches!(action, Action::Bind { .. } | Action::Move);
    if of_a_mount && !source.is_empty() && !source.starts_with(b"/") {
        let here = rustix::process::getcwd(Vec::new()).map_err(classic)?;
        source = [here.as_bytes(), b"/", &source].concat();
    }
    let before = rustix::fs::open(".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(classic)?;
    match rustix::process::fchdir(target).map_err(classic) {
        // A file has no other name.
        Err(Errno::ENOTDIR) if action != Action::Other => return Err(refused),
        entered => entered?,
    }
    let result = mount_at(args, &source, ".");
    rustix::process::fchdir(&before).map_err(classic)?;
    result
}

fn mount_at(args: &MountArgs, source: &[u8], place: &str) -> nix::Result<()> {
    // As Go passes them: empty ones are there, but for the data.
    let data = (!args.data.is_empty()).then_some(&args.data[..]);
    let flags = MsFlags::from_bits_retain(args.flags as libc::c_ulong);
    mount(Some(source), place, Some(&args.filesystem[..]), flags, data)
}

fn classic(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}
