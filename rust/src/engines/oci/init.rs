// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small first process for programs that are not made to be one: the kernel keeps signals with their default action
//! from the first process of a PID namespace, and gives it all orphans to reap.
//!
//! init · was: stage 2, with all of its privileges gone but the program's · its child: the program · ends with: the
//! program, as that ended.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus as Waited, wait};
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::engine::{MasterConnection, WaitStatus};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::process::{Cloned, clone, exit, not_made, pass_signal_on};
use crate::ffi::sys::signal::{FROM_TERMINAL, Queued};
use crate::ffi::sys::{descriptor, event, signal};

/// About this process itself.
const OWN: [i32; 2] = [libc::SIGCHLD, libc::SIGPIPE];

/// Runs the program as a child and stays until it has ended. `hidden`: what /proc shows of this process is not for the program: its
/// file is the host's.
pub fn run(process: &Process, hidden: bool, master: &mut MasterConnection) -> Result<WaitStatus> {
    rustix::thread::set_name(c"pinion-init").tried(|| "name the first process")?;
    // What the caller has left open would be a way out of the container. Before there is a program that could take it.
    descriptor::close_inherited(process.first_own_descriptor())?;
    if hidden {
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).tried(|| "hide the first process")?;
    }
    signal::block_all()?;
    let queue = signal::queue()?;
    let (failure, child_failure) = std::io::pipe().tried(|| "make a pipe")?;
    let own = nix::unistd::getpid();
    let (pid, pidfd) = match clone(0).tried(|| "make the program's process").map_err(not_made)? {
        Cloned::Child => {
            // The first process of a PID namespace takes everybody along; another one only with this.
            let tied = own.as_raw() == 1
                || rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
                    && nix::unistd::getppid() == own;
            if tied { become_program(process, child_failure) } else { exit(255) }
        }
        Cloned::Parent(pid, pidfd) => (pid, pidfd),
    };
    drop(child_failure);
    if let Some(error) = read_failure(failure)? {
        return Err(error);
    }
    master.close();
    descriptor::close_inherited(3)?;
    Program { pid, pidfd, continued: false, ended: None }.wait(&queue)
}

fn become_program(process: &Process, mut failure: std::io::PipeWriter) -> ! {
    let error = match signal::unblock_all().and_then(|()| process.execute()) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // If this cannot be said, the exit code says it.
    let _ = serde_json::to_vec(&Failure::from(&error)).map(|text| failure.write_all(&text));
    exit(255)
}

/// The error of a program that could not be executed; none once it is.
fn read_failure(mut failure: std::io::PipeReader) -> Result<Option<Error>> {
    let mut text = Vec::new();
    failure.read_to_end(&mut text).tried(|| "wait for the program's start")?;
    if text.is_empty() {
        return Ok(None);
    }
    let failure: Failure = serde_json::from_slice(&text)
        .map_err(|error| Error::new(ErrorKind::Protocol, format!("wait for the program's start: {error}")))?;
    Ok(Some(failure.into()))
}

/// The program, as its parent sees it.
struct Program {
    pid: Pid,
    pidfd: OwnedFd,
    /// Whether it was continued after its last stop, and not by this process.
    continued: bool,
    ended: Option<WaitStatus>,
}

impl Program {
    /// Reaps whatever ends, passes signals on, until the program has ended.
    fn wait(&mut self, queue: &OwnedFd) -> Result<WaitStatus> {
        loop {
            let signal = signal::read(queue)?;
            self.look()?;
            if let Some(status) = self.ended {
                return Ok(status);
            }
            match signal {
                Some(signal) => self.pass_on(signal)?,
                None => drop(event::wait_readable(&[queue.as_fd()], None)?),
            }
        }
    }

    fn pass_on(&mut self, signal: Queued) -> Result<()> {
        let number = signal.number;
        // A shell continues its whole job: the program, this process and the one that passes signals to it.
        let has_it = signal.from_kernel && FROM_TERMINAL.contains(&number) || number == libc::SIGCONT && self.continued;
        if has_it || OWN.contains(&number) {
            return Ok(());
        }
        pass_signal_on(&self.pidfd, number)?;
        if number == libc::SIGCONT {
            self.look()?;
            self.continued = false;
        }
        Ok(())
    }

    /// Reaps whatever has ended, and notes what became of the program.
    fn look(&mut self) -> Result<()> {
        while let Some((pid, status)) = reap()? {
            if pid != self.pid {
                continue;
            }
            match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => self.ended = Some(WaitStatus::exit(code)),
                (None, Some(signal)) => self.ended = Some(WaitStatus::killed(signal)),
                (None, None) => self.continued = status.continued(),
            }
        }
        Ok(())
    }
}

fn reap() -> Result<Option<(Pid, Waited)>> {
    loop {
        match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
            Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(None),
            result => return result.tried(|| "wait for the program"),
        }
    }
}

/// An error on its way from the program's process.
#[derive(Serialize, Deserialize)]
struct Failure {
    text: String,
    errno: Option<i32>,
    help: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure { text: error.to_string(), errno: error.errno(), help: error.help().map(str::to_owned) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut error = Error::new(ErrorKind::System, failure.text);
        if let Some(errno) = failure.errno {
            error = error.with_errno(errno);
        }
        match failure.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}
