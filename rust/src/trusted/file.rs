// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files of root's: read only where nobody else can have made, exchanged or changed them.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried};

/// Reads a file of at most `limit` bytes. `None`: it, or a directory on its way, is not there. Errors: the file or one
/// of these directories is owned by another user than root, writable by others, a symbolic link, or of another type.
pub fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
    let beneath =
        path.strip_prefix("/").map_err(|_| Error::invalid(format!("read {path:?}: the path is not absolute")))?;
    Way { top: Path::new("/"), owner: 0 }.read(beneath, limit).map_err(|error| error.during(format!("read {path:?}")))
}

/// Where the way to a file begins, and who must own everything on it.
struct Way<'a> {
    top: &'a Path,
    owner: u32,
}

impl Way<'_> {
    fn read(&self, beneath: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
        let mut place = self.top.to_owned();
        let mut directory = self.directory(None, &place)?;
        let mut names = beneath.components().peekable();
        while let Some(name) = names.next() {
            let Component::Normal(name) = name else {
                return Err(Error::invalid("the path has a \"..\""));
            };
            place.push(name);
            let last = names.peek().is_none();
            if last {
                return match open(&directory, &place, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
                    Err(Errno::NOENT) => Ok(None),
                    file => self.content(file, &place, limit).map(Some),
                };
            }
            directory = match self.directory(Some(&directory), &place) {
                Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(None),
                directory => directory?,
            };
        }
        Err(Error::invalid("the path has no name"))
    }

    fn directory(&self, parent: Option<&OwnedFd>, place: &Path) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let opened = match parent {
            Some(parent) => open(parent, place, flags),
            None => openat(CWD, place, flags | ALWAYS, Mode::empty()),
        };
        let directory = match opened {
            // The kernel says so of a link as well.
            Err(Errno::NOTDIR) => {
                return Err(refused(place, "is a symbolic link or no directory").with_help("put a directory there"));
            }
            opened => opened.tried(|| format!("open {place:?}"))?,
        };
        let about = fstat(&directory).tried(|| format!("look at {place:?}"))?;
        self.check(&about, place)?;
        Ok(directory)
    }

    fn content(&self, file: rustix::io::Result<OwnedFd>, place: &Path, limit: usize) -> Result<Vec<u8>> {
        let file = match file {
            Err(Errno::LOOP) => {
                return Err(refused(place, "is a symbolic link").with_help("put the file itself there"));
            }
            file => file.tried(|| format!("open {place:?}"))?,
        };
        let about = fstat(&file).tried(|| format!("look at {place:?}"))?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            return Err(refused(place, "is no regular file").with_help("put a regular file there"));
        }
        self.check(&about, place)?;
        let mut content = Vec::new();
        // A byte more than may be, to notice a file that is longer. What it said of its size may have changed.
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        File::from(file).take(most).read_to_end(&mut content).tried(|| format!("read {place:?}"))?;
        if content.len() > limit {
            return Err(refused(place, &format!("has more than {limit} bytes")).with_help("make it shorter"));
        }
        Ok(content)
    }

    fn check(&self, about: &Stat, place: &Path) -> Result<()> {
        if about.st_uid != self.owner {
            let why = format!("is owned by user {}, not by root", about.st_uid);
            return Err(refused(place, &why).with_help(format!("chown root:root {}", place.display())));
        }
        if about.st_mode & 0o022 != 0 {
            return Err(refused(place, "is writable by others than its owner")
                .with_help(format!("chmod go-w {}", place.display())));
        }
        Ok(())
    }
}

const ALWAYS: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

fn open(directory: &OwnedFd, place: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(directory, place.file_name().unwrap_or_default(), flags | ALWAYS, Mode::empty())
}

fn refused(place: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{place:?} {why}"))
}

#[cfg(test)]
mod tests;
