// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the products' Go programs register for interface values, and its names on the wire. They follow the program's
//! package names, which is why [`Options::names`](super::Options) can change each of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, errno_text};
use crate::gob::schema::{self, Type};
use crate::gob::{ByteString, Names, Time, Typed};
use crate::gob_struct;

gob_struct! {
    /// What the products send for an `os.FileInfo`.
    pub struct FileInfo as "fileInfo" {
        /// The last name of the path.
        pub name: ByteString as "N",
        /// Bytes.
        pub size: i64 as "S",
        /// Go's `os.FileMode`.
        pub mode: u32 as "M",
        /// When the content changed last. Always in UTC: it is the same instant for Go.
        pub modified: Time as "T",
        /// What the kernel said.
        pub system: Option<System> as "Sy",
    }
}

/// An `os.FileInfo`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Info {
    /// The only type that is registered for it.
    #[serde(rename = "*rpc.fileInfo")]
    File(FileInfo),
}

/// What `os.FileInfo.Sys` returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum System {
    /// The only type that is registered for it.
    #[serde(rename = "*syscall.Stat_t")]
    Stat(Stat),
}

gob_struct! {
    /// A point in time as the kernel gives it.
    pub struct Timespec as "Timespec" {
        /// Seconds since 1970-01-01 00:00:00 UTC.
        pub seconds: i64 as "Sec",
        /// Nanoseconds within the second.
        pub nanoseconds: i64 as "Nsec",
    }
}

#[cfg(target_arch = "x86_64")]
gob_struct! {
    /// Go's `syscall.Stat_t` on this machine: stat(2). Sizes are in bytes; blocks have 512 of them.
    #[allow(missing_docs)]
    pub struct Stat as "Stat_t" {
        pub device: u64 as "Dev",
        pub inode: u64 as "Ino",
        pub links: u64 as "Nlink",
        pub mode: u32 as "Mode",
        pub uid: u32 as "Uid",
        pub gid: u32 as "Gid",
        pub padding: i32 as "X__pad0",
        pub special: u64 as "Rdev",
        pub size: i64 as "Size",
        pub block_size: i64 as "Blksize",
        pub blocks: i64 as "Blocks",
        pub accessed: Timespec as "Atim",
        pub modified: Timespec as "Mtim",
        pub changed: Timespec as "Ctim",
        pub unused: [i64; 3] as "X__unused",
    }
}

#[cfg(target_arch = "aarch64")]
gob_struct! {
    /// Go's `syscall.Stat_t` on this machine: stat(2). Sizes are in bytes; blocks have 512 of them.
    #[allow(missing_docs)]
    pub struct Stat as "Stat_t" {
        pub device: u64 as "Dev",
        pub inode: u64 as "Ino",
        pub mode: u32 as "Mode",
        pub links: u64 as "Nlink",
        pub uid: u32 as "Uid",
        pub gid: u32 as "Gid",
        pub special: u64 as "Rdev",
        pub padding: u64 as "X__pad1",
        pub size: i64 as "Size",
        pub block_size: i64 as "Blksize",
        pub padding2: i32 as "X__pad2",
        pub blocks: i64 as "Blocks",
        pub accessed: Timespec as "Atim",
        pub modified: Timespec as "Mtim",
        pub changed: Timespec as "Ctim",
        pub unused: [i32; 2] as "X__glibc_reserved",
    }
}

/// A Go `error` of one of the registered types: `errors.Is` and `errors.As` find in it what they would in the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GoError {
    /// An errno alone.
    #[serde(rename = "syscall.Errno")]
    Errno(u64),
    /// A call on a path.
    #[serde(rename = "*fs.PathError")]
    Path(PathError),
    /// A call on two paths.
    #[serde(rename = "*os.LinkError")]
    Link(LinkError),
    /// A call on no path.
    #[serde(rename = "*os.SyscallError")]
    Syscall(SyscallError),
}

impl GoError {
    /// The `fs.PathError` of the call `op` on `path`.
    pub fn path(op: &str, path: ByteString, errno: rustix::io::Errno) -> Self {
        GoError::Path(PathError { op: op.into(), path, error: Some(Box::new(errno.into())) })
    }

    /// The errno inside, however deep: what `errors.As` finds for a `syscall.Errno` in Go.
    pub fn errno(&self) -> Option<i32> {
        match self {
            GoError::Errno(errno) => i32::try_from(*errno).ok(),
            GoError::Path(PathError { error, .. })
            | GoError::Link(LinkError { error, .. })
            | GoError::Syscall(SyscallError { error, .. }) => error.as_deref()?.errno(),
        }
    }
}

impl fmt::Display for GoError {
    /// Go's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self {
            GoError::Errno(errno) => return f.write_str(&errno_text(i32::try_from(*errno).unwrap_or_default())),
            GoError::Path(PathError { op, path, error }) => {
                write!(f, "{op} {path}")?;
                error
            }
            GoError::Link(LinkError { op, old, new, error }) => {
                write!(f, "{op} {old} {new}")?;
                error
            }
            GoError::Syscall(SyscallError { syscall, error }) => {
                write!(f, "{syscall}")?;
                error
            }
        };
        error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

impl From<GoError> for Error {
    /// What a client makes of an error that came in a reply: its text and its errno.
    fn from(error: GoError) -> Self {
        let made = Error::new(ErrorKind::Rpc, error.to_string());
        match error.errno() {
            Some(errno) => made.with_errno(errno),
            None => made,
        }
    }
}

impl From<rustix::io::Errno> for GoError {
    fn from(errno: rustix::io::Errno) -> Self {
        GoError::Errno(errno.raw_os_error().unsigned_abs().into())
    }
}

gob_struct! {
    /// Go's `fs.PathError`.
    pub struct PathError as "PathError" {
        /// The call.
        pub op: ByteString as "Op",
        /// The path as the caller gave it.
        pub path: ByteString as "Path",
        /// Why it failed.
        pub error: Option<Box<GoError>> as "Err",
    }
}

gob_struct! {
    /// Go's `os.LinkError`.
    pub struct LinkError as "LinkError" {
        /// The call.
        pub op: ByteString as "Op",
        /// The path that is there.
        pub old: ByteString as "Old",
        /// The path that was to be made.
        pub new: ByteString as "New",
        /// Why it failed.
        pub error: Option<Box<GoError>> as "Err",
    }
}

gob_struct! {
    /// Go's `os.SyscallError`.
    pub struct SyscallError as "SyscallError" {
        /// The call.
        pub syscall: ByteString as "Syscall",
        /// Why it failed.
        pub error: Option<Box<GoError>> as "Err",
    }
}

macro_rules! interface {
    ($($ty:ty),*) => {
        $(impl Typed for $ty {
            fn gob_type() -> &'static Type {
                &schema::INTERFACE
            }
        })*
    };
}

interface!(Info, System, GoError);

/// All of them.
pub fn names() -> Names {
    Names::new()
        .with::<FileInfo>("*rpc.fileInfo")
        .with::<Stat>("*syscall.Stat_t")
        .with::<u64>("syscall.Errno")
        .with::<PathError>("*fs.PathError")
        .with::<LinkError>("*os.LinkError")
        .with::<SyscallError>("*os.SyscallError")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_gos_text_and_the_errno() {
        let exists: GoError = rustix::io::Errno::EXIST.into();
        let link = GoError::Link(LinkError {
            op: "symlink".into(),
            old: "a".into(),
            new: "b".into(),
            error: Some(Box::new(exists.clone())),
        });
        let call = GoError::Syscall(SyscallError { syscall: "mount".into(), error: Some(Box::new(exists.clone())) });
        let path = GoError::path("stat", "/x".into(), rustix::io::Errno::NOENT);
        for (error, text, errno) in [
            (exists, "file exists", Some(libc::EEXIST)),
            (link, "symlink a b: file exists", Some(libc::EEXIST)),
            (call, "mount: file exists", Some(libc::EEXIST)),
            (path, "stat /x: no such file or directory", Some(libc::ENOENT)),
            (GoError::Syscall(SyscallError { syscall: "x".into(), error: None }), "x", None),
        ] {
            let error = Error::from(error);
            assert_eq!((error.to_string().as_str(), error.errno()), (text, errno));
        }
    }
}
