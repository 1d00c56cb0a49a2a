// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Network namespaces: the loopback interface.

use crate::error::Result;
use crate::ffi::sys;

/// Brings `lo` up in the caller's network namespace.
pub fn bring_loopback_up() -> Result<()> {
    sys::device::bring_interface_up(c"lo")
}
