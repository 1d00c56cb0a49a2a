// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stat and Lstat: the status of a file, as Go's `os.Stat` and `os.Lstat` give it.

use rustix::fs::{AtFlags, CWD, statat};
use rustix::thread::CapabilitySet;

use super::registered::{FileInfo, GoError, Info, Stat, System, Timespec};
use super::{Builtin, file_mode};
use crate::gob::{ByteString, Time, Typed};
use crate::gob_struct;

gob_struct! {
    /// The argument of Stat and Lstat.
    pub struct StatArgs as "StatArgs" {
        /// The file, from the present root and working directory on.
        pub path: ByteString as "Path",
    }
}

gob_struct! {
    /// Their reply. A failure travels in it, the RPC error stays empty.
    pub struct StatReply as "StatReply" {
        /// The status; nil after a failure.
        pub info: Option<Info> as "Fi",
        /// A [`GoError::Path`], or nil.
        pub error: Option<GoError> as "Err",
    }
}

/// Stat: follows a symbolic link in the last place.
pub static STAT: Builtin = Builtin {
    name: "Stat",
    raises: CapabilitySet::empty(),
    args: StatArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, |args| Ok(status("stat", args, AtFlags::empty()))),
};

/// Lstat: gives the status of a symbolic link itself.
pub static LSTAT: Builtin = Builtin {
    name: "Lstat",
    raises: CapabilitySet::empty(),
    args: StatArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| builtin.answered_by(set, |args| Ok(status("lstat", args, AtFlags::SYMLINK_NOFOLLOW))),
};

fn status(op: &str, args: StatArgs, flags: AtFlags) -> StatReply {
    match statat(CWD, args.path.as_path(), flags) {
        Ok(stat) => StatReply { info: Some(Info::File(file_info(&args.path, stat.into()))), error: None },
        Err(errno) => StatReply { info: None, error: Some(GoError::path(op, args.path, errno)) },
    }
}

fn file_info(path: &ByteString, stat: Stat) -> FileInfo {
    let Timespec { seconds, nanoseconds } = stat.modified;
    FileInfo {
        name: base_name(path).to_vec().into(),
        size: stat.size,
        mode: file_mode::to_go(stat.mode),
        modified: Time { seconds, nanoseconds: nanoseconds.try_into().unwrap_or_default(), offset: None },
        system: Some(System::Stat(stat)),
    }
}

/// The last name of a path, without slashes after it; `/` for the root.
fn base_name(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/');
    let Some(end) = end else { return b"/" };
    path[..=end].rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

impl From<rustix::fs::Stat> for Stat {
    #[allow(clippy::unnecessary_cast, reason = "widths differ between machines")]
    fn from(stat: rustix::fs::Stat) -> Self {
        let time = |seconds, nanoseconds: u64| Timespec { seconds, nanoseconds: nanoseconds.cast_signed() };
        Stat {
            device: stat.st_dev,
            inode: stat.st_ino,
            links: stat.st_nlink as u64,
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            special: stat.st_rdev,
            size: stat.st_size,
            block_size: stat.st_blksize as i64,
            blocks: stat.st_blocks,
            accessed: time(stat.st_atime, stat.st_atime_nsec),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
            ..Stat::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_last_of_the_path() {
        let names = [("a", "a"), ("/a/b", "b"), ("a/b//", "b"), ("/", "/"), ("///", "/"), (".", "."), ("a/..", "..")];
        for (path, name) in names {
            assert_eq!(base_name(path.as_bytes()), name.as_bytes(), "{path}");
        }
    }
}
