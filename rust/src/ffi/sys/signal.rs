// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signal masks and dispositions, the signal queue, and raising a signal on oneself.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::error::{Error, Result, Tried};

/// Reads one signal number from a queue made by [`queue`]; `None` if there is none.
pub fn read(queue: impl AsFd) -> Result<Option<i32>> {
    let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
    match nix::unistd::read(queue, &mut info) {
        Ok(read) if read == info.len() => {
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            Ok(i32::try_from(number).ok())
        }
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(Error::system("read the signal queue", errno as i32)),
    }
}

/// A close-on-exec, non-blocking signalfd(2) for every signal that can be blocked. They must be blocked first.
pub fn queue() -> Result<OwnedFd> {
    let set = SigSet::all();
    // SAFETY: the set is valid for the call, and -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, set.as_ref(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(Error::system("make the signal queue", Errno::last_raw()));
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Blocks every signal of the calling thread that can be blocked.
pub fn block_all() -> Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).tried(|| "block signals")
}

/// Empties the calling thread's signal mask.
pub fn unblock_all() -> Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).tried(|| "empty the signal mask")
}

/// Gives every signal its default disposition. The C library's own real-time signals are left alone: their
/// numbers cannot be set through it.
pub fn reset_dispositions() {
    for signal in 1..=libc::SIGRTMAX() {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: SIG_DFL is no function of ours, so no handler can run in an unexpected state. The call
            // can only fail for the numbers that the C library keeps for itself.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// Raises a signal on the calling process with its default action and an open mask. Returns if the process
/// survived it.
pub fn raise_default(signal: i32) -> Result<()> {
    // SAFETY: SIG_DFL is no function of ours.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: raise(3) takes no pointers.
    if unsafe { libc::raise(signal) } != 0 {
        return Err(Error::system(format!("raise signal {signal}"), Errno::last_raw()));
    }
    unblock_all()
}
