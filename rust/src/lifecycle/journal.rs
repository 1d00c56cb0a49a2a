// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an engine makes on the host is written down before it exists, so that whoever survives can undo it.
//!
//! The journal is a memory file that stage 1, master and the cleanup-host processes share. An entry is one JSON line, appended
//! with one write. It is data of an unprivileged user and is undone with that user's rights only.

use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};

/// Something on the host that outlives its maker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A mount in the host's mount namespace; undone by a lazy unmount.
    Mount(PathBuf),
    /// A file, symbolic link or socket.
    File(PathBuf),
    /// A directory, removed if it is empty by then.
    Directory(PathBuf),
}

/// A shared list of entries.
pub struct Journal(OwnedFd);

impl Journal {
    /// An empty one.
    pub fn new() -> Result<Self> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let memory =
            rustix::fs::memfd_create("pinion-journal", flags).tried(|| "make the journal of host resources")?;
        rustix::fs::fcntl_setfl(&memory, rustix::fs::OFlags::APPEND).tried(|| "make the journal append-only")?;
        Ok(Journal(memory))
    }

    /// Another handle of the same list.
    pub fn share(&self) -> Result<Self> {
        self.0.try_clone().map(Journal).tried(|| "share the journal of host resources")
    }

    /// Writes an entry down. Call this before the thing exists.
    pub fn note(&self, entry: &Entry) -> Result<()> {
        let (Entry::Mount(path) | Entry::File(path) | Entry::Directory(path)) = entry;
        if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(Error::invalid(format!("write {entry:?} to the journal: no absolute path of the host")));
        }
        let mut line = serde_json::to_vec(entry)
            .map_err(|error| Error::invalid(format!("write {entry:?} to the journal: {error}")))?;
        line.push(b'\n');
        let written = nix::unistd::write(&self.0, &line).tried(|| format!("write {entry:?} to the journal"))?;
        if written != line.len() {
            return Err(Error::system(format!("write {entry:?} to the journal"), libc::EIO));
        }
        Ok(())
    }

    /// Undoes every entry, the last first. Things that are gone already are no error; the first of the others is returned
    /// after all were tried.
    pub fn undo(&self) -> Result<()> {
        let mut results = self.entries()?.into_iter().rev().map(|entry| undo(&entry));
        let failed: Vec<Error> = results.by_ref().filter_map(Result::err).collect();
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let mut file = std::fs::File::from(self.0.try_clone().tried(|| "read the journal")?);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).tried(|| "read the journal")?;
        file.read_to_end(&mut bytes).tried(|| "read the journal")?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|error| Error::new(ErrorKind::Protocol, format!("read the journal: {error}")))
            })
            .collect()
    }
}

impl AsFd for Journal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn undo(entry: &Entry) -> Result<()> {
    let (what, path, result) = match entry {
        Entry::Mount(path) => ("unmount", path, umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)),
        Entry::File(path) => ("remove", path, nix::unistd::unlink(path)),
        Entry::Directory(path) => {
            let removed = nix::unistd::unlinkat(nix::fcntl::AT_FDCWD, path, nix::unistd::UnlinkatFlags::RemoveDir);
            ("remove", path, removed)
        }
    };
    match result {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::ENOENT) => Ok(()),
        // Not mounted, or not any more; an ordinary user hears EPERM of that too.
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::EPERM) if matches!(entry, Entry::Mount(path) if !is_mount(path)) => {
            Ok(())
        }
        Err(errno) => Err(Error::system(format!("{what} {path:?}, which the journal lists"), errno as i32)),
    }
}

/// Whether something is mounted there (STATX_ATTR_MOUNT_ROOT, since Linux 5.8; before that the answer is yes).
fn is_mount(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let Ok(status) = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) else { return false };
    let known = StatxAttributes::from_bits_retain(status.stx_attributes_mask.bits());
    !known.contains(StatxAttributes::MOUNT_ROOT) || status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_undone_in_reverse_and_twice_does_no_harm() {
        let directory = tempfile::tempdir().expect("directory");
        let (inner, file) = (directory.path().join("inner"), directory.path().join("inner/file"));
        let journal = Journal::new().expect("journal");
        journal.note(&Entry::Directory(inner.clone())).expect("note");
        journal.share().expect("share").note(&Entry::File(file.clone())).expect("note");
        journal.note(&Entry::Mount(inner.clone())).expect("note");
        std::fs::create_dir(&inner).expect("make");
        std::fs::write(&file, "x").expect("make");
        journal.undo().expect("undo");
        assert!(!inner.exists());
        journal.undo().expect("undo again");
    }
}
