// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the processes on the host have in common: a session of their own, the real user's privileges for good, one
//! socket to the starter (later master), one callback, one answer.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::engine::contract::Callback;
use crate::engine::contract::holdings::DeathSignal;
use crate::engine::{CallbackResult, Context, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::lifecycle::callback::{call, silent};
use crate::lifecycle::child::{Child, Forked, Watched, arm_death_signal, fork, not_cloned};
use crate::lifecycle::ending;
use crate::lifecycle::messages::{Channel, FromHostProcess, Received, Report, ToHostProcess, channel};
use crate::lifecycle::roles::{Role, Step};
use crate::{log, privileges, registry, trace};

/// The process's own end.
pub type Own = Channel<FromHostProcess, ToHostProcess>;

/// The starter's side of one such process.
pub struct HostProcess {
    role: Role,
    child: Child,
    channel: Channel<ToHostProcess, FromHostProcess>,
}

/// Which side of [`spawn`] this is.
pub enum Side {
    /// The new process: it is to call [`enter`].
    Child(Own),
    /// The caller.
    Parent(HostProcess),
}

/// Makes the process.
pub fn spawn(role: Role) -> Result<Side> {
    let (ours, theirs) = channel()?;
    match fork(role, 0).map_err(|errno| not_cloned(role, &[], errno))? {
        Forked::Parent(child) => Ok(Side::Parent(HostProcess { role, child, channel: ours })),
        Forked::Child => Ok(Side::Child(theirs)),
    }
}

/// What each of them does before its role: it leaves the caller's session and drops its privileges.
pub fn enter() -> Result<()> {
    // It fails for a process group leader only, which a new process is not.
    let _ = nix::unistd::setsid();
    privileges::drop_for_good()?;
    // A parent that has died before this is no reason to end: its socket's end-of-file says so, and what it has made by then
    // is to be cleaned up.
    arm_death_signal(DeathSignal::of(trace::role()))?;
    trace::step(Step::HostProcesses);
    Ok(())
}

/// What a step of the process came to. An error is printed and ends it with the exit code `failure`.
pub fn end_unless<T>(failure: i32, result: Result<T>) -> T {
    result.unwrap_or_else(|error| {
        log::error(&error);
        ending::end(failure)
    })
}

/// Calls the process's one callback with the launcher's configuration.
pub fn run(configuration: &[u8], callback: Callback, body: fn(&Engine, &Context) -> CallbackResult) -> Result<()> {
    let engine = registry::get(configuration)?;
    let context = Context::new()?;
    call(callback, || body(&engine, &context))
}

/// Answers master. A failure is master's to print; if master is dead it stays this process's own error.
/// Returns whether the callback succeeded.
pub fn answer(channel: &Own, result: Result<()>) -> Result<bool> {
    let message = match &result {
        Ok(()) => FromHostProcess::Done,
        Err(error) => FromHostProcess::Failed(Report::from(error)),
    };
    match channel.send(&message, &[]) {
        Err(error) if error.kind() == ErrorKind::PeerDied => result.map(|()| true),
        sent => sent.map(|()| result.is_ok()),
    }
}

/// Says something on a host process's socket. A process that is gone is no error.
pub fn tell(
    channel: &Channel<ToHostProcess, FromHostProcess>,
    message: &ToHostProcess,
    container: Option<BorrowedFd<'_>>,
) -> Result<()> {
    match channel.send(message, container.as_slice()) {
        Err(error) if error.kind() == ErrorKind::PeerDied => Ok(()),
        sent => sent,
    }
}

impl HostProcess {
    /// Says something. A process that is gone is no error: whoever needs its answer learns of it.
    pub fn tell(&self, message: &ToHostProcess, container: Option<BorrowedFd<'_>>) -> Result<()> {
        tell(&self.channel, message, container)
    }

    /// In a fork of its owner: lets go of the process, whose that one's it is to reap, and keeps the socket.
    pub fn hold(mut self) -> Channel<ToHostProcess, FromHostProcess> {
        self.release();
        self.channel
    }

    /// The end of the socket on which it is told to run. Its owner stays who reaps it.
    pub fn asker(&self) -> Result<Asker> {
        Ok(Asker { role: self.role, process: self.child.share()?, channel: self.channel.share()? })
    }

    /// Says 'run' and waits for the answer, at most `limit`.
    pub fn ask(&self, limit: Duration) -> Result<()> {
        self.asker()?.ask(limit)
    }

    /// The descriptors behind it.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.channel.as_fd(), self.child.as_fd()]
    }

    /// Kills it.
    pub fn kill(&self) -> Result<()> {
        self.child.kill()
    }

    /// Waits for its end; one that does not end within `limit` is killed.
    pub fn end(self, limit: Duration) {
        let HostProcess { child, channel, .. } = self;
        drop(channel);
        child.finish(limit);
    }

    /// In a fork of its owner: it is that one's to reap.
    pub fn release(&mut self) {
        self.child.release();
    }
}

/// Who tells a host process to run.
pub struct Asker {
    role: Role,
    process: Watched,
    channel: Channel<ToHostProcess, FromHostProcess>,
}

impl Asker {
    /// Says 'run' and waits for the answer, at most `limit`. A process that has become something else, or does not answer, is
    /// killed.
    pub fn ask(&self, limit: Duration) -> Result<()> {
        self.channel.send(&ToHostProcess::Run, &[])?;
        let answered = sys::event::wait_readable(&[self.channel.as_fd()], Some(limit))?;
        if !answered[0] {
            self.process.kill()?;
            let text = format!("wait for {}: no answer within {} ms", self.role, limit.as_millis());
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        match self.channel.receive()? {
            Received::Message(FromHostProcess::Done, _) => Ok(()),
            Received::Message(FromHostProcess::Failed(report), _) => Err(Error::from(report)),
            Received::Closed => Err(silent(self.role, self.process.silenced()?, "an answer", None)),
        }
    }
}
