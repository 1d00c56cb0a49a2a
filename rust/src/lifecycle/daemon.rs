// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step 9, an instance: the starter stays in front of its caller until the container runs, and master goes on in a session of its
//! own. Until then each ends with the other; what master has made by then is cleaned up as ever.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use rustix::process::Signal;

use crate::engine::WaitStatus;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::lifecycle::child::{Child, Forked, fork, not_cloned};
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::limits::overdue;
use crate::lifecycle::messages::{Channel, FromMaster, Received, ToMaster, channel};
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Start, Stop};
use crate::plan::Plan;
use crate::{log, privileges, trace};

/// Master's line to the starter that waits.
pub struct Waiter {
    line: Channel<FromMaster, ToMaster>,
}

/// Makes master's process, which is the one that returns from here. The starter waits in here, and ends as it says.
pub fn fork_master(start: &mut Start, hosts: &mut HostProcesses, plan: &Plan) -> Result<(), Stop> {
    let (ours, theirs) = channel()?;
    match fork(Role::Master, 0).map_err(|errno| not_cloned(Role::Master, &[], errno))? {
        Forked::Child => {
            drop(ours);
            hosts.disown();
            start.waiter = Some(Waiter { line: theirs });
            nix::unistd::setsid().tried(|| "leave the caller's session")?;
            umask(Mode::empty());
            trace::step(Step::Daemon);
            Ok(())
        }
        Forked::Parent(master) => {
            drop(theirs);
            // They follow master, not this process: it must not hold their sockets open, nor what they clean up.
            hosts.close_image();
            drop(hosts.release());
            Err(await_start(master, ours, plan)?)
        }
    }
}

/// Until master says that the container runs, or ends. Being asked to end ends the start: master, whose engine may pass no signals on
/// in an instance, learns of it by the end of the line, and is killed if a callback keeps it from ending.
fn await_start(mut master: Child, line: Channel<ToMaster, FromMaster>, plan: &Plan) -> Result<Stop> {
    privileges::drop_for_good()?;
    let queue = sys::signal::queue()?;
    trace::step(Step::Daemon);
    loop {
        let ready = sys::event::wait_readable(&[line.as_fd(), queue.as_fd(), master.as_fd()], None)?;
        let mut asked = None;
        let mut runs = ready[0] && matches!(line.receive()?, Received::Message(FromMaster::Runs, _));
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
            let _ = line.send(&ToMaster::Heard, &[]);
            master.release();
            return Ok(Stop::Ended(WaitStatus::exit(0)));
        }
        if let Some(signal) = asked {
            drop(line);
            if !plan.engine_monitors {
                // It hears that in a callback as well.
                master.signal(Signal::TERM)?;
            }
            let limit = plan.patience() + Duration::from_millis(plan.timeouts.handshake_ms.into());
            if master.wait_within(limit)?.is_none() {
                log::error(&overdue("master", limit));
            }
            return Ok(Stop::Ended(WaitStatus::killed(signal)));
        }
        if ready[2] {
            return master.wait().map(Stop::Ended);
        }
    }
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

    /// To be called when the line is readable: an error if the starter has died before it heard that the container runs.
    pub fn heard(&self) -> Result<()> {
        match self.line.receive()? {
            Received::Message(ToMaster::Heard, _) => Ok(()),
            // Not of the kind that asks for the container process's own words.
            Received::Closed => {
                Err(Error::new(ErrorKind::Protocol, "start the instance: the process that waited for it is gone"))
            }
        }
    }
}

impl AsFd for Waiter {
    /// Readable when the starter has said that it heard, or is gone.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}
