// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount: any mount(2), with its target beneath a root.

mod judged;
mod onto;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use rustix::thread::CapabilitySet;
use serde::de::DeserializeOwned;

use super::host::Host;
use super::raise::{self, Raised};
use super::registered::GoError;
use super::{Builtin, Options, Resolver};
use crate::error::{CallbackError, Error, ErrorKind, Result, errno_text};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::policy;
use crate::rpc::MethodSet;
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
        pub errno: u64 as "Errno" ("uint"),
        /// Whether something was not there.
        pub is_not_exist: bool as "IsNotExist",
        /// Whether a right was lacking.
        pub is_permission: bool as "IsPermission",
    }
}

impl MountErrorReply {
    /// What a client makes of the reply: an error with its text and errno.
    pub fn into_result(self) -> Result<()> {
        if self == MountErrorReply::default() {
            return Ok(());
        }
        let errno = i32::try_from(self.errno).unwrap_or_default();
        Err(Error::new(ErrorKind::Rpc, self.message.to_string()).with_errno(errno))
    }
}

/// The wire form of Mount's reply; products differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
        let (resolver, host) = (options.resolver, OnceLock::new());
        add(set, builtin, options, move |args: MountArgs| {
            let _raised = raise_for(&args.filesystem)?;
            Ok(mount_beneath(&args, resolver, host.get_or_init(Host::noted)).err())
        })
    },
};

/// Adds a method that mounts, with its failures in the wire form that the options choose.
pub(super) fn add<A, F>(set: MethodSet, builtin: &Builtin, options: &Options, answer: F) -> MethodSet
where
    A: Typed + DeserializeOwned + 'static,
    F: Fn(A) -> Result<Option<Failure>, CallbackError> + Send + Sync + 'static,
{
    match options.mount_reply {
        MountReply::Struct => builtin.answered_by(set, move |args| Ok(structure(answer(args)?))),
        MountReply::Plain => {
            builtin.answered_by(set, move |args| Ok(answer(args)?.map(|failure| GoError::Errno(failure.number()))))
        }
    }
}

/// What Mount raises for an overlay besides its row's: the layers are opened with the mounter's rights.
pub const OVERLAY_RAISES: CapabilitySet = CapabilitySet::FOWNER
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::CHOWN);

/// Raises what mounting a file system needs besides the row's. Under a policy the layers are opened as the user.
pub(super) fn raise_for(filesystem: &[u8]) -> Result<Raised> {
    let opens_layers = filesystem == b"overlay" && policy::server().is_none();
    raise::raise(if opens_layers { OVERLAY_RAISES } else { CapabilitySet::empty() })
}

/// Why nothing was mounted.
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) errno: i32,
}

/// What is tried, in words.
pub(super) fn what(source: &ByteString, target: &ByteString) -> String {
    match source.is_empty() {
        true => format!("mount on {target:?}"),
        false => format!("mount {source:?} on {target:?}"),
    }
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

/// Mounts on the opened target through its descriptor, so that nothing can take its place after the check.
fn mount_beneath(args: &MountArgs, resolver: Resolver, host: &Host) -> Result<(), Failure> {
    let what = || what(&args.source, &args.target);
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
    mount_onto(args, target.as_fd(), host)
}

/// Mounts on what was opened, as the policy lets it, if one holds.
pub(super) fn mount_onto(args: &MountArgs, target: BorrowedFd<'_>, host: &Host) -> Result<(), Failure> {
    let what = || what(&args.source, &args.target);
    if let Some(policy) = policy::server() {
        return judged::mount_onto(policy, host, args, target).map_err(|error| {
            let error = error.during(what());
            let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
            Failure { text: format!("{error}{help}"), errno: error.errno().unwrap_or(libc::EPERM) }
        });
    }
    onto::mount_onto(args, target)
        .map_err(|errno| Failure { text: format!("{}: {}", what(), errno_text(errno as i32)), errno: errno as i32 })
}
