// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Master's signals: where they come from, and which of them the core's own monitor passes on to the container. docs/signals.md
//! says what becomes of each.
//!
//! | signal | what happens |
//! | --- | --- |
//! | sent by a terminal (INT, QUIT, HUP, WINCH, CONT) | nothing: the container is in the same process group and has it already |
//! | HUP and CONT of a hang-up, where master leads the session | passed on: the terminal sends them to the leader alone |
//! | TSTP, TTIN, TTOU | passed on unless a terminal sent it; the container is stopped, then master; both go on with CONT |
//! | TERM | passed on; a second one later, or the end of the grace time, kills the container |
//! | CHLD, URG, PIPE | nothing: they are about master itself |
//! | every other | passed on, once each |

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::ffi::sys::signal::{FROM_TERMINAL, Queued};
use crate::lifecycle::child::Child;

const OWN: [i32; 3] = [libc::SIGCHLD, libc::SIGURG, libc::SIGPIPE];
const STOPPING: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
/// A terminal that hangs up sends these to the leader of its session.
const HANG_UP: [i32; 2] = [libc::SIGHUP, libc::SIGCONT];

/// What comes within this time of the first SIGTERM means the same: timeout(1), for one, sends it to the process and then to its
/// whole group.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// Where the program's own runtime receives the signals.
static SOURCE: OnceLock<OwnedFd> = OnceLock::new();

/// Lets master take its signals from a descriptor that is read as a signalfd(2) is, in place of its own, for which every thread
/// would have to block them. Errors: it has one.
pub fn signals_from(source: OwnedFd) -> Result<()> {
    let taken = |_| Error::new(ErrorKind::Refused, "take master's signals from the program: it has given them already");
    SOURCE.set(source).map_err(taken)
}

/// Whether it does so.
pub fn has_source() -> bool {
    SOURCE.get().is_some()
}

/// The queue that master reads.
pub fn source() -> Result<OwnedFd> {
    match SOURCE.get() {
        Some(source) => source.try_clone().tried(|| "share the signals' descriptor"),
        None => sys::signal::queue(),
    }
}

/// Passes signals on to the container.
pub struct Forwarder {
    /// What came before the container's program ran: what was not the program yet could only lose it. `None` once it runs.
    held: Option<BTreeSet<i32>>,
    leads_session: bool,
    /// From the first SIGTERM to the kill; none where the process that the signals go to ends by itself.
    grace: Option<Duration>,
    end: End,
}

/// What becomes of the container.
enum End {
    /// It runs.
    No,
    /// It was asked to end.
    Asked(Instant),
    /// It was asked again.
    Insisted(Instant),
    /// It was killed.
    Killed,
}

impl Forwarder {
    /// For a container whose program does not run yet.
    pub fn new(grace: Option<Duration>) -> Self {
        let leader = nix::unistd::getsid(None).is_ok_and(|leader| leader == Pid::this());
        Forwarder { held: Some(BTreeSet::new()), leads_session: leader, grace, end: End::No }
    }

    /// Empties the queue.
    pub fn forward(&mut self, queue: &OwnedFd, container: &Child) -> Result<()> {
        while let Some(signal) = sys::signal::read(queue)? {
            if OWN.contains(&signal.number) || signal.number == libc::SIGTERM && self.is_one_more() {
                continue;
            }
            match &mut self.held {
                Some(held) => drop(held.insert(signal.number)),
                None => self.pass_on(signal, container)?,
            }
        }
        Ok(())
    }

    /// The container's program runs: it gets what came before, a terminal's signals as well.
    pub fn started(&mut self, container: &Child) -> Result<()> {
        let held = self.held.take().unwrap_or_default();
        held.into_iter()
            .try_for_each(|number| self.pass_on(Queued { number, from_kernel: false, sender: 0 }, container))
    }

    /// When a container that was asked to end is to be killed.
    pub fn deadline(&self) -> Option<Instant> {
        match self.end {
            End::Asked(asked) => asked.checked_add(self.grace?),
            End::Insisted(again) => Some(again),
            End::No | End::Killed => None,
        }
    }

    /// Kills it, once.
    pub fn kill(&mut self, container: &Child) -> Result<()> {
        self.end = End::Killed;
        container.kill()
    }

    /// Notes a request to end. Whether it is one more, which the container need not hear.
    fn is_one_more(&mut self) -> bool {
        match self.end {
            _ if self.grace.is_none() => {}
            End::No => self.end = End::Asked(Instant::now()),
            End::Asked(asked) if asked.elapsed() >= SAME_REQUEST => self.end = End::Insisted(Instant::now()),
            End::Asked(_) => {}
            End::Insisted(_) | End::Killed => return true,
        }
        matches!(self.end, End::Insisted(_))
    }

    fn pass_on(&self, signal: Queued, container: &Child) -> Result<()> {
        let number = signal.number;
        let to_leader_alone = self.leads_session && HANG_UP.contains(&number);
        let has_it = signal.from_kernel && FROM_TERMINAL.contains(&number) && !to_leader_alone;
        if !has_it {
            sys::process::pass_signal_on(&**container, number)?;
        }
        if STOPPING.contains(&number) {
            stop_like_a_job(Signal::try_from(number).tried(|| format!("look at signal {number}"))?, container)?;
        }
        Ok(())
    }
}

/// Stops master, for a shell to see, and before that a container that would run on.
fn stop_like_a_job(signal: Signal, container: &Child) -> Result<()> {
    if takes(container, signal) || !is_watched() {
        return stop_master(signal);
    }
    // What is left of an earlier stop must not be taken for the end of this one.
    was_continued(container)?;
    container.signal(rustix::process::Signal::STOP)?;
    await_stop(container)?;
    stop_master(signal)?;
    // A shell continues the whole process group. Somebody else continues master alone, and nobody does if it was not stopped.
    sys::signal::take_pending(Signal::SIGCONT)?;
    if !was_continued(container)? {
        container.signal(rustix::process::Signal::CONT)?;
    }
    Ok(())
}

fn stop_master(signal: Signal) -> Result<()> {
    if !has_source() {
        return sys::signal::stop_by(signal);
    }
    // The program's own runtime handles the signal; this one it cannot.
    nix::sys::signal::kill(Pid::this(), Signal::SIGSTOP).tried(|| "stop master")
}

/// Whether a shell watches over the process group: the parent of one of its processes is in the session and not in the group. The
/// kernel decides it for master, and asks nobody whether the container has been stopped meanwhile.
fn is_watched() -> bool {
    let (group, session) = (nix::unistd::getpgrp(), nix::unistd::getsid(None));
    let mut parent = Some(nix::unistd::getppid());
    while let Some(pid) = parent {
        match nix::unistd::getpgid(Some(pid)) {
            Ok(of_parent) if of_parent == group => parent = parent_of(pid),
            Ok(_) => return nix::unistd::getsid(Some(pid)) == session,
            Err(_) => break,
        }
    }
    false
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()?;
    Some(Pid::from_raw(parent)).filter(|parent| parent.as_raw() > 0)
}

/// Whether the container process does with a signal what its program wants: blocks, catches or ignores it. For the first process
/// of a PID namespace there is no default action. Without /proc it is taken to have none.
fn takes(container: &Child, signal: Signal) -> bool {
    let status = container.pid_in_proc().map(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")));
    let Some(Ok(status)) = status else { return false };
    let sets = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let lines = status.lines().filter_map(|line| sets.iter().find_map(|set| line.strip_prefix(set)));
    let bit = 1u64 << (signal as i32 - 1);
    lines.filter_map(|set| u64::from_str_radix(set.trim(), 16).ok()).any(|set| set & bit != 0)
}

/// Waits until the container process is stopped, or gone: a CONT that came before that would leave no trace.
fn await_stop(container: &Child) -> Result<()> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match rustix::process::waitid(WaitId::PidFd(container.as_fd()), options) {
            Ok(_) | Err(rustix::io::Errno::CHILD) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).tried(|| "wait until the container is stopped"),
        }
    }
}

/// Whether the container process was continued since this was last asked, or is gone.
fn was_continued(container: &Child) -> Result<bool> {
    match rustix::process::waitid(WaitId::PidFd(container.as_fd()), WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG) {
        Ok(status) => Ok(status.is_some()),
        Err(rustix::io::Errno::CHILD) => Ok(true),
        Err(errno) => Err(errno).tried(|| "look whether the container was continued"),
    }
}
