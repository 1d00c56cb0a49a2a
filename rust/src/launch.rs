// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Launching a starter, and what the starter finds of it: the environment is built from nothing, and the engine
//! configuration travels in it ([`chunks`]) or in a sealed memory file ([`sealed`]).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::engine::WaitStatus;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::inherited;
use crate::ffi::sys::process::not_made;
use crate::launch::exec::Program;

pub mod chunks;
mod exec;
pub mod sealed;
pub mod stack;

/// Names the descriptor of the sealed engine configuration.
pub const CONFIG_FD: &str = "PINION_CONFIG_FD";

/// Names the descriptor on which the starter writes its record of the run.
pub const RECORD_FD: &str = "PINION_RECORD_FD";

/// Names the descriptor of a packet socket: on its other end the launcher waits for an instance by itself.
pub const WAITER_FD: &str = "PINION_WAITER_FD";

/// Present: run PostStartHost in a process of its own.
pub const POST_START_HOST: &str = "POST_START_HOST";

/// Present: run CleanupHost in a process of its own.
pub const CLEANUP_HOST: &str = "CLEANUP_HOST";

/// Present: nudge the kernel to load overlay, where the effective user is root.
pub const LOAD_OVERLAY_MODULE: &str = "LOAD_OVERLAY_MODULE";

/// Turns the collector of a Go runtime off: the starter's processes are short-lived, and its finalisers would close
/// descriptors.
pub const GOGC: &str = "GOGC";

/// What only the product knows that embeds the core.
#[derive(Clone, Debug)]
pub struct Host {
    /// The plain starter's absolute path.
    pub starter: PathBuf,
    /// The setuid starter's, where there is one.
    pub starter_suid: Option<PathBuf>,
    /// The variable that holds the message level: [`LEVEL_VARIABLE`](crate::log::LEVEL_VARIABLE) where the host has no
    /// name of its own.
    pub level_variable: String,
    /// The message level, as [`set_level`](crate::log::set_level) takes it.
    pub level: i32,
    /// Whether the starter takes the configuration by descriptor: one of pinion does, one of the family does not.
    pub by_descriptor: bool,
}

/// One launch of a starter.
#[must_use = "a launch does nothing until it is executed or run"]
pub struct Launch<'a> {
    host: &'a Host,
    name: OsString,
    config: &'a [u8],
    use_suid: bool,
    flags: [(&'static str, bool); 3],
    record: Option<OwnedFd>,
    waiter: Option<OwnedFd>,
    passed: Vec<OwnedFd>,
    streams: [Option<OwnedFd>; 3],
}

impl<'a> Launch<'a> {
    /// A launch with `name` as `argv[0]` and a serialised [`Common`](crate::engine::Common) as configuration.
    pub fn new(host: &'a Host, name: impl Into<OsString>, config: &'a [u8]) -> Self {
        let flags = [(LOAD_OVERLAY_MODULE, false), (POST_START_HOST, false), (CLEANUP_HOST, false)];
        Launch {
            host,
            name: name.into(),
            config,
            use_suid: false,
            flags,
            record: None,
            waiter: None,
            passed: Vec::new(),
            streams: [None, None, None],
        }
    }

    /// Whether the setuid starter is taken. Default: the plain one.
    pub fn use_suid(mut self, on: bool) -> Self {
        self.use_suid = on;
        self
    }

    /// Whether the kernel is nudged to load overlay. Default: no.
    pub fn load_overlay_module(mut self, on: bool) -> Self {
        self.flags[0].1 = on;
        self
    }

    /// Whether PostStartHost runs. Default: no.
    pub fn post_start_host(mut self, on: bool) -> Self {
        self.flags[1].1 = on;
        self
    }

    /// Whether CleanupHost runs. Default: no.
    pub fn cleanup_host(mut self, on: bool) -> Self {
        self.flags[2].1 = on;
        self
    }

    /// Lets the starter write its record of the run to `fd`.
    pub fn record(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.record = Some(fd.into());
        self
    }

    /// Lets the starter go on as an instance's master, without a process that waits in its place: the caller does that, on the other
    /// end of this line (`lifecycle::daemon::Line`).
    pub fn waiter(mut self, line: impl Into<OwnedFd>) -> Self {
        self.waiter = Some(line.into());
        self
    }

    /// Lets the starter inherit a descriptor, from 3 on, at the number that it has.
    pub fn pass(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.passed.push(fd.into());
        self
    }

    /// The starter's standard input. Default: the caller's.
    pub fn stdin(mut self, stream: impl Into<OwnedFd>) -> Self {
        self.streams[0] = Some(stream.into());
        self
    }

    /// The starter's standard output. Default: the caller's.
    pub fn stdout(mut self, stream: impl Into<OwnedFd>) -> Self {
        self.streams[1] = Some(stream.into());
        self
    }

    /// The starter's standard error stream. Default: the caller's.
    pub fn stderr(mut self, stream: impl Into<OwnedFd>) -> Self {
        self.streams[2] = Some(stream.into());
        self
    }

    /// Replaces this program by the starter. Errors: starter not found or not allowed; no setuid starter; name or
    /// level variable unusable; the configuration empty or too big for its way; a system call.
    pub fn exec(self) -> Result<Infallible> {
        let path = self.starter()?.to_owned();
        let name = self.name.clone();
        Err(failed(&path, &exec::exec(self.program(&path, &name)?)))
    }

    /// Starts the starter and waits for its end. Errors: as [`exec`](Self::exec); a status that is not success is none.
    pub fn run(self) -> Result<WaitStatus> {
        let starter = self.spawn()?;
        loop {
            match waitpid(Some(starter), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                ended => {
                    let ended = ended.tried(|| "wait for the starter")?;
                    break Ok(ended.map(|(_, status)| WaitStatus::from_raw(status.as_raw())).unwrap_or_default());
                }
            }
        }
    }

    /// Starts the starter, which is the caller's to wait for. Errors: as [`exec`](Self::exec).
    pub fn spawn(self) -> Result<Pid> {
        let path = self.starter()?.to_owned();
        let name = self.name.clone();
        exec::spawn(self.program(&path, &name)?).map_err(|error| failed(&path, &error))
    }

    fn program<'p>(self, path: &'p Path, name: &'p OsStr) -> Result<Program<'p>> {
        check_word("argv[0]", name.as_bytes())?;
        let mut variables = self.variables()?;
        let mut handed = Vec::new();
        let mut hand = |variable: &str, fd: OwnedFd| {
            let fd = above_streams(fd).map_err(|error| error.during(variable))?;
            variables.insert(variable.to_owned(), fd.as_raw_fd().to_string().into_bytes());
            handed.push(fd);
            Ok::<(), Error>(())
        };
        if let Some(record) = self.record {
            hand(RECORD_FD, record)?;
        }
        if let Some(line) = self.waiter {
            hand(WAITER_FD, line)?;
        }
        if self.host.by_descriptor {
            hand(CONFIG_FD, sealed::write(self.config)?)?;
        } else {
            variables.extend(chunks::cut(self.config)?);
            stack::check(self.config.len())?;
        }
        let [stdin, stdout, stderr] = self.streams.map(|stream| stream.map(above_streams).transpose());
        handed.extend(self.passed);
        Ok(Program {
            path,
            name,
            environment: variables.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat()).collect(),
            streams: [stdin?, stdout?, stderr?],
            passed: handed,
        })
    }

    fn starter(&self) -> Result<&Path> {
        let path = match (self.use_suid, &self.host.starter_suid) {
            (false, _) => &self.host.starter,
            (true, Some(path)) => path,
            (true, None) => {
                return Err(Error::new(ErrorKind::NotFound, "launch the setuid starter: this host has none")
                    .with_help("install it, or launch without setuid"));
            }
        };
        check_word("the starter's path", path.as_os_str().as_bytes())?;
        if !path.is_absolute() {
            return Err(Error::invalid(format!("launch starter {path:?}: the path is not absolute")));
        }
        Ok(path)
    }

    fn variables(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let level = &self.host.level_variable;
        check_word("level variable", level.as_bytes())?;
        if level.is_empty() || level.contains('=') {
            return Err(Error::invalid(format!("level variable {level:?}: not the name of a variable")));
        }
        let mut variables: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        variables.insert(level.clone(), self.host.level.to_string().into_bytes());
        variables.insert(GOGC.to_owned(), b"off".to_vec());
        let on = self.flags.iter().filter(|(_, on)| *on);
        variables.extend(on.map(|(name, _)| ((*name).to_owned(), b"1".to_vec())));
        Ok(variables)
    }
}

/// With a number above those of the standard streams, which may be replaced; the caller's own may be one of them.
fn above_streams(fd: OwnedFd) -> Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    rustix::io::fcntl_dupfd_cloexec(&fd, 3).tried(|| "launch: pass a descriptor on")
}

fn check_word(what: &str, word: &[u8]) -> Result<()> {
    if word.contains(&0) {
        return Err(Error::invalid(format!("{what} \"{}\": has a NUL", word.escape_ascii())));
    }
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let kind = error.kind();
    let error = Error::io(format!("launch starter {path:?}"), error);
    match kind {
        io::ErrorKind::NotFound => {
            error.with_kind(ErrorKind::NotFound).with_help("is it installed there, and is the loader that it asks for?")
        }
        io::ErrorKind::PermissionDenied => {
            error.with_help("it must be executable for this user, and not on a file system mounted noexec")
        }
        io::ErrorKind::ArgumentListTooLong => error.with_help("raise the soft stack limit: ulimit -S -s"),
        _ => not_made(error),
    }
}

/// The engine configuration that this starter was launched with: from the descriptor that [`CONFIG_FD`] names, else from
/// the chunks of the environment. Errors: neither; the descriptor is none, not sealed, empty or too large; chunks as
/// [`chunks::join`].
///
/// To be called once, before the program opens anything: it takes the descriptor over and closes it.
pub fn intake(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Vec<u8>> {
    let variables: Vec<(OsString, OsString)> = environment.into_iter().collect();
    if let Some((_, number)) = variables.iter().find(|(name, _)| name == CONFIG_FD) {
        return take_over(CONFIG_FD, number).and_then(|fd| sealed::read(fd).map_err(|error| error.during(CONFIG_FD)));
    }
    chunks::join(variables.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
        .map_err(|error| error.with_help("a starter is launched by its front end, not by hand"))
}

/// Takes over the descriptor that the launcher has named in a variable. Errors: as [`inherited::adopt`]; a value that is not decimal
/// digits and nothing else. To be called once for a number, before the program opens anything.
pub fn take_over(variable: &str, value: &OsStr) -> Result<OwnedFd> {
    let number = descriptor_number(value)
        .ok_or_else(|| Error::invalid(format!("{variable}: {value:?} is no descriptor's number")))?;
    inherited::adopt(number).map_err(|error| error.during(variable))
}

fn descriptor_number(value: &OsStr) -> Option<i32> {
    value.to_str().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests;
