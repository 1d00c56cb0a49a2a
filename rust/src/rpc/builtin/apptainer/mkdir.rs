// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mkdir: mkdir(2) with every mode bit that is asked for.

use rustix::fs::{Mode, mkdir as make};
use rustix::thread::CapabilitySet;

use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::mkdir::OpenUmask;
use crate::rpc::builtin::{Builtin, file_mode};

gob_struct! {
    /// The arguments of Mkdir.
    pub struct MkdirArgs as "MkdirArgs" {
        /// The directory to make.
        pub path: ByteString as "Path",
        /// Go's `FileMode`: permission bits and sticky; the kernel lets no other be set here.
        pub perm: u32 as "Perm" ("fs.FileMode"),
    }
}

/// Mkdir.
pub static METHOD: Builtin = Builtin {
    name: "Mkdir",
    raises: CapabilitySet::empty(),
    args: MkdirArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, mkdir),
};

fn mkdir(args: MkdirArgs) -> Result<i64, CallbackError> {
    let _open = OpenUmask::open();
    let mode = Mode::from_raw_mode(file_mode::from_go(args.perm));
    make(args.path.as_path(), mode).tried(|| format!("mkdir {}", args.path))?;
    Ok(0)
}
