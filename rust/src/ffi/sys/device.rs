// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests to devices: network interfaces.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::error::{Error, Result, Tried};

/// Sets IFF_UP and IFF_RUNNING on an interface of the caller's network namespace (netdevice(7)).
pub fn bring_interface_up(name: &CStr) -> Result<()> {
    let what = || format!("bring the network interface {name:?} up");
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).tried(what)?;
    // SAFETY: all-zero is a valid ifreq: an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
        *to = *from as libc::c_char;
    }
    // SAFETY: the request is valid and as large as the kernel expects; the descriptor is open.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) } < 0 {
        return Err(Error::system(what(), Errno::last_raw()));
    }
    // SAFETY: the kernel has just filled in the flags.
    unsafe { request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short };
    // SAFETY: as above.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } < 0 {
        return Err(Error::system(what(), Errno::last_raw()));
    }
    Ok(())
}
