// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keyrings (keyrings(7)).

use nix::errno::Errno;

/// Leaves the session keyring for a new one without a name (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING).
pub fn join_new_session() -> Result<(), Errno> {
    let name: *const libc::c_char = std::ptr::null();
    // SAFETY: without a name the kernel reads nothing of this process.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name) };
    Errno::result(serial).map(drop)
}
