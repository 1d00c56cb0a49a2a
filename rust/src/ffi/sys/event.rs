// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting for descriptors: poll(2), with EINTR hidden and time limits in one place.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Result, Tried};

/// An event counter with close-on-exec: readable once [`notify`] was called, for ever.
pub fn eventfd() -> Result<OwnedFd> {
    // SAFETY: eventfd(2) takes no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Error::system("make an event descriptor", Errno::last_raw()));
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes an event counter readable.
pub fn notify(event: impl AsFd) -> Result<()> {
    nix::unistd::write(event, &1u64.to_ne_bytes()).map(|_| ()).tried(|| "signal an event descriptor")
}

/// Takes what made an event counter readable.
pub fn clear(event: impl AsFd) {
    // It is not readable any more in any case: nothing was there, or this took it.
    let _ = nix::unistd::read(event, &mut [0; 8]);
}

/// Whether a descriptor is readable, closed or broken at this moment.
pub fn is_readable(fd: impl AsFd) -> bool {
    matches!(wait_readable(&[fd.as_fd()], Some(Duration::ZERO)).as_deref(), Ok([true]))
}

/// Waits until at least one of `fds` is readable or has been hung up, at most `limit` (for ever without one).
/// Returns which are; none after the limit.
pub fn wait_readable(fds: &[BorrowedFd<'_>], limit: Option<Duration>) -> Result<Vec<bool>> {
    let mut polled: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut polled, timeout) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::system("poll", errno as i32)),
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() < deadline) => continue,
            Ok(_) => break,
        }
    }
    Ok(polled.iter().map(|fd| fd.revents().is_none_or(|events| !events.is_empty())).collect())
}
