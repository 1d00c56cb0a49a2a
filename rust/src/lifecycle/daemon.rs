// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step 9, an instance: somebody stays in front of the caller until the container runs, and master goes on in a session of its own.
//! Who waits is the launcher, where it has given the starter a line for that, else the starter, which makes master's process then.
//! Until the container runs each ends with the other; what master has made by then is cleaned up as ever.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{Mode, umask};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use rustix::process::Signal;

use crate::config::Timeouts;
use crate::engine::WaitStatus;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::lifecycle::child::{Child, Forked, fork, not_cloned};
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::limits::overdue;
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Start, Stop, stage1};
use crate::plan::Plan;
use crate::{log, privileges, trace};

/// What goes over a line: one byte each way. Whoever started a setuid starter holds the other end, so that nothing that comes is more
/// than that it has come, and no call waits.
const WORD: [u8; 1] = *b"+";

/// Master's end of the line to the process that waits.
pub struct Waiter(OwnedFd);

/// The other end of that line.
pub struct Line(OwnedFd);

impl Line {
    /// A line, and the end of it that goes to master.
    pub fn new() -> Result<(Self, Waiter)> {
        let (line, waiter) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .tried(|| "make a line between an instance's master and who waits for it")?;
        Ok((Line(line), Waiter(waiter)))
    }
}

fn say(line: &OwnedFd, word: &str) -> rustix::io::Result<()> {
    trace::message("send", word);
    send(line, &WORD, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(drop)
}

/// Whether a word has come.
fn hear(line: &OwnedFd, word: &str) -> bool {
    let come = matches!(recv(line, &mut [0; 1], RecvFlags::DONTWAIT), Ok((1.., _)));
    if come {
        trace::message("receive", word);
    }
    come
}

/// Begins master's life in the process that returns from here.
pub fn lead(start: &mut Start, hosts: &mut HostProcesses, plan: &Plan, stage1: &mut Option<Child>) -> Result<(), Stop> {
    if start.waiter.is_some() {
        trace::enter(Role::Master, None);
    } else {
        stage1::end(start, stage1)?;
        start.waiter = Some(fork_master(hosts, plan)?);
    }
    nix::unistd::setsid().tried(|| "leave the caller's session")?;
    umask(Mode::empty());
    // What was sent to the caller's whole group was not for the instance.
    sys::signal::take_pending_but_terminating()?;
    trace::step(Step::Daemon);
    Ok(())
}

/// Makes master's process, which is the one that returns from here. The starter waits in here, and ends as it says.
fn fork_master(hosts: &mut HostProcesses, plan: &Plan) -> Result<Waiter, Stop> {
    let (line, waiter) = Line::new()?;
    match fork(Role::Master, 0).map_err(|errno| not_cloned(Role::Master, &[], errno))? {
        Forked::Child => {
            hosts.disown();
            Ok(waiter)
        }
        Forked::Parent(master) => {
            // They follow master, not this process: it must not hold their sockets open, nor what they clean up.
            hosts.close_image();
            drop((waiter, hosts.release()));
            privileges::drop_for_good()?;
            trace::step(Step::Daemon);
            Err(Stop::Ended(await_start(master, line, &plan.timeouts, !plan.engine_monitors)?))
        }
    }
}

/// Waits until master says that the container runs, or ends; returns what the caller is to end with. All signals must be blocked. Being
/// asked to end ends the start; `hears` says whether master takes a SIGTERM for that.
pub fn await_start(mut master: Child, line: Line, timeouts: &Timeouts, hears: bool) -> Result<WaitStatus> {
    let queue = sys::signal::queue()?;
    let mut silent = false;
    loop {
        let all = [queue.as_fd(), master.as_fd(), line.0.as_fd()];
        // A master that cleans up after a start that has failed has let go of the line, which stays readable then.
        let ready = sys::event::wait_readable(if silent { &all[..2] } else { &all }, None)?;
        let mut asked = None;
        let mut runs = ready.get(2) == Some(&true) && hear(&line.0, "runs");
        silent = silent || ready.get(2) == Some(&true) && !runs;
        while let Some(signal) = sys::signal::read(&queue)? {
            // Engines of the family say it so themselves.
            if signal.number == libc::SIGUSR1 && signal.sender == master.pid().as_raw_pid() {
                runs = true;
            } else if sys::signal::TERMINATING.contains(&signal.number) {
                asked = Some(signal.number);
            }
        }
        if runs {
            // One that has ended by now was an instance that ran.
            let _ = say(&line.0, "heard");
            master.release();
            return Ok(WaitStatus::exit(0));
        }
        if let Some(signal) = asked {
            return abandon(master, line, timeouts, hears).map(|()| WaitStatus::killed(signal));
        }
        if ready[1] {
            return master.wait();
        }
    }
}

/// Ends the start: master, whose engine may pass no signals on in an instance, learns of it by the end of the line, and is killed if a
/// callback keeps it from ending.
fn abandon(mut master: Child, line: Line, timeouts: &Timeouts, hears: bool) -> Result<()> {
    if hears {
        // In a callback as well.
        master.signal(Signal::TERM)?;
    }
    drop(line);
    let limit = timeouts.patience() + timeouts.handshake();
    if master.wait_within(limit)?.is_none() {
        log::error(&overdue("master", limit));
    }
    Ok(())
}

impl Waiter {
    /// Tells it that the container runs.
    pub fn tell(&self) -> Result<()> {
        match say(&self.0, "runs") {
            // It has heard of it from the engine.
            Err(Errno::PIPE | Errno::CONNRESET) => self.heard(),
            said => said.tried(|| "say that the instance runs"),
        }
    }

    /// To be called when the line is readable: an error if that process has died before it heard that the container runs.
    pub fn heard(&self) -> Result<()> {
        if hear(&self.0, "heard") { Ok(()) } else { Err(Self::gone()) }
    }

    /// It has died, or was asked to end. Not of the kind that asks for the container process's own words.
    pub fn gone() -> Error {
        Error::new(ErrorKind::Protocol, "start the instance: who waited for it was asked to end, or is gone")
    }
}

impl From<OwnedFd> for Waiter {
    fn from(line: OwnedFd) -> Self {
        Waiter(line)
    }
}

impl From<Waiter> for OwnedFd {
    fn from(waiter: Waiter) -> Self {
        waiter.0
    }
}

impl AsFd for Waiter {
    /// Readable when the process that waits has said that it heard, or is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
