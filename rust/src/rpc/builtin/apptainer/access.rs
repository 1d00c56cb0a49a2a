// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Access: access(2), which judges by the real user's rights.

use rustix::fs::{Access, access as ask};
use rustix::thread::CapabilitySet;

use crate::error::CallbackError;
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::builtin::Builtin;
use crate::rpc::builtin::registered::GoError;

gob_struct! {
    /// The arguments of Access.
    pub struct AccessArgs as "AccessArgs" {
        /// The file.
        pub path: ByteString as "Path",
        /// The sum of 4 to read, 2 to write, 1 to execute; 0 asks whether it is there.
        pub mode: u32 as "Mode",
    }
}

gob_struct! {
    /// The reply of Access.
    pub struct AccessReply as "AccessReply" {
        /// A [`GoError::Errno`], or nil.
        pub error: Option<GoError> as "Err",
    }
}

/// Access.
pub static METHOD: Builtin = Builtin {
    name: "Access",
    raises: CapabilitySet::empty(),
    args: AccessArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, access),
};

fn access(args: AccessArgs) -> Result<AccessReply, CallbackError> {
    let answer = ask(args.path.as_path(), Access::from_bits_retain(args.mode));
    Ok(AccessReply { error: answer.err().map(GoError::from) })
}
