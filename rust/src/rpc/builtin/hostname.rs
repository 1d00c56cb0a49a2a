// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SetHostname: the name of the UTS namespace.

use rustix::thread::CapabilitySet;

use super::Builtin;
use crate::error::{CallbackError, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::policy;

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
    args: HostnameArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, set_hostname),
};

fn set_hostname(args: HostnameArgs) -> Result<i64, CallbackError> {
    if let Some(policy) = policy::server() {
        policy.permits_host_name()?;
    }
    nix::unistd::sethostname(&args.hostname).tried(|| format!("set hostname {}", args.hostname))?;
    Ok(0)
}
