// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Readlink: readlink(2).

use rustix::fs::readlink as read;
use rustix::thread::CapabilitySet;

use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::Builtin;

gob_struct! {
    /// The argument of Readlink.
    pub struct ReadlinkArgs as "ReadlinkArgs" {
        /// The symbolic link.
        pub name: ByteString as "Name",
    }
}

/// Readlink.
pub static METHOD: Builtin = Builtin {
    name: "Readlink",
    raises: CapabilitySet::empty(),
    args: ReadlinkArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, readlink),
};

fn readlink(args: ReadlinkArgs) -> Result<ByteString, CallbackError> {
    let target = read(args.name.as_path(), Vec::new()).tried(|| format!("readlink {}", args.name))?;
    Ok(target.into_bytes().into())
}
