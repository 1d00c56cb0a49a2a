// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The option `tmpcopyup`: a new tmpfs begins with a copy of what it covers. Everything goes by descriptor, and
//! links are copied, not followed.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fchown, fstat, mkdirat, mknodat, openat,
    readlinkat, symlinkat,
};
use rustix::io::{Errno, Result as IoResult};

use crate::error::{Result, Tried};

/// How deep directories may lie in each other: two descriptors are open for each.
const MAX_DEPTH: u32 = 200;
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Copies what is in one directory into another.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    copy_directory(from, to, MAX_DEPTH).tried(|| "copy what it covers")
}

fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> IoResult<()> {
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let from = openat(from, ".", READ | OFlags::DIRECTORY, Mode::empty())?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            copy_entry(&from, to, name, depth)?;
        }
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> IoResult<()> {
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let inner = openat(from, name, READ | OFlags::DIRECTORY, Mode::empty())?;
            mkdirat(to, name, Mode::from_raw_mode(0o700))?;
            let made = openat(to, name, READ | OFlags::DIRECTORY, Mode::empty())?;
            copy_directory(inner.as_fd(), made.as_fd(), depth)?;
            own(made.as_fd(), &stat, mode)
        }
        FileType::RegularFile => {
            // What was a file may be something that blocks when it is opened by now.
            let inner = openat(from, name, READ | OFlags::NONBLOCK, Mode::empty())?;
            let stat = fstat(&inner)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = openat(to, name, flags, Mode::from_raw_mode(0o600))?;
            copy_bytes(&inner, &made)?;
            own(made.as_fd(), &stat, mode)
        }
        FileType::Symlink => {
            let target = readlinkat(from, name, Vec::new())?;
            symlinkat(target.as_c_str(), to, name)?;
            chown_link(to, name, &stat)
        }
        kind @ (FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo) => {
            mknodat(to, name, kind, mode, stat.st_rdev)?;
            chown_link(to, name, &stat)
        }
        // A socket is nothing without the process that listens.
        _ => Ok(()),
    }
}

fn own(made: BorrowedFd<'_>, stat: &Stat, mode: Mode) -> IoResult<()> {
    let (uid, gid) = owner(stat);
    // The owner first: it takes away set-id bits.
    fchown(made, Some(uid), Some(gid))?;
    fchmod(made, mode)
}

fn chown_link(to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> IoResult<()> {
    let (uid, gid) = owner(stat);
    chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))
}

fn copy_bytes(from: &OwnedFd, to: &OwnedFd) -> IoResult<()> {
    while rustix::fs::sendfile(to, from, None, 1 << 30)? > 0 {}
    Ok(())
}
