// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Replaces this program, and leaves it as it was where that fails. The standard library's exec changes the standard streams and
//! the disposition of SIGPIPE before it tries.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
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
    /// Standard streams in place of this program's.
    pub streams: [Option<OwnedFd>; 3],
    /// Descriptors that it gets at their own numbers.
    pub passed: Vec<OwnedFd>,
}

/// Executes the program; returns why that failed.
pub fn exec(program: Program<'_>) -> io::Error {
    try_exec(program).err().unwrap_or_else(|| Errno::UnknownErrno.into())
}

fn try_exec(program: Program<'_>) -> io::Result<()> {
    let Program { path, name, environment, streams, passed } = program;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let name = CString::new(name.as_bytes())?;
    let environment = environment.into_iter().map(CString::new).collect::<Result<Vec<CString>, _>>()?;
    // They are closed with the return from here.
    passed.iter().try_for_each(|fd| fcntl_setfd(fd, FdFlags::empty()))?;
    let mut replaced = Vec::new();
    for (number, fd) in streams.iter().enumerate() {
        if let Some(fd) = fd {
            replaced.push(Replaced::new(number)?);
            put(fd, number)?;
        }
    }
    nix::unistd::execve(&path, &[name], &environment)?;
    Ok(())
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
