// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths inside a root that somebody else may be changing. What is resolved is a descriptor, never a name that is
//! used again; symbolic links lead to where they would lead inside the container, and nowhere else.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, readlinkat};
use rustix::io::{Errno, Result as IoResult};

use crate::error::{Error, Result, Tried};
use crate::rpc::builtin::Resolver;

const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
/// How often openat2(2) is repeated when something was renamed under it while it went through `..`.
const MAX_RACES: usize = 128;

/// A directory that paths are resolved in.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    resolver: Resolver,
}

/// Whether symbolic links may be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// They are followed, inside the root.
    InRoot,
    /// A path with one is refused (ELOOP).
    Refused,
}

/// What is made where nothing is yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

impl Root {
    /// A root by a descriptor of its directory. Where openat2(2) is missing (before Linux 5.6) or filtered, the
    /// kernel as resolver means the walker too.
    pub fn new(directory: OwnedFd, resolver: Resolver) -> Self {
        Root { directory, resolver }
    }

    /// What is at `path`, absolute or relative, seen from inside the root.
    pub fn resolve(&self, path: &Path, links: Links) -> IoResult<OwnedFd> {
        if self.resolver == Resolver::Kernel {
            match self.resolve_by_kernel(path, links) {
                // A filter of system calls that does not know openat2 answers EPERM.
                Err(Errno::NOSYS | Errno::PERM) => {}
                result => return result,
            }
        }
        walk(self.directory.as_fd(), path, links)
    }

    fn resolve_by_kernel(&self, path: &Path, links: Links) -> IoResult<OwnedFd> {
        let links = match links {
            Links::InRoot => ResolveFlags::NO_MAGICLINKS,
            Links::Refused => ResolveFlags::NO_SYMLINKS,
        };
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        for _ in 0..MAX_RACES {
            match openat2(&self.directory, path, HANDLE, Mode::empty(), ResolveFlags::IN_ROOT | links) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// What is at `path`; where nothing is, it is made, with the directories that lead there.
    pub fn ensure(&self, path: &Path, links: Links, leaf: Leaf) -> Result<OwnedFd> {
        match self.resolve(path, links) {
            Err(Errno::NOENT) => {}
            result => return result.tried(|| format!("open {path:?} in the root")),
        }
        let names = names(path);
        let mut present = names.len().saturating_sub(1);
        let mut here = loop {
            let prefix: PathBuf = names[..present].iter().collect();
            match self.resolve(&prefix, links) {
                Err(Errno::NOENT) if present > 0 => present -= 1,
                result => break result.tried(|| format!("open {prefix:?} in the root"))?,
            }
        };
        for (index, name) in names.iter().enumerate().skip(present) {
            let leaf = if index + 1 == names.len() { leaf } else { Leaf::Directory };
            here = make(here.as_fd(), name, leaf).tried(|| format!("make {path:?} in the root"))?;
        }
        Ok(here)
    }

    /// The directory that holds `path`, made where it is missing, and the last name.
    pub fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::invalid(format!("{path:?} is no path of a file")));
        };
        Ok((self.ensure(parent, Links::InRoot, Leaf::Directory)?, name))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

fn names(path: &Path) -> Vec<&OsStr> {
    path.components()
        .filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
        .map(Component::as_os_str)
        .collect()
}

/// Makes one name in one directory and opens what was made, or what somebody else made meanwhile, unless that is a
/// link.
fn make(directory: BorrowedFd<'_>, name: &OsStr, leaf: Leaf) -> IoResult<OwnedFd> {
    if name == ".." {
        // It would leave the directory that has just been made: the kernel, too, finds nothing there.
        return Err(Errno::NOENT);
    }
    match leaf {
        Leaf::Directory => match mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {
                openat(directory, name, HANDLE | OFlags::NOFOLLOW | OFlags::DIRECTORY, Mode::empty())
            }
            Err(errno) => Err(errno),
        },
        Leaf::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
            match openat(directory, name, flags, Mode::from_raw_mode(0o644)) {
                Ok(_) | Err(Errno::EXIST) => {
                    let made = openat(directory, name, HANDLE | OFlags::NOFOLLOW, Mode::empty())?;
                    if kind(made.as_fd())? == FileType::Symlink { Err(Errno::LOOP) } else { Ok(made) }
                }
                Err(errno) => Err(errno),
            }
        }
    }
}

/// The type of what a descriptor stands for.
pub fn kind(fd: BorrowedFd<'_>) -> IoResult<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}

/// The kernel's rules of RESOLVE_IN_ROOT, name by name: `..` goes back along the descriptors that led here, so that a
/// directory that is moved meanwhile leads nowhere. The links of /proc/PID are read as text, which cannot leave either.
fn walk(root: BorrowedFd<'_>, path: &Path, links: Links) -> IoResult<OwnedFd> {
    let mut way = vec![openat(root, ".", HANDLE | OFlags::DIRECTORY, Mode::empty())?];
    let mut names: VecDeque<OsString> = names(path).into_iter().map(OsStr::to_owned).collect();
    let mut links_left = MAX_LINKS;
    while let Some(name) = names.pop_front() {
        let here = way.last().ok_or(Errno::NOENT)?;
        if kind(here.as_fd())? != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        if name == ".." {
            if way.len() > 1 {
                way.pop();
            }
            continue;
        }
        let next = openat(here, &name, HANDLE | OFlags::NOFOLLOW, Mode::empty())?;
        if kind(next.as_fd())? != FileType::Symlink {
            way.push(next);
            continue;
        }
        if links == Links::Refused || links_left == 0 {
            return Err(Errno::LOOP);
        }
        links_left -= 1;
        let target = PathBuf::from(OsString::from_vec(readlinkat(&next, "", Vec::new())?.into_bytes()));
        if target.is_absolute() {
            way.truncate(1);
        }
        for name in self::names(&target).into_iter().rev() {
            names.push_front(name.to_owned());
        }
    }
    let found = way.pop().ok_or(Errno::NOENT)?;
    if path.as_os_str().as_bytes().ends_with(b"/") && kind(found.as_fd())? != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    Ok(found)
}

/// What is at one name of one directory, if something is; a link is not followed.
pub fn look(directory: BorrowedFd<'_>, name: &OsStr) -> IoResult<Option<rustix::fs::Stat>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests;
