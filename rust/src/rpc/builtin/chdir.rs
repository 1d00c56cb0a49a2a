// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chdir: the working directory, which the container process shares.

use rustix::thread::CapabilitySet;

use super::Builtin;
use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;

gob_struct! {
    /// The argument of Chdir.
    pub struct ChdirArgs as "ChdirArgs" {
        /// The directory, from the present root and working directory on.
        pub dir: ByteString as "Dir",
    }
}

/// Chdir.
pub static METHOD: Builtin = Builtin {
    name: "Chdir",
    raises: CapabilitySet::empty(),
    args: ChdirArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, chdir),
};

fn chdir(args: ChdirArgs) -> Result<i64, CallbackError> {
    rustix::process::chdir(args.dir.as_path()).tried(|| format!("chdir {}", args.dir))?;
    Ok(0)
}
