// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An end to the wait for code that does not come back, in a process where nobody else could hear a SIGTERM.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::process::exit;
use super::signal;

/// While it lives, the calling thread hears SIGTERM. With the first one begins a limit, at whose end, or at another SIGTERM a
/// second or more later, the process says something, kills another one and exits. A SIGTERM that came before its end is pending
/// after that, for whoever reads the queue.
pub struct Patience {
    state: &'static State,
    blocked: u64,
}

/// How a process ends whose patience is over.
pub struct Ending {
    /// What it says on the standard error stream.
    pub text: String,
    /// Its exit code.
    pub code: i32,
}

struct State {
    limit: Duration,
    /// The pidfd of the other process.
    other: RawFd,
    ending: Ending,
    /// When SIGTERM came first, in milliseconds; 0 if it has not.
    asked: AtomicU64,
}

/// What the handlers look at; null while nobody waits.
static STATE: AtomicPtr<State> = AtomicPtr::new(std::ptr::null_mut());
/// Whose handlers they are: a process that the code forks has them too.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// What comes within this time of the first SIGTERM means the same, in milliseconds: timeout(1), for one, sends it to the process
/// and then to its whole group.
const SAME_REQUEST: u64 = 1000;

impl Patience {
    /// Begins it. Every thread must block SIGTERM and SIGALRM. `other` is to stay open.
    pub fn begin(limit: Duration, other: BorrowedFd<'_>, ending: Ending) -> Self {
        let state = State { limit, other: other.as_raw_fd(), ending, asked: AtomicU64::new(0) };
        // It stays: a handler may look at it in a thread that the code has made.
        let state: &'static State = Box::leak(Box::new(state));
        OWNER.store(std::process::id(), Ordering::SeqCst);
        STATE.store(std::ptr::from_ref(state).cast_mut(), Ordering::SeqCst);
        handle(libc::SIGTERM);
        handle(libc::SIGALRM);
        let blocked = signal::blocked();
        signal::block(blocked & !(bit(libc::SIGTERM) | bit(libc::SIGALRM)));
        Patience { state, blocked }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        signal::block(self.blocked);
        signal::disarm_timers();
        STATE.store(std::ptr::null_mut(), Ordering::SeqCst);
        if self.state.asked.load(Ordering::SeqCst) != 0 {
            // There is such a signal.
            let _ = signal::raise(libc::SIGTERM);
        }
    }
}

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

fn handle(number: i32) {
    // SAFETY: all zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = heard as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
    // SAFETY: the structure is valid for the call, its mask is empty, and the old one is not asked for. The handler has the
    // signature that the flags say, and makes system calls only, which are safe at any moment. It cannot fail for these signals.
    unsafe { libc::sigaction(number, &raw const action, std::ptr::null_mut()) };
}

extern "C" fn heard(number: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    if OWNER.load(Ordering::SeqCst) != std::process::id() {
        // The action that a child of the owner's would have without all this.
        signal::reset_disposition(number);
        let _ = signal::raise(number);
        return;
    }
    // SAFETY: it is null or what begin() leaked.
    match unsafe { STATE.load(Ordering::SeqCst).as_ref() } {
        Some(state) if number == libc::SIGTERM => state.asked(),
        Some(state) => state.give_up(),
        None => return_to_queue(number, context),
    }
}

/// In a thread that the code has left behind, with these signals open: it blocks the signal as every other one does, and the
/// process has it once more.
fn return_to_queue(number: i32, context: *mut c_void) {
    // SAFETY: the kernel hands a handler the context to which it returns, and takes the mask from there.
    unsafe {
        libc::sigaddset(&raw mut (*context.cast::<libc::ucontext_t>()).uc_sigmask, number);
        libc::kill(libc::getpid(), number);
    }
}

impl State {
    fn asked(&self) {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is valid for the call, which cannot fail for this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        let now = now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000;
        match self.asked.load(Ordering::SeqCst) {
            0 => {
                self.asked.store(now.max(1), Ordering::SeqCst);
                signal::alarm(self.limit);
            }
            first if now >= first + SAME_REQUEST => self.give_up(),
            _ => {}
        }
    }

    fn give_up(&self) -> ! {
        let Ending { text, code } = &self.ending;
        // SAFETY: the text is valid for the call; the null siginfo asks for the one of kill(2). There is nothing to be done where
        // nobody reads the text, or the other process has ended.
        unsafe {
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::syscall(libc::SYS_pidfd_send_signal, self.other, libc::SIGKILL, std::ptr::null::<u8>(), 0);
        }
        exit(*code)
    }
}
