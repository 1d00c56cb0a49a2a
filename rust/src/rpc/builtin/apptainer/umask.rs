// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Umask: umask(2), which the container process shares.

use rustix::fs::Mode;
use rustix::thread::CapabilitySet;

use crate::error::CallbackError;
use crate::gob::Typed;
use crate::gob_struct;
use crate::rpc::builtin::Builtin;

gob_struct! {
    /// The argument of Umask.
    pub struct UmaskArgs as "UmaskArgs" {
        /// The permission bits to hold back, at most 0777; others do not count.
        pub mask: i64 as "Mask" ("int"),
    }
}

/// Umask: the reply is the mask from before.
pub static METHOD: Builtin = Builtin {
    name: "Umask",
    raises: CapabilitySet::empty(),
    args: UmaskArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, umask),
};

fn umask(args: UmaskArgs) -> Result<i64, CallbackError> {
    let before = rustix::process::umask(Mode::from_raw_mode((args.mask & 0o777) as u32));
    Ok(before.bits().into())
}
