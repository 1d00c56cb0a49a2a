// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small first process for programs that are not made to be one: the kernel keeps signals with their default action
//! from the first process of a PID namespace, and gives it all orphans to reap.
//!
//! init · was: stage 2, with all of its privileges gone but the program's · its child: the program · ends with: the
//! program, as that ended.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus as Waited, waitpid};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::engine::{MasterConnection, WaitStatus};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::process::{Cloned, clone, exit, send_signal};
use crate::ffi::sys::{event, signal};

/// About this process itself.
const OWN: [i32; 4] = [libc::SIGCHLD, libc::SIGTTIN, libc::SIGTTOU, libc::SIGPIPE];
/// A terminal sends these to the program as well.
const FROM_TERMINAL: [i32; 5] = [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGWINCH, libc::SIGTSTP];

/// Runs the program as a child and stays until it has ended.
pub fn run(process: &Process, master: &mut MasterConnection) -> Result<WaitStatus> {
    rustix::thread::set_name(c"pinion-init").tried(|| "name the first process")?;
    signal::block_all()?;
    let queue = signal::queue()?;
    let (failure, child_failure) = std::io::pipe().tried(|| "make a pipe")?;
    let own = nix::unistd::getpid();
    let (pid, program) = match clone(0).tried(|| "make the program's process")? {
        Cloned::Child => {
            // The first process of a PID namespace takes everybody along; another one only with this.
            let _ = rustix::process::set_parent_process_death_signal((own.as_raw() != 1).then_some(Signal::KILL));
            become_program(process, child_failure)
        }
        Cloned::Parent(pid, program) => (nix::unistd::Pid::from_raw(pid.as_raw_pid()), program),
    };
    drop(child_failure);
    if let Some(error) = read_failure(failure)? {
        return Err(error);
    }
    master.close();
    wait(pid, &program, &queue)
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

/// Reaps whatever ends, passes signals on, until the program has ended.
fn wait(pid: nix::unistd::Pid, program: &OwnedFd, queue: &OwnedFd) -> Result<WaitStatus> {
    loop {
        while let Some(status) = reap()? {
            match status {
                Waited::Exited(ended, code) if ended == pid => return Ok(WaitStatus::exit(code)),
                Waited::Signaled(ended, signal, _) if ended == pid => return Ok(WaitStatus::killed(signal as i32)),
                _ => {}
            }
        }
        event::wait_readable(&[queue.as_fd()], None)?;
        while let Some(signal) = signal::read(queue)? {
            let number = signal.number;
            let has_it_already = signal.from_kernel && FROM_TERMINAL.contains(&number);
            if !(OWN.contains(&number) || has_it_already) {
                send_signal(program, number)?;
            }
        }
    }
}

fn reap() -> Result<Option<Waited>> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(Waited::StillAlive) | Err(Errno::ECHILD) => Ok(None),
        Err(Errno::EINTR) => reap(),
        result => result.map(Some).tried(|| "wait for the program"),
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
