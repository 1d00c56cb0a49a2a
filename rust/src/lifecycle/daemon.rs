// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step 9, an instance: somebody stays in front of the caller until the container runs, and master goes on in a session of its own.
//! Who waits is the launcher, where it has given the starter a line for that, else the starter, which makes master's process then.
//! Until the container runs each ends with the other; what master has made by then is cleaned up as ever.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{Mode, umask};
use rustix::process::Signal;

use crate::config::Timeouts;
use crate::engine::WaitStatus;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::lifecycle::child::{Child, Forked, fork, not_cloned};
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::limits::overdue;
use crate::lifecycle::messages::{Channel, FromMaster, Received, ToMaster, channel};
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Start, Stop, stage1};
use crate::plan::Plan;
use crate::{log, privileges, trace};

const GONE: &str = "start the instance: the process that waited for it is gone";

/// Master's line to the process that waits.
pub struct Waiter {
    line: Channel<FromMaster, ToMaster>,
}

/// The other end of that line.
pub struct Line {
    channel: Channel<ToMaster, FromMaster>,
}

impl Line {
    /// A line, and the end of it that goes to master.
    pub fn new() -> Result<(Self, Waiter)> {
        let (channel, line) = channel()?;
        Ok((Line { channel }, Waiter { line }))
    }
}

/// Begins master's life in the process that returns from here.
pub fn lead(start: &mut Start, hosts: &mut HostProcesses, plan: &Plan, stage1: &mut Option<Child>) -> Result<(), Stop> {
    match start.waiter {
        Some(_) => trace::enter(Role::Master, None),
        None => start.waiter = Some(fork_master(hosts, plan, stage1)?),
    }
    nix::unistd::setsid().tried(|| "leave the caller's session")?;
    umask(Mode::empty());
    trace::step(Step::Daemon);
    Ok(())
}

/// Makes master's process, which is the one that returns from here. The starter waits in here, and ends as it says.
fn fork_master(hosts: &mut HostProcesses, plan: &Plan, stage1: &mut Option<Child>) -> Result<Waiter, Stop> {
    let (line, waiter) = Line::new()?;
    match fork(Role::Master, 0).map_err(|errno| not_cloned(Role::Master, &[], errno))? {
        Forked::Child => {
            stage1.take().iter_mut().for_each(Child::release);
            hosts.disown();
            Ok(waiter)
        }
        Forked::Parent(master) => {
            // They follow master, not this process: it must not hold their sockets open, nor what they clean up.
            hosts.close_image();
            drop((waiter, hosts.release()));
            Err(stay(master, line, plan, stage1)?)
        }
    }
}

/// The starter, beside master.
fn stay(master: Child, line: Line, plan: &Plan, stage1: &mut Option<Child>) -> Result<Stop> {
    privileges::drop_for_good()?;
    trace::step(Step::Daemon);
    let hears = !plan.engine_monitors;
    match stage1::end(stage1) {
        Ok(()) => await_start(master, line, &plan.timeouts, hears).map(Stop::Ended),
        // It has taken its decision back by how it ended.
        Err(stop) => abandon(master, line, &plan.timeouts, hears).map(|()| stop),
    }
}

/// Waits until master says that the container runs, or ends; returns what the caller is to end with. All signals must be blocked. Being
/// asked to end ends the start; `hears` says whether master takes a SIGTERM for that.
pub fn await_start(mut master: Child, line: Line, timeouts: &Timeouts, hears: bool) -> Result<WaitStatus> {
    let queue = sys::signal::queue()?;
    loop {
        let ready = sys::event::wait_readable(&[line.channel.as_fd(), queue.as_fd(), master.as_fd()], None)?;
        let mut asked = None;
        let mut runs = ready[0] && matches!(line.channel.receive()?, Received::Message(FromMaster::Runs, _));
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
            let _ = line.channel.send(&ToMaster::Heard, &[]);
            master.release();
            return Ok(WaitStatus::exit(0));
        }
        if let Some(signal) = asked {
            return abandon(master, line, timeouts, hears).map(|()| WaitStatus::killed(signal));
        }
        if ready[2] {
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
        match self.line.send(&FromMaster::Runs, &[]) {
            // It has heard of it from the engine.
            Err(error) if error.kind() == ErrorKind::PeerDied => self.heard(),
            sent => sent,
        }
    }

    /// To be called when the line is readable: an error if that process has died before it heard that the container runs.
    pub fn heard(&self) -> Result<()> {
        match self.line.receive()? {
            Received::Message(ToMaster::Heard, _) => Ok(()),
            // Not of the kind that asks for the container process's own words.
            Received::Closed => Err(Error::new(ErrorKind::Protocol, GONE)),
        }
    }
}

impl From<OwnedFd> for Waiter {
    fn from(line: OwnedFd) -> Self {
        Waiter { line: line.into() }
    }
}

impl From<Waiter> for OwnedFd {
    fn from(waiter: Waiter) -> Self {
        waiter.line.into()
    }
}

impl AsFd for Waiter {
    /// Readable when the process that waits has said that it heard, or is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}
