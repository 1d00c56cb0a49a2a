// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Children are owned: a child is a pidfd that kills and reaps when it goes out of scope.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid};

use crate::engine::WaitStatus;
use crate::engine::contract::holdings::DeathSignal;
use crate::error::{Error, Result, Tried};
use crate::ffi::sys::event;
use crate::ffi::sys::process::{Cloned, clone, exit};
use crate::lifecycle::fault;
use crate::lifecycle::roles::Role;
use crate::{privileges, trace};

/// A process that can be looked at and signalled, but not reaped.
pub struct Watched {
    pid: Pid,
    pidfd: OwnedFd,
    role: Role,
}

/// A process that this one made and has to reap.
pub struct Child {
    watched: Watched,
    /// Whether somebody else has reaped it, or is to.
    released: bool,
}

/// What is known of a process's end without reaping it.
pub enum Ended {
    /// It lives.
    No,
    /// It has ended like this.
    As(WaitStatus),
    /// Somebody else has reaped it.
    Reaped,
}

/// What became of a process that has closed its channel and was to say something before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It has ended.
    Ended,
    /// It had executed a program.
    Executed,
    /// It lived on as it was.
    Lives,
}

/// How long the end of a process may take to be seen after that of its channel, where /proc does not say that it is near.
const END_OF_CHANNEL: Duration = Duration::from_secs(1);

/// Which side of [`fork`] this is.
pub enum Forked {
    /// The new process.
    Child,
    /// The caller.
    Parent(Child),
}

/// Makes a process that has `role` from its first instruction. `flags` are further flags of clone(2).
pub fn fork(role: Role, flags: u64) -> Result<Forked, Errno> {
    fault::fork(role.word())?;
    let parent = nix::unistd::getpid();
    match clone(flags)? {
        Cloned::Child => {
            trace::enter(role, Some(parent.as_raw()));
            Ok(Forked::Child)
        }
        Cloned::Parent(pid, pidfd) => {
            Ok(Forked::Parent(Child { watched: Watched { pid, pidfd, role }, released: false }))
        }
    }
}

thread_local! {
    /// Whether the calling thread has asked for a signal: it belongs to that thread.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Asks for the signal that the contract has for the calling process.
pub fn arm_death_signal(signal: Option<DeathSignal>) -> Result<()> {
    ASKED.set(true);
    privileges::set_death_signal(signal.map(DeathSignal::signal))
}

/// Whether the calling thread is the one that has asked for its process's signal.
pub fn has_armed_death_signal() -> bool {
    ASKED.get()
}

/// Ties the calling child to its parent: its signal comes when that dies, and a parent that has died before this was set
/// ends the child now. `parent` is the parent's pid in a PID namespace that both are in.
pub fn tie_to_parent(role: Role, parent: i32) -> Result<()> {
    arm_death_signal(DeathSignal::of(role))?;
    if nix::unistd::getppid().as_raw() != parent {
        exit(255);
    }
    Ok(())
}

impl Watched {
    /// Its pid in the caller's PID namespace.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            // It has ended already: whoever waits for it learns that.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno).tried(|| format!("send signal {} to {}", signal.as_raw(), self.role)),
        }
    }

    /// Kills it.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Whether and how it has ended. It stays to be reaped.
    pub fn ended(&self) -> Result<Ended> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(None) => Ok(Ended::No),
            Ok(Some(status)) => Ok(Ended::As(wait_status(&status))),
            Err(rustix::io::Errno::CHILD) => Ok(Ended::Reaped),
            Err(errno) => Err(errno).tried(|| format!("look at {}", self.role)),
        }
    }

    /// Its pid in the PID namespace that /proc belongs to, which need not be the caller's: the kernel tells it of the pidfd
    /// (pidfd_open(2)). `None` where /proc is missing or does not show the process.
    pub fn pid_in_proc(&self) -> Option<i32> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", self.pidfd.as_raw_fd())).ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
        line.trim().parse().ok().filter(|pid| *pid > 0)
    }

    /// What the kernel notes of it until it is reaped: whether it has executed a program since it was made, and whether it
    /// is on its way out, which closes its descriptors well before it can be waited for. `None` where /proc does not say.
    pub fn has_executed_or_exits(&self) -> Option<(bool, bool)> {
        // The flags of proc_pid_stat(5).
        const EXITING: u64 = 0x4;
        const FORKED_BUT_NOT_EXECUTED: u64 = 0x40;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid_in_proc()?)).ok()?;
        let flags: u64 = stat.rsplit(") ").next()?.split(' ').nth(6)?.parse().ok()?;
        Some((flags & FORKED_BUT_NOT_EXECUTED == 0, flags & EXITING != 0))
    }

    /// Finds out why it closed its channel. If it lives, as whatever program, it is killed: nobody is to wait for it.
    pub fn silenced(&self) -> Result<Silence> {
        let (silence, patience) = match self.has_executed_or_exits() {
            Some((true, _)) => (Silence::Executed, Duration::ZERO),
            Some((false, false)) => (Silence::Lives, Duration::ZERO),
            Some((false, true)) | None => (Silence::Lives, END_OF_CHANNEL),
        };
        let ended = event::wait_readable(&[self.as_fd()], Some(patience))?;
        if !ended[0] {
            self.kill()?;
        }
        Ok(if ended[0] && silence == Silence::Lives { Silence::Ended } else { silence })
    }

    /// Another handle of the same process.
    pub fn share(&self) -> Result<Self> {
        let pidfd = self.pidfd.try_clone().tried(|| format!("share the pidfd of {}", self.role))?;
        Ok(Watched { pid: self.pid, pidfd, role: self.role })
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl std::ops::Deref for Child {
    type Target = Watched;

    fn deref(&self) -> &Watched {
        &self.watched
    }
}

impl Child {
    /// One that was made in another way, and has not been waited for.
    pub fn adopt(pid: Pid, role: Role) -> Result<Self> {
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).tried(|| format!("watch {role}"))?;
        Ok(Child { watched: Watched { pid, pidfd, role }, released: false })
    }

    /// Waits for its end and reaps it.
    pub fn wait(&mut self) -> Result<WaitStatus> {
        let status = loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.tried(|| format!("wait for {}", self.role))?,
            }
        };
        self.released = true;
        let status = status.map(|status| wait_status(&status)).unwrap_or_default();
        trace::event("child", || serde_json::json!({ "of": self.role.word(), "status": status.to_string() }));
        Ok(status)
    }

    /// Waits at most `limit` for its end and reaps it; `None` after that.
    pub fn wait_within(&mut self, limit: Duration) -> Result<Option<WaitStatus>> {
        let ended = event::wait_readable(&[self.pidfd.as_fd()], Some(limit))?;
        if ended[0] { self.wait().map(Some) } else { Ok(None) }
    }

    /// Lets it end by itself for at most `limit`, and kills it after that. It is gone after this, and reaped if it is to be.
    pub fn finish(self, limit: Duration) {
        let ended = event::wait_readable(&[self.pidfd.as_fd()], Some(limit));
        if !ended.is_ok_and(|ready| ready[0]) {
            // Nobody is left to hear of an error here, and there is nothing else to try.
            let _ = self.kill();
        }
    }

    /// Leaves it to somebody else: to the process that made it, from a fork of that, or to an engine that reaps.
    pub fn release(&mut self) {
        self.released = true;
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        // Nobody is left to hear of an error here, and there is nothing else to try.
        let _ = self.kill();
        let _ = self.wait();
    }
}

fn wait_status(status: &WaitIdStatus) -> WaitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => WaitStatus::exit(code),
        (None, Some(signal)) => WaitStatus::killed(signal),
        (None, None) => WaitStatus::default(),
    }
}

/// A failed clone: what was tried and what helps.
pub fn not_cloned(role: Role, kinds: &[crate::config::settings::NamespaceKind], errno: Errno) -> Error {
    let what = if kinds.is_empty() {
        format!("create the {role} process")
    } else {
        format!("create the {role} process in new {} namespaces", crate::namespaces::words(kinds))
    };
    crate::namespaces::refused(&what, kinds, errno)
}
