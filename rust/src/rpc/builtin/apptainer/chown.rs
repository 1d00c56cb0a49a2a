// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chown and Lchown: the owner of a file, with or without following a symbolic link.

use rustix::fs::{AtFlags, CWD, chownat};
use rustix::process::{Gid, Uid};
use rustix::thread::CapabilitySet;

use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::Builtin;

gob_struct! {
    /// The arguments of Chown and Lchown.
    pub struct ChownArgs as "ChownArgs" {
        /// The file.
        pub name: ByteString as "Name",
        /// The user's id; -1 keeps it.
        pub uid: i64 as "UID" ("int"),
        /// The group's id; -1 keeps it.
        pub gid: i64 as "GID" ("int"),
    }
}

/// Chown.
pub static CHOWN: Builtin = Builtin {
    name: "Chown",
    raises: CapabilitySet::empty(),
    args: ChownArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, |args| chown("chown", args, AtFlags::empty())),
};

/// Lchown.
pub static LCHOWN: Builtin = Builtin {
    name: "Lchown",
    raises: CapabilitySet::empty(),
    args: ChownArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, |args| chown("lchown", args, AtFlags::SYMLINK_NOFOLLOW)),
};

fn chown(call: &str, args: ChownArgs, flags: AtFlags) -> Result<i64, CallbackError> {
    // The kernel takes 32 bits of an id, all ones for none.
    let id = |id: i64| Some(id as u32).filter(|id| *id != u32::MAX);
    let (uid, gid) = (id(args.uid).map(Uid::from_raw), id(args.gid).map(Gid::from_raw));
    chownat(CWD, args.name.as_path(), uid, gid, flags).tried(|| format!("{call} {}", args.name))?;
    Ok(0)
}
