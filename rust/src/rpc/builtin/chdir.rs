// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chdir: the working directory, which the container process shares.

use rustix::thread::CapabilitySet;

use super::Builtin;
use crate::error::{CallbackError, Tried};
use crate::gob::ByteString;
use crate::gob_struct;

gob_struct! {
    /// The argument of Chdir.
    pub struct ChdirArgs as "ChdirArgs" {
        /// The directory, from the present root and working directory on.
        pub dir: ByteString as "Dir",
    }
}

/// Chdir.
pub static METHOD: Builtin =
    Builtin { name: "Chdir", raises: CapabilitySet::empty(), add: |set, builtin, _| set.method(builtin.name, chdir) };

fn chdir(args: ChdirArgs) -> Result<i64, CallbackError> {
    rustix::process::chdir(args.dir.as_path()).tried(|| format!("chdir {}", args.dir))?;
    Ok(0)
}
