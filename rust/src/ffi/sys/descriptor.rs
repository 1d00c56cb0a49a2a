// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors by number: what a table of numbers means before it becomes owned values.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use crate::error::{Error, Result, Tried};

/// Points each closed standard stream (0, 1, 2) at the null device, for reading and writing, so that no later
/// descriptor takes its number.
pub fn repair_standard_streams() -> Result<()> {
    for number in 0..3 {
        if is_open(number) {
            continue;
        }
        // SAFETY: the path is a C string; the lowest free number is the one just found closed, and it is left open
        // on purpose, owned by nobody, as a standard stream is.
        let opened = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        if opened != number {
            return Err(Error::system(format!("open \"/dev/null\" as descriptor {number}"), Errno::last_raw()));
        }
    }
    Ok(())
}

/// Whether a number stands for an open descriptor.
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD takes no pointers and changes nothing.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// A duplicate of a descriptor that stays the caller's. `what` it is wanted for.
pub fn duplicate(number: RawFd, what: &str) -> Result<OwnedFd> {
    let duplicate = with(number, |fd| fd.try_clone_to_owned()).map_err(|error| error.during(what))?;
    duplicate.tried(|| format!("{what}: duplicate descriptor {number}"))
}

/// Takes over a descriptor that the caller gives away.
pub fn take(number: RawFd) -> Result<OwnedFd> {
    if !is_open(number) {
        return Err(Error::system(format!("take over descriptor {number}"), libc::EBADF));
    }
    // SAFETY: the number is open, and its owner gives it away with this call.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A number as a descriptor for the length of a call.
pub fn with<T>(number: RawFd, use_it: impl FnOnce(BorrowedFd<'_>) -> T) -> Result<T> {
    if !is_open(number) {
        return Err(Error::system(format!("use descriptor {number}"), libc::EBADF));
    }
    // SAFETY: the number is open, and nothing closes it in the call: either the process has one thread, or an engine has
    // asked for this number to be kept and has returned.
    Ok(use_it(unsafe { BorrowedFd::borrow_raw(number) }))
}

/// Duplicates a descriptor to exactly `number`, with close-on-exec, replacing what was there.
pub fn install(fd: BorrowedFd<'_>, number: RawFd) -> Result<()> {
    // SAFETY: dup3(2) takes no pointers. What it replaces is a number that no owned value of this process holds: the
    // caller has checked it against the core's own.
    if unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) } < 0 {
        return Err(Error::system(format!("install a kept descriptor as {number}"), Errno::last_raw()));
    }
    Ok(())
}

/// Closes a number that is owned by nobody, such as an installed one.
pub fn close(number: RawFd) {
    // SAFETY: the caller says that no owned value holds the number. An error means that it was closed already.
    unsafe { libc::close(number) };
}

/// Sets close-on-exec on every descriptor from `first` on, in one call; number by number up to the descriptor limit on
/// kernels without close_range(2) or its flag (before 5.11).
pub fn close_on_exec_from(first: RawFd) -> Result<()> {
    // SAFETY: close_range(2) takes no pointers and with this flag closes nothing now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        return Ok(());
    }
    match Errno::last() {
        Errno::ENOSYS | Errno::EINVAL | Errno::EPERM => close_on_exec_one_by_one(first),
        errno => Err(Error::system(format!("set close-on-exec on the descriptors from {first} on"), errno as i32)),
    }
}

/// Closes what this program was started with from `first` on: everything of its own has close-on-exec. Descriptors that it lets
/// another program inherit are among those.
pub fn close_inherited(first: RawFd) -> Result<()> {
    for number in open_from(first)? {
        // SAFETY: F_GETFD takes no pointers and changes nothing.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        if flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
            close(number);
        }
    }
    Ok(())
}

/// The numbers from `first` on that may be open; where there is no /proc, in which nobody else could find them either, those within the
/// descriptor limit up to 65,535: the limit can be a billion.
pub fn open_from(first: RawFd) -> Result<Vec<RawFd>> {
    match std::fs::read_dir("/proc/self/fd") {
        Ok(open) => {
            let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
            Ok(numbers.filter(|number| *number >= first).collect())
        }
        Err(_) => Ok((first..limit()?.min(1 << 16)).collect()),
    }
}

fn limit() -> Result<RawFd> {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .map_err(|errno| Error::system("read the descriptor limit", errno as i32))?;
    Ok(RawFd::try_from(soft).unwrap_or(RawFd::MAX))
}

fn close_on_exec_one_by_one(first: RawFd) -> Result<()> {
    for number in first..limit()? {
        // SAFETY: F_SETFD takes no pointers; on a closed number it fails, which is what is wanted.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}
