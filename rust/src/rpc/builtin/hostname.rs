// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SetHostname: the name of the UTS namespace.

use rustix::thread::CapabilitySet;

use super::{Builtin, raise};
use crate::error::{CallbackError, Tried};
use crate::gob::ByteString;
use crate::gob_struct;

gob_struct! {
    /// The argument of SetHostname.
    pub struct HostnameArgs as "HostnameArgs" {
        /// The name, at most 64 bytes.
        pub hostname: ByteString as "Hostname",
    }
}

/// SetHostname.
pub static METHOD: Builtin = Builtin {
    name: "SetHostname",
    raises: CapabilitySet::SYS_ADMIN,
    add: |set, builtin, _| {
        let raises = builtin.raises;
        set.method(builtin.name, move |args| set_hostname(args, raises))
    },
};

fn set_hostname(args: HostnameArgs, raises: CapabilitySet) -> Result<i64, CallbackError> {
    let _raised = raise::raise(raises)?;
    nix::unistd::sethostname(&args.hostname).tried(|| format!("set hostname {}", args.hostname))?;
    Ok(0)
}
