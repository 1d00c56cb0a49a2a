// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount: any mount(2), with its target beneath a root.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, statfs};
use rustix::thread::CapabilitySet;

use super::registered::GoError;
use super::{Builtin, Resolver, raise};
use crate::error::{CallbackError, errno_text};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::beneath::{self, Want};

gob_struct! {
    /// The arguments of Mount.
    pub struct MountArgs as "MountArgs" {
        /// The root; empty is `/`.
        pub root: ByteString as "Root",
        /// As in mount(2); not confined to the root.
        pub source: ByteString as "Source",
        /// A path under the root, or relative to it.
        pub target: ByteString as "Target",
        /// The file system's type, or empty.
        pub filesystem: ByteString as "Filesystem",
        /// The bits of mount(2).
        pub flags: u64 as "Mountflags" ("uintptr"),
        /// The file system's options, or empty.
        pub data: ByteString as "Data",
    }
}

gob_struct! {
    /// The reply of Mount: all zero is success.
    pub struct MountErrorReply as "MountErrorReply" {
        /// What was tried, on what, and why it failed.
        pub message: ByteString as "Message",
        /// The errno of the call that failed.
        pub errno: u64 as "Errno" ("syscall.Errno"),
        /// Whether something was not there.
        pub is_not_exist: bool as "IsNotExist",
        /// Whether a right was lacking.
        pub is_permission: bool as "IsPermission",
    }
}

/// The wire form of Mount's reply; products differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountReply {
    /// A [`MountErrorReply`].
    Struct,
    /// Go's `error` itself: nil, or a [`GoError::Errno`].
    Plain,
}

/// Mount.
pub static METHOD: Builtin = Builtin {
    name: "Mount",
    raises: CapabilitySet::SYS_ADMIN,
    args: MountArgs::gob_type,
    secrets: &[],
    add: |set, builtin, options| {
        let resolver = options.resolver;
        let answer = move |args: MountArgs| answer(&args, resolver);
        match options.mount_reply {
            MountReply::Struct => builtin.answered_by(set, move |args| Ok(structure(answer(args)?))),
            MountReply::Plain => {
                builtin.answered_by(set, move |args| Ok(answer(args)?.map(|failure| GoError::Errno(failure.number()))))
            }
        }
    },
};

/// What an overlay needs besides: its layers are opened with the mounter's rights.
const OVERLAY_RAISES: CapabilitySet = CapabilitySet::FOWNER
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::CHOWN);

struct Failure {
    text: String,
    errno: i32,
}

impl Failure {
    fn number(&self) -> u64 {
        self.errno.unsigned_abs().into()
    }
}

fn structure(failure: Option<Failure>) -> MountErrorReply {
    failure.map_or_else(MountErrorReply::default, |failure| MountErrorReply {
        is_not_exist: failure.errno == libc::ENOENT,
        is_permission: matches!(failure.errno, libc::EPERM | libc::EACCES),
        errno: failure.number(),
        message: failure.text.into(),
    })
}

fn answer(args: &MountArgs, resolver: Resolver) -> Result<Option<Failure>, CallbackError> {
    let overlay = args.filesystem.as_bytes() == b"overlay";
    let _raised = raise::raise(if overlay { OVERLAY_RAISES } else { CapabilitySet::empty() })?;
    Ok(mount_beneath(args, resolver).err())
}

/// Mounts on the opened target through its descriptor, so that nothing can take its place after the check.
fn mount_beneath(args: &MountArgs, resolver: Resolver) -> Result<(), Failure> {
    let what = || match args.source.is_empty() {
        true => format!("mount on {:?}", args.target),
        false => format!("mount {:?} on {:?}", args.source, args.target),
    };
    let unresolved = |errno: rustix::io::Errno| Failure {
        text: format!("{}: {}", what(), beneath::failure(errno)),
        errno: errno.raw_os_error(),
    };
    if args.target.is_empty() {
        return Err(unresolved(rustix::io::Errno::NOENT));
    }
    let root = beneath::open_root(args.root.as_path()).map_err(unresolved)?;
    let path = beneath::relative(args.root.as_path(), args.target.as_path());
    let target = beneath::open(root.as_fd(), &path, Want::Anything, resolver).map_err(unresolved)?;
    mount_on(args, &target)
        .map_err(|errno| Failure { text: format!("{}: {}", what(), errno_text(errno as i32)), errno: errno as i32 })
}

/// Where descriptors have names, if proc is mounted.
const DESCRIPTORS: &str = "/proc/self/fd";

fn mount_on(args: &MountArgs, target: &OwnedFd) -> nix::Result<()> {
    // Whatever else a container's image has there must not say where a mount goes.
    if statfs(DESCRIPTORS).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC) {
        return mount_at(args, &format!("{DESCRIPTORS}/{}", target.as_raw_fd()));
    }
    // The container has its own root already and no proc yet. A directory has a name as working directory as well;
    // that of the container process, which is the same, is put back.
    let before = rustix::fs::open(".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(classic)?;
    rustix::process::fchdir(target).map_err(classic)?;
    let result = mount_at(args, ".");
    rustix::process::fchdir(&before).map_err(classic)?;
    result
}

fn classic(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}

fn mount_at(args: &MountArgs, place: &str) -> nix::Result<()> {
    fn text(text: &ByteString) -> Option<&[u8]> {
        (!text.is_empty()).then_some(text)
    }
    let flags = MsFlags::from_bits_retain(args.flags as libc::c_ulong);
    mount(text(&args.source), place, text(&args.filesystem), flags, text(&args.data))
}
