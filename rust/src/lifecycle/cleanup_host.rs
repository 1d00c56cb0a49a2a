// SPDX-License-Identifier: Apache-2.0 OR MIT
//! cleanup-host and its spare · children of: starter (master) · namespaces: the host's · privileges: real user, for good, from
//! before their role · parent death: SIGTERM, which stays blocked, since end-of-file on the socket says the same and nobody
//! else can send it · end: 0 after CleanupHost, 1 if that failed · run it: exactly once between the two of them, on master's
//! word or after master's death, when the container is gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::engine::contract::Callback;
use crate::engine::contract::holdings::DeathSignal;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::lifecycle::child::arm_death_signal;
use crate::lifecycle::ending;
use crate::lifecycle::host_process::{self, HostProcess, Own};
use crate::lifecycle::journal::Journal;
use crate::lifecycle::messages::{Channel, FromHostProcess, Received, ToHostProcess, channel};
use crate::lifecycle::pending::{Pending, Work};
use crate::lifecycle::roles::Role;
use crate::log;

/// The exit code of either if anything fails.
const FAILED: i32 = 1;

/// Master's side of the pair.
pub struct CleanupHost {
    first: HostProcess,
    spare: HostProcess,
}

/// What a fork of the owner keeps of them: as long as it does, they do not take the owner for dead.
pub struct Held {
    first: Channel<ToHostProcess, FromHostProcess>,
    spare: Channel<ToHostProcess, FromHostProcess>,
}

impl Held {
    /// Hands the container's pidfd on.
    pub fn container(&self, container: BorrowedFd<'_>) -> Result<()> {
        host_process::tell(&self.first, &ToHostProcess::Container, Some(container))?;
        host_process::tell(&self.spare, &ToHostProcess::Container, Some(container))
    }
}

/// The calling process's pidfd. None where there is no pidfd_open(2), before Linux 5.3 or under a filter.
pub fn own_pidfd() -> Result<Option<OwnedFd>> {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Err(Errno::NOSYS | Errno::PERM) => Ok(None),
        opened => opened.map(Some).tried(|| "open the process's own pidfd"),
    }
}

/// Which side of [`spawn`] this is.
pub enum Side {
    /// One of the two new processes.
    Child(Seat),
    /// The caller.
    Parent(CleanupHost),
}

/// What tells one of the processes from the other.
pub struct Seat {
    role: Role,
    /// To master.
    channel: Own,
    /// To the other one.
    beside: Channel<FromHostProcess, FromHostProcess>,
}

/// Makes both processes. The first tells the spare, on a socket of their own, when it has run CleanupHost.
pub fn spawn() -> Result<Side> {
    let (watched, watcher) = channel()?;
    let mut first = match host_process::spawn(Role::CleanupHost)? {
        host_process::Side::Parent(process) => process,
        host_process::Side::Child(channel) => {
            return Ok(Side::Child(Seat { role: Role::CleanupHost, channel, beside: watched }));
        }
    };
    drop(watched);
    match host_process::spawn(Role::CleanupSpare)? {
        host_process::Side::Parent(spare) => Ok(Side::Parent(CleanupHost { first, spare })),
        host_process::Side::Child(channel) => {
            // The first one's socket must have no holder but master.
            first.release();
            Ok(Side::Child(Seat { role: Role::CleanupSpare, channel, beside: watcher }))
        }
    }
}

/// One of the processes, waiting, and then before its role.
pub struct CleanUp {
    seat: Seat,
    configuration: Vec<u8>,
    journal: Journal,
    /// The pidfd of whoever makes what is to be cleaned up: stage 1's, then the container process's.
    maker: Option<OwnedFd>,
}

/// From here on master's death is no reason to stop, and the program's own runtime may open the signal that tells of it.
fn outlive_master(role: Role) -> Result<()> {
    arm_death_signal(DeathSignal::in_callback(role))?;
    sys::signal::take_pending(nix::sys::signal::Signal::SIGTERM)
}

/// Why the wait of a clean-up process ended.
#[derive(PartialEq, Eq)]
enum Wake {
    Run,
    StandDown,
    MasterDied,
}

impl CleanUp {
    /// Step 3, in the new process: returns when CleanupHost is to run here. A process that is not needed ends; until then it
    /// has nothing of the program's own runtime.
    pub fn enter(seat: Seat, configuration: Vec<u8>, journal: Journal) -> Pending {
        host_process::end_unless(FAILED, host_process::enter());
        let mut own = CleanUp { seat, configuration, journal, maker: None };
        let needed = if own.role() == Role::CleanupSpare { own.spare_is_needed() } else { own.is_needed() };
        if !host_process::end_unless(FAILED, needed) {
            ending::end(0);
        }
        host_process::end_unless(FAILED, own.await_maker().and_then(|()| outlive_master(own.role())));
        Pending::from(own)
    }

    fn is_needed(&mut self) -> Result<bool> {
        let needed = self.wait_for_master()? != Wake::StandDown;
        if !needed {
            // A spare that is gone needs no word.
            let _ = self.seat.beside.send(&FromHostProcess::Done, &[]);
        }
        Ok(needed)
    }

    fn spare_is_needed(&mut self) -> Result<bool> {
        let mut master_died = false;
        loop {
            let all = [self.seat.beside.as_fd(), self.seat.channel.as_fd()];
            let ready = sys::event::wait_readable(if master_died { &all[..1] } else { &all }, None)?;
            if ready[0] {
                match self.seat.beside.receive()? {
                    Received::Message(..) => return Ok(false),
                    // The first one died before it was through.
                    Received::Closed if master_died => return Ok(true),
                    Received::Closed => return Ok(self.wait_for_master()? != Wake::StandDown),
                }
            }
            match self.next_word()? {
                Some(Wake::StandDown) => return Ok(false),
                Some(Wake::Run) => return Ok(true),
                Some(Wake::MasterDied) => master_died = true,
                None => {}
            }
        }
    }

    fn wait_for_master(&mut self) -> Result<Wake> {
        loop {
            if let Some(wake) = self.next_word()? {
                return Ok(wake);
            }
        }
    }

    fn next_word(&mut self) -> Result<Option<Wake>> {
        match self.seat.channel.receive()? {
            Received::Message(ToHostProcess::Stage1 | ToHostProcess::Container, fds) => {
                self.maker = fds.into_iter().next();
                Ok(None)
            }
            Received::Message(ToHostProcess::Run, _) => Ok(Some(Wake::Run)),
            Received::Message(ToHostProcess::StandDown, _) => Ok(Some(Wake::StandDown)),
            Received::Closed => Ok(Some(Wake::MasterDied)),
        }
    }

    /// Waits for the end of stage 1 or of the container, which master's death brings about: then it can no longer use what is
    /// cleaned up, nor make more of it. The kernel closes a process's descriptors before it tells its children. A program that has
    /// gained privileges when it was executed has lost that signal (execve(2)).
    fn await_maker(&self) -> Result<()> {
        let Some(pidfd) = &self.maker else { return Ok(()) };
        if let Err(error) = sys::process::send_signal(pidfd, libc::SIGKILL) {
            // It has become another user's.
            log::warning(format_args!("end the container: {error}: waiting for its end"));
        }
        sys::event::wait_readable(&[pidfd.as_fd()], None).map(drop)
    }

    fn clean_up(&self) -> Result<()> {
        let called = host_process::run(&self.configuration, Callback::CleanupHost, |engine, context| {
            engine.operations.cleanup_host(context)
        });
        let undone = self.journal.undo();
        called.and(undone)
    }
}

impl Work for CleanUp {
    fn role(&self) -> Role {
        self.seat.role
    }

    /// The rest of its life.
    fn run(self: Box<Self>) -> ! {
        let result = self.clean_up();
        if self.role() == Role::CleanupHost {
            // The spare first: should this process be killed before it has answered master, the work is done all the same.
            let _ = self.seat.beside.send(&FromHostProcess::Done, &[]);
        }
        let succeeded = host_process::end_unless(FAILED, host_process::answer(&self.seat.channel, result));
        ending::end(if succeeded { 0 } else { FAILED })
    }
}

impl CleanupHost {
    /// Hands stage 1's pidfd on.
    pub fn stage1(&self, stage1: BorrowedFd<'_>) -> Result<()> {
        self.first.tell(&ToHostProcess::Stage1, Some(stage1))?;
        self.spare.tell(&ToHostProcess::Stage1, Some(stage1))
    }

    /// Hands the container's pidfd on.
    pub fn container(&self, container: BorrowedFd<'_>) -> Result<()> {
        self.first.tell(&ToHostProcess::Container, Some(container))?;
        self.spare.tell(&ToHostProcess::Container, Some(container))
    }

    /// The descriptors behind them.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.first.descriptors().into_iter().chain(self.spare.descriptors())
    }

    /// Has CleanupHost run, by the spare if the first one died or does not answer, and waits for both to end.
    pub fn run(self, limit: Duration) -> Result<()> {
        let result = match self.first.ask(limit) {
            Err(error) if matches!(error.kind(), ErrorKind::PeerDied | ErrorKind::Timeout) => self.spare.ask(limit),
            answer => answer,
        };
        self.first.end(limit);
        self.spare.end(limit);
        result.map_err(|error: Error| error.during("host cleanup failed"))
    }

    /// There is nothing to clean up, or stage 1 has done so.
    pub fn stand_down(self, limit: Duration) -> Result<()> {
        self.first.tell(&ToHostProcess::StandDown, None)?;
        self.spare.tell(&ToHostProcess::StandDown, None)?;
        self.first.end(limit);
        self.spare.end(limit);
        Ok(())
    }

    /// In a fork of its owner: they are that one's to reap.
    pub fn release(&mut self) {
        self.first.release();
        self.spare.release();
    }

    /// As [`release`](Self::release), and lets go of the processes.
    pub fn hold(self) -> Held {
        Held { first: self.first.hold(), spare: self.spare.hold() }
    }
}
