// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signal masks and dispositions, the signal queue, and raising a signal on oneself.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use crate::error::{Error, Result, Tried};

/// A signal as the queue gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its number.
    pub number: i32,
    /// Whether the kernel sent it, as a terminal does to its whole foreground process group (SI_KERNEL, sigaction(2)).
    pub from_kernel: bool,
    /// The pid of the process that sent it, in the reader's PID namespace; 0 where there is none.
    pub sender: i32,
}

/// Reads one signal from a queue made by [`queue`]; `None` if there is none.
pub fn read(queue: impl AsFd) -> Result<Option<Queued>> {
    let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
    match nix::unistd::read(queue, &mut info) {
        Ok(read) if read == info.len() => {
            // The structure begins with ssi_signo, ssi_errno, ssi_code and ssi_pid, 32 bits each (signalfd(2)).
            let word = |at: usize| i32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
            Ok(Some(Queued { number: word(0), from_kernel: word(8) == libc::SI_KERNEL, sender: word(12) }))
        }
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(Error::system("read the signal queue", errno as i32)),
    }
}

/// The signals with which somebody asks a process to end.
pub const TERMINATING: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// What a terminal sends to its foreground process group, TTIN and TTOU to the one that they are about: whoever is in it has them
/// already.
pub const FROM_TERMINAL: [i32; 8] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// A close-on-exec, non-blocking signalfd(2) for every signal that can be blocked. They must be blocked first.
pub fn queue() -> Result<OwnedFd> {
    queue_of(&SigSet::all())
}

/// The same for [`TERMINATING`] alone: every other signal stays pending.
pub fn termination_queue() -> Result<OwnedFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        set.add(signal);
    }
    queue_of(&set)
}

fn queue_of(set: &SigSet) -> Result<OwnedFd> {
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

/// The signals that the calling thread blocks, bit by bit from number 1 on, as the kernel keeps them: those that the C library
/// hides are among them.
pub fn blocked() -> u64 {
    let mut set = 0u64;
    // SAFETY: the kernel fills in 8 bytes, the size that it is told; the new mask is not given. It cannot fail with these.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            std::ptr::null::<u64>(),
            &raw mut set,
            size_of::<u64>(),
        )
    };
    set
}

/// Blocks exactly these in the calling thread, as [`blocked`] tells them.
pub fn block(set: u64) {
    // SAFETY: the kernel reads 8 bytes, the size that it is told; the old mask is not asked for. It cannot fail with these.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const set,
            std::ptr::null_mut::<u64>(),
            size_of::<u64>(),
        )
    };
}

/// Takes back a signal that is blocked and pending for the process, so that whoever opens it does not get it.
pub fn take_pending(signal: Signal) -> Result<()> {
    take_all(&SigSet::from(signal))
}

/// Does something with a signal blocked in the calling thread, and takes it back if that brought it.
pub fn taking_back<T>(signal: Signal, act: impl FnOnce() -> T) -> Result<T> {
    let blocked = blocked();
    block(blocked | 1 << (signal as i32 - 1));
    let done = act();
    let taken = take_pending(signal);
    block(blocked);
    taken.map(|()| done)
}

/// As a new process has it: takes back every signal but requests to end.
pub fn take_pending_but_terminating() -> Result<()> {
    let mut set = SigSet::all();
    TERMINATING.into_iter().filter_map(|number| Signal::try_from(number).ok()).for_each(|signal| set.remove(signal));
    take_all(&set)
}

fn take_all(set: &SigSet) -> Result<()> {
    let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        // SAFETY: the set and the limit are valid for the call; what a signal brought is not asked for.
        let taken = unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &raw const none) };
        match Errno::last() {
            _ if taken >= 0 => {}
            Errno::EAGAIN => return Ok(()),
            Errno::EINTR => {}
            errno => return Err(Error::system("take pending signals back", errno as i32)),
        }
    }
}

/// Whether a signal that is blocked has come.
fn is_pending(signal: Signal) -> Result<bool> {
    let mut pending = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the place is valid for the call, which fills it where it succeeds.
    let filled = Errno::result(unsafe { libc::sigpending(pending.as_mut_ptr()) });
    filled.tried(|| "look at the pending signals")?;
    // SAFETY: the call above has filled it.
    let set = unsafe { SigSet::from_sigset_t_unchecked(pending.assume_init()) };
    Ok(set.contains(signal))
}

/// Stops the calling process by a signal that stops a job, which must be blocked and have its default action. Returns once the
/// process goes on: at once in a process group that no shell watches over, where the kernel stops nobody (setpgid(2)), and where a
/// SIGCONT has come already, which must be blocked as well: a stop after it would take it away, and nobody would send another one.
pub fn stop_by(signal: Signal) -> Result<()> {
    if is_pending(Signal::SIGCONT)? {
        return Ok(());
    }
    let mut set = SigSet::empty();
    set.add(signal);
    nix::sys::signal::kill(nix::unistd::Pid::this(), signal).tried(|| format!("send {signal} to this process"))?;
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None).tried(|| format!("let {signal} in"))?;
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).tried(|| format!("block {signal}"))
}

/// Lets a signal be ignored, or gives it its default disposition back.
pub fn ignore(signal: i32, ignored: bool) {
    // SAFETY: neither is a function of ours.
    unsafe { libc::signal(signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL }) };
}

/// Stops the interval timers that an exec lets run on.
pub fn disarm_timers() {
    // SAFETY: all zero is a valid itimerval: no timer.
    let none: libc::itimerval = unsafe { std::mem::zeroed() };
    for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
        // SAFETY: the structure is valid for the call, and the old value is not asked for. It cannot fail for these timers.
        unsafe { libc::setitimer(timer, &raw const none, std::ptr::null_mut()) };
    }
}

/// Arms the timer whose signal is SIGALRM, once.
pub fn alarm(after: Duration) {
    let after = after.max(Duration::from_micros(1));
    let value = libc::timeval {
        tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(after.subsec_micros()),
    };
    // SAFETY: all zero is a valid itimerval, the value of a timer that fires once.
    let once = libc::itimerval { it_value: value, ..unsafe { std::mem::zeroed() } };
    // SAFETY: the structure is valid for the call, and the old value is not asked for. It cannot fail for this timer.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const once, std::ptr::null_mut()) };
}

/// Gives every signal its default disposition, also the two that the C library keeps for itself and lets nobody set.
pub fn reset_dispositions() {
    for signal in 1..=64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            reset_disposition(signal);
        }
    }
}

/// Gives a signal its default disposition.
pub fn reset_disposition(signal: i32) {
    // The kernel's own structure: handler, flags, restorer and mask; all zero is SIG_DFL.
    let default = [0u64; 4];
    // SAFETY: the structure is valid and as large as the kernel's; SIG_DFL is no function of ours, so no handler can run in an
    // unexpected state.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u8>(), 8) };
}

/// Raises a signal on the calling process with its default action and an open mask. Returns if the process
/// survived it.
pub fn raise_default(signal: i32) -> Result<()> {
    reset_disposition(signal);
    if !raise(signal) {
        return Err(Error::system(format!("raise signal {signal}"), Errno::last_raw()));
    }
    unblock_all()
}

/// Sends a signal to the calling thread, and says whether that can be: there is such a signal.
pub fn raise(signal: i32) -> bool {
    // SAFETY: no pointers. The C library's raise(3) refuses the two signals that it keeps for itself.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal) == 0 }
}
