// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors that cross an exec as a number: taken over after it, let through by it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::{Error, Result, Tried};

/// Takes over a descriptor that this program was started with. The standard streams are not given away. Errors: a
/// number below 3; no such descriptor; one with close-on-exec, which cannot have come from a launcher.
///
/// To be called once for a number, before the program opens anything: no other part of it owns the descriptor then.
pub fn adopt(number: i32) -> Result<OwnedFd> {
    if number < 3 {
        return Err(Error::invalid(format!("take over descriptor {number}: 3 and above are possible")));
    }
    // SAFETY: F_GETFD takes no pointers, and does no harm to a number that is not open.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(Error::system(format!("take over descriptor {number}"), nix::errno::Errno::last_raw()));
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(Error::invalid(format!("take over descriptor {number}: this program opened it by itself")));
    }
    // SAFETY: the number is open and has no close-on-exec flag; everything of this program's own has one, so that
    // it came from the launcher, and the caller takes it over once.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).tried(|| format!("take over descriptor {number}"))?;
    Ok(fd)
}

/// Lets the program that `command` starts have `fds` at their own numbers. Close-on-exec is cleared in the new
/// process only, so that no other child gets them.
pub fn inherit(command: &mut Command, fds: Vec<OwnedFd>) {
    let clear = move || {
        for fd in &fds {
            // SAFETY: F_SETFD takes no pointers and is async-signal-safe; the closure owns the descriptor.
            if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes one async-signal-safe call a descriptor and does not allocate: the error it
    // returns is the bare errno.
    unsafe { command.pre_exec(clear) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;

    #[test]
    fn only_what_came_through_an_exec_is_taken_over() {
        assert!(adopt(-1).is_err());
        assert!(adopt(2).is_err());
        assert_eq!(adopt(1_000_000).unwrap_err().errno(), Some(libc::EBADF));
        let fd = OwnedFd::from(std::fs::File::open("/").unwrap());
        assert!(adopt(fd.as_raw_fd()).unwrap_err().to_string().ends_with("this program opened it by itself"));
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
        let number = fd.into_raw_fd();
        let fd = adopt(number).unwrap();
        assert_eq!(fd.as_raw_fd(), number);
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn a_descriptor_is_inherited_at_its_number() {
        let fd = OwnedFd::from(std::fs::File::open("/proc/self/comm").unwrap());
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("cat <&{}", fd.as_raw_fd()));
        inherit(&mut command, vec![fd]);
        assert!(command.output().unwrap().status.success());
    }
}
