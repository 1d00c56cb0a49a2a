// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Symlink: symlink(2).

use rustix::fs::symlink as link;
use rustix::thread::CapabilitySet;

use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::Builtin;

gob_struct! {
    /// The arguments of Symlink.
    pub struct SymlinkArgs as "SymlinkArgs" {
        /// Where the link leads.
        pub target: ByteString as "Target",
        /// The link to make.
        pub link: ByteString as "Link",
    }
}

/// Symlink.
pub static METHOD: Builtin = Builtin {
    name: "Symlink",
    raises: CapabilitySet::empty(),
    args: SymlinkArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, symlink),
};

fn symlink(args: SymlinkArgs) -> Result<i64, CallbackError> {
    let made = link(args.target.as_path(), args.link.as_path());
    made.tried(|| format!("symlink {} {}", args.target, args.link))?;
    Ok(0)
}
