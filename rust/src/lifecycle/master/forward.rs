// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Master's signals: where they come from, and which of them the core's own monitor passes on to the container.
//!
//! | signal | what happens |
//! | --- | --- |
//! | sent by a terminal (INT, QUIT, HUP, WINCH) | nothing: the container is in the same process group and has it already |
//! | TSTP | the container is stopped, then master stops itself as a shell expects; both go on with CONT |
//! | CHLD, URG, TTIN, TTOU, PIPE, CONT | nothing: they are about master itself |
//! | every other, TERM and INT among them | passed on, once each |

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::lifecycle::child::Child;

const OWN: [i32; 6] = [libc::SIGCHLD, libc::SIGURG, libc::SIGTTIN, libc::SIGTTOU, libc::SIGPIPE, libc::SIGCONT];
const FROM_TERMINAL: [i32; 4] = [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGWINCH];

/// Where the program's own runtime receives the signals.
static SOURCE: OnceLock<OwnedFd> = OnceLock::new();

/// Lets master take its signals from a descriptor that is read as a signalfd(2) is, in place of its own, for which every thread
/// would have to block them. Errors: it has one.
pub fn signals_from(source: OwnedFd) -> Result<()> {
    let taken = |_| Error::new(ErrorKind::Refused, "take master's signals from the program: it has given them already");
    SOURCE.set(source).map_err(taken)
}

/// The queue that master reads.
pub fn source() -> Result<OwnedFd> {
    match SOURCE.get() {
        Some(source) => source.try_clone().tried(|| "share the signals' descriptor"),
        None => sys::signal::queue(),
    }
}

/// Empties the queue.
pub fn forward_signals(queue: &OwnedFd, container: &Child) -> Result<()> {
    while let Some(signal) = sys::signal::read(queue)? {
        let number = signal.number;
        if number == libc::SIGTSTP {
            stop_like_a_job(container)?;
        } else if !(OWN.contains(&number) || signal.from_kernel && FROM_TERMINAL.contains(&number)) {
            sys::process::send_signal(&**container, number)?;
        }
    }
    Ok(())
}

fn stop_like_a_job(container: &Child) -> Result<()> {
    container.signal(Signal::STOP)?;
    rustix::process::kill_process(rustix::process::getpid(), Signal::STOP).tried(|| "stop master")?;
    container.signal(Signal::CONT)
}
