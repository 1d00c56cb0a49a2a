// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program that is launched: in place of this one, which is left as it was where that fails, or beside it. The standard library's
//! exec changes the standard streams and the disposition of SIGPIPE before it tries; and where descriptors are to be inherited, it
//! copies the whole of the caller for a process that needs nothing of it.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::AccessFlags;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
use rustix::process::Pid;
use rustix::stdio;

use crate::ffi::sys::descriptor;

/// What the program gets.
pub struct Program<'a> {
    /// The file.
    pub path: &'a Path,
    /// `argv[0]`, all that there is.
    pub name: &'a OsStr,
    /// Its environment, `NAME=value` each.
    pub environment: Vec<Vec<u8>>,
    /// Standard streams in place of this program's, from 3 on.
    pub streams: [Option<OwnedFd>; 3],
    /// Descriptors that it gets at their own numbers.
    pub passed: Vec<OwnedFd>,
}

impl Program<'_> {
    /// Its file, `argv[0]` and environment as the kernel takes them.
    fn strings(&self) -> io::Result<(CString, [CString; 1], Vec<CString>)> {
        let path = CString::new(self.path.as_os_str().as_bytes())?;
        let name = CString::new(self.name.as_bytes())?;
        let environment = self.environment.iter().map(|variable| CString::new(variable.as_slice()));
        Ok((path, [name], environment.collect::<Result<_, _>>()?))
    }
}

/// Executes the program; returns why that failed.
pub fn exec(program: Program<'_>) -> io::Error {
    try_exec(program).err().unwrap_or_else(|| Errno::UnknownErrno.into())
}

fn try_exec(program: Program<'_>) -> io::Result<()> {
    let (path, arguments, environment) = program.strings()?;
    // They are closed with the return from here.
    program.passed.iter().try_for_each(|fd| fcntl_setfd(fd, FdFlags::empty()))?;
    let mut replaced = Vec::new();
    for (number, fd) in program.streams.iter().enumerate() {
        if let Some(fd) = fd {
            replaced.push(Replaced::new(number)?);
            put(fd, number)?;
        }
    }
    nix::unistd::execve(&path, &arguments, &environment)?;
    Ok(())
}

/// Starts the program, and returns its pid. Its disposition of SIGPIPE is the default one, which a Rust program's own is not.
pub fn spawn(program: Program<'_>) -> io::Result<Pid> {
    // The new process tells its errno by memory that it shares. Where somebody makes a fork of that, as valgrind and QEMU do, nobody
    // hears of it.
    executable(program.path)?;
    let (path, arguments, environment) = program.strings()?;
    let mut actions = PosixSpawnFileActions::init()?;
    for (number, fd) in (0..).zip(&program.streams) {
        if let Some(fd) = fd {
            actions.add_dup2(fd.as_raw_fd(), number)?;
        }
    }
    for fd in program.passed.iter().map(AsRawFd::as_raw_fd) {
        // To its own number: nothing but close-on-exec is taken away, and in the new process only (posix_spawn(3p), glibc from 2.29 on).
        actions.add_dup2(fd, fd)?;
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    let pid = posix_spawn(path.as_c_str(), &actions, &attributes, &arguments, &environment)?;
    Pid::from_raw(pid.as_raw()).ok_or_else(|| Errno::UnknownErrno.into())
}

/// Whether execve(2) would begin to look into the file.
fn executable(path: &Path) -> io::Result<()> {
    let file = std::fs::metadata(path)?;
    nix::unistd::access(path, AccessFlags::X_OK)?;
    if file.is_file() { Ok(()) } else { Err(Errno::EACCES.into()) }
}

fn standard(number: usize) -> BorrowedFd<'static> {
    match number {
        0 => stdio::stdin(),
        1 => stdio::stdout(),
        _ => stdio::stderr(),
    }
}

fn put(fd: &OwnedFd, number: usize) -> rustix::io::Result<()> {
    match number {
        0 => stdio::dup2_stdin(fd),
        1 => stdio::dup2_stdout(fd),
        _ => stdio::dup2_stderr(fd),
    }
}

/// A standard stream of this program's, which comes back when this is dropped.
struct Replaced {
    number: usize,
    /// `None` where it was closed.
    was: Option<(OwnedFd, FdFlags)>,
}

impl Replaced {
    fn new(number: usize) -> io::Result<Self> {
        let stream = standard(number);
        let was = match fcntl_getfd(stream) {
            Ok(flags) => Some((fcntl_dupfd_cloexec(stream, 3)?, flags)),
            Err(_) => None,
        };
        Ok(Replaced { number, was })
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        match &self.was {
            // Both are open and the flags were the kernel's own: neither call has a reason to fail.
            Some((fd, flags)) => {
                let _ = put(fd, self.number);
                let _ = fcntl_setfd(standard(self.number), *flags);
            }
            None => descriptor::close(i32::try_from(self.number).unwrap_or(0)),
        }
    }
}
