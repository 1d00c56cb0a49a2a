// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Network namespaces: the loopback interface.

use rustix::thread::CapabilitySet;

use crate::error::Result;
use crate::ffi::sys;
use crate::privileges::takes;

/// Brings `lo` up in the caller's network namespace.
pub fn bring_loopback_up() -> Result<()> {
    sys::device::bring_interface_up(c"lo").map_err(|error| takes(error, CapabilitySet::NET_ADMIN))
}
