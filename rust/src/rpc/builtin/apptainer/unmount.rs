// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmount: umount2(2).

use nix::mount::{MntFlags, umount2};
use rustix::thread::CapabilitySet;

use crate::error::CallbackError;
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::policy;
use crate::rpc::builtin::Builtin;
use crate::rpc::builtin::registered::GoError;

gob_struct! {
    /// The arguments of Unmount.
    pub struct UnmountArgs as "UnmountArgs" {
        /// Where the mount is.
        pub target: ByteString as "Target",
        /// The flags of umount2(2).
        pub flags: i64 as "Unmountflags" ("int"),
    }
}

/// Unmount. A failure travels in the reply, the RPC error stays empty.
pub static METHOD: Builtin = Builtin {
    name: "Unmount",
    raises: CapabilitySet::SYS_ADMIN,
    args: UnmountArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, unmount),
};

fn unmount(args: UnmountArgs) -> Result<Option<GoError>, CallbackError> {
    if let Some(policy) = policy::server() {
        policy.permits_unmount()?;
    }
    let flags = MntFlags::from_bits_retain(args.flags as libc::c_int);
    let done = umount2(args.target.as_bytes(), flags);
    Ok(done.err().map(|errno| GoError::Errno((errno as i32).unsigned_abs().into())))
}
