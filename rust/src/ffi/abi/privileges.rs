// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel says of the calling thread: user and group ids, capabilities (credentials(7), capabilities(7)).

use super::crossing::pinion_error;
use super::guard::guard;
use super::view::put_sized;
use crate::privileges::Credentials;

/// Ids and capability sets of a thread. A set has one bit a capability, bit 0 being CAP_CHOWN.
#[repr(C)]
pub struct pinion_credentials {
    /// sizeof(pinion_credentials), set by the caller.
    pub size: usize,
    /// User ids: real, effective, saved.
    pub uid: [u32; 3],
    /// Group ids: real, effective, saved.
    pub gid: [u32; 3],
    /// Effective capabilities.
    pub effective: u64,
    /// Permitted capabilities.
    pub permitted: u64,
    /// Inheritable capabilities.
    pub inheritable: u64,
}

/// Reads what the calling thread has. Errors: PINION_SYSTEM; PINION_MISUSE for a size that is none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_credentials_read(credentials: *mut pinion_credentials) -> *mut pinion_error {
    guard(|| {
        let read = |size| {
            let Credentials { uid, gid, effective, permitted, inheritable } = Credentials::read()?;
            Ok(pinion_credentials { size, uid, gid, effective, permitted, inheritable })
        };
        // SAFETY: numbers, the first of which is the size.
        unsafe { put_sized(credentials, size_of::<pinion_credentials>(), "the place for the credentials", read) }
    })
}
