// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion run`: this program becomes the starter; only for a table of times it waits for it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::arguments::Run;
use super::rpc_trace::RpcTrace;
use super::{container, timing};
use crate::engine::WaitStatus;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::ffi::sys::{descriptor, inherited};
use crate::launch::{Host, Launch};
use crate::lifecycle::child::Child;
use crate::lifecycle::master::Forwarder;
use crate::lifecycle::roles::Role;
use crate::log;

/// The environment variable that names another starter than the one beside this program.
pub const STARTER: &str = "PINION_STARTER";
pub const STARTER_NAME: &str = "pinion-starter";
/// The same program as a setuid-root file.
const SETUID_STARTER_NAME: &str = "pinion-starter-suid";

/// Starts a container. Returns an exit code only if this program has waited for it.
pub fn run(asked: Run) -> Result<i32> {
    container::check_descriptors(asked.container.preserve_fds)?;
    // Before anything is opened: the number is the caller's.
    let record = asked.record.as_deref().map(open_record).transpose()?;
    let document = container::document(&asked.container)?;
    let host = host()?;
    let launch = Launch::new(&host, STARTER_NAME, &document).use_suid(uses_setuid(asked.container.setuid));
    if !asked.timing && asked.rpc_trace.is_none() {
        let launch = match record {
            Some(record) => launch.record(record),
            None => launch,
        };
        match launch.exec()? {}
    }
    // Before there is another thread, which would get what is not blocked.
    sys::signal::block_all()?;
    let record = match record {
        Some(record) => record,
        None => rustix::fs::memfd_create("pinion-record", rustix::fs::MemfdFlags::CLOEXEC)
            .tried(|| "make a memory file for the record")?,
    };
    let kept = record.try_clone().tried(|| "keep the record's descriptor")?;
    let status = match asked.rpc_trace {
        None => watch(launch.record(record))?,
        Some(to) => {
            let (trace, sink) = RpcTrace::start(&to, record)?;
            let status = watch(launch.record(sink));
            trace.finish()?;
            status?
        }
    };
    if asked.timing {
        timing::print(File::from(kept))?;
    }
    end_as(status)
}

/// Waits for the starter, and passes on to it what comes to this process, as the starter does to the container. Signals must be
/// blocked.
fn watch(launch: Launch<'_>) -> Result<WaitStatus> {
    // Where the caller ignores it, nobody is there to be waited for.
    sys::signal::ignore(libc::SIGCHLD, false);
    let queue = sys::signal::queue()?;
    let mut starter = Child::adopt(launch.spawn()?, Role::Starter)?;
    let mut forwarder = Forwarder::new(None);
    forwarder.started(&starter)?;
    loop {
        let ready = sys::event::wait_readable(&[starter.as_fd(), queue.as_fd()], None)?;
        if ready[0] {
            return starter.wait();
        }
        forwarder.forward(&queue, &starter)?;
    }
}

/// A descriptor by its number, or a new file.
fn open_record(name: &OsStr) -> Result<OwnedFd> {
    let opened = open_named(name)?;
    let mode = rustix::fs::fcntl_getfl(&opened).tried(|| format!("--record: look at {name:?}"))? & OFlags::RWMODE;
    if mode == OFlags::RDONLY {
        return Err(Error::invalid(format!("--record: {name:?} cannot be written to")));
    }
    Ok(opened)
}

fn open_named(name: &OsStr) -> Result<OwnedFd> {
    let number = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    match number.map(str::parse) {
        Some(Ok(number)) if number < 3 => {
            descriptor::with(number, |fd| fd.try_clone_to_owned())?.tried(|| format!("--record {number}"))
        }
        Some(Ok(number)) => inherited::adopt(number).map_err(|error| error.during("--record")),
        Some(Err(_)) => Err(Error::invalid(format!("--record: {name:?} is no descriptor's number"))),
        None => {
            let made = File::options().read(true).write(true).create(true).truncate(true).open(name);
            made.map(OwnedFd::from).tried(|| format!("--record: open {name:?}"))
        }
    }
}

/// The starters that this program executes.
pub fn host() -> Result<Host> {
    Ok(Host {
        starter: starter()?,
        starter_suid: setuid_starter()?,
        level_variable: log::LEVEL_VARIABLE.to_owned(),
        level: log::level(),
        by_descriptor: true,
    })
}

/// Root needs no setuid starter, and gains nothing by it.
pub fn uses_setuid(asked: bool) -> bool {
    asked && !rustix::process::getuid().is_root()
}

/// Beside this program, and nowhere else.
fn setuid_starter() -> Result<Option<PathBuf>> {
    let own = std::fs::read_link("/proc/self/exe").tried(|| "find this program's own file")?;
    let beside = own.with_file_name(SETUID_STARTER_NAME);
    Ok(beside.exists().then_some(beside))
}

fn starter() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(STARTER) {
        return std::path::absolute(&path).tried(|| format!("{STARTER}: find {path:?}"));
    }
    let own = std::fs::read_link("/proc/self/exe").tried(|| "find this program's own file")?;
    let beside = own.with_file_name(STARTER_NAME);
    if beside.exists() {
        return Ok(beside);
    }
    Err(Error::new(ErrorKind::NotFound, format!("find the starter: there is no {beside:?}"))
        .with_help(format!("name it in the environment variable {STARTER}")))
}

/// Ends this process as a container ended, or returns its exit code.
pub fn end_as(status: WaitStatus) -> Result<i32> {
    if let Some(code) = status.exit_code() {
        return Ok(code);
    }
    let signal = status.signal().unwrap_or(libc::SIGKILL);
    sys::signal::raise_default(signal)?;
    // It was one that this process survives.
    Ok(128 + signal)
}
