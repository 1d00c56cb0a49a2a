// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a root has besides mounts: directories, links, device nodes; and what of it is covered or cannot be written.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, makedev, mknodat, openat, symlinkat};
use serde::{Deserialize, Serialize};

use super::tree;
use crate::engines::oci::in_root::{Leaf, Links, Root, kind, look};
use crate::engines::oci::options::{self, Attributes, MountOptions};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::policy;

/// One thing that a root has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Item {
    /// A directory. An existing one stays as it is.
    Directory(String),
    /// A symbolic link and what it says. Whatever exists there stays as it is.
    Link(String, String),
    /// A character device that the host has at the same path, with its major and minor number.
    Device(String, u32, u32),
}

/// Makes the things of a root, in their order.
pub fn furnish(root: &Root, items: &[Item]) -> Result<()> {
    items.iter().try_for_each(|item| match item {
        Item::Directory(path) => root.ensure(Path::new(path), Links::InRoot, Leaf::Directory).map(drop),
        Item::Link(path, target) => link(root, path, target),
        Item::Device(path, major, minor) => {
            device(root, path, *major, *minor).map_err(|error| error.during(format!("make the device {path:?}")))
        }
    })
}

fn link(root: &Root, path: &str, target: &str) -> Result<()> {
    let (directory, name) = root.parent(Path::new(path))?;
    match symlinkat(target, &directory, name) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        result => result.tried(|| format!("link {path:?} to {target:?}")),
    }
}

/// A node where the kernel lets this process make one, else the host's own device bound there.
fn device(root: &Root, path: &str, major: u32, minor: u32) -> Result<()> {
    let (directory, name) = root.parent(Path::new(path))?;
    let present = look(directory.as_fd(), name).tried(|| "look at it")?;
    let policy = policy::server();
    if let Some(policy) = policy {
        policy.permits_device(major, minor)?;
    }
    // Nodes are of no use where a policy mounts everything nodev.
    let useful = policy.is_none();
    if useful && present.is_some_and(|stat| is_device(&stat, major, minor)) {
        return Ok(());
    }
    if useful && present.is_none() {
        let mode = Mode::from_raw_mode(0o666);
        match mknodat(&directory, name, FileType::CharacterDevice, mode, makedev(major, minor)) {
            Err(rustix::io::Errno::PERM) => {}
            result => return result.tried(|| "make a node"),
        }
    }
    let source = host_device(path, major, minor)?;
    let target = file(&directory, name)?;
    cover(source.as_fd(), target.as_fd()).tried(|| "bind the host's")
}

/// An empty file, or the file that is there. Nothing else may be there: a link least of all (CVE-2026-41579).
fn file(directory: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
    match openat(directory, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(Error::system("make a file to bind it to", errno.raw_os_error())),
    }
    let made = openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let made = made.tried(|| "open it")?;
    match kind(made.as_fd()).tried(|| "look at it")? {
        FileType::RegularFile | FileType::CharacterDevice => Ok(made),
        kind => Err(Error::new(ErrorKind::Refused, format!("a {kind:?} stands where it belongs").to_lowercase())),
    }
}

/// The host's device, proven to be the one that its name says (CVE-2025-31133).
fn host_device(path: &str, major: u32, minor: u32) -> Result<OwnedFd> {
    let opened = openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let opened = opened.tried(|| format!("open the host's {path:?}"))?;
    let stat = fstat(&opened).tried(|| format!("look at the host's {path:?}"))?;
    if !is_device(&stat, major, minor) {
        return Err(Error::new(ErrorKind::Refused, format!("the host's {path:?} is not the device {major}:{minor}")));
    }
    Ok(opened)
}

fn is_device(stat: &Stat, major: u32, minor: u32) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == makedev(major, minor)
}

/// Shows at `target` what `source` stands for.
fn cover(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    match tree::copy_of(source, 0) {
        Ok(made) => {
            // As every mount is under a policy.
            let set = if policy::server().is_some() { options::NOSUID } else { 0 };
            tree::change(made.as_fd(), false, Attributes { set, clear: 0 })?;
            tree::attach(made.as_fd(), target)
        }
        Err(Errno::ENOSYS) => tree::old_bind(Path::new(&tree::name(source)), 0, target),
        Err(errno) => Err(errno),
    }
}

/// Covers paths, so that what is there cannot be read: a file with the host's null device, a directory with an
/// empty read-only file system. What is not there needs no cover.
pub fn mask(root: &Root, paths: &[String]) -> Result<()> {
    let mut null = None;
    for path in paths {
        let Some(target) = existing(root, path)? else { continue };
        let directory = kind(target.as_fd()).tried(|| format!("look at {path:?}"))? == FileType::Directory;
        let covered = if directory {
            cover_directory(&target)
        } else {
            let source = match &null {
                Some(source) => source,
                None => null.insert(host_device("/dev/null", 1, 3)?),
            };
            cover(source.as_fd(), target.as_fd())
        };
        covered.tried(|| format!("mask {path:?}"))?;
    }
    Ok(())
}

fn cover_directory(target: &OwnedFd) -> Result<(), Errno> {
    let words = ["ro", "nosuid", "nodev", "noexec", "size=0k", "mode=755"];
    let options = MountOptions::parse(&words).map_err(|_| Errno::EINVAL)?;
    match tree::new("tmpfs", "tmpfs", &options) {
        Err(Errno::ENOSYS) => tree::old_new("tmpfs", "tmpfs", &options, target.as_fd()),
        result => tree::attach(result?.as_fd(), target.as_fd()),
    }
}

/// Makes paths read-only, with what is mounted beneath them. What is not there needs nothing.
pub fn protect(root: &Root, paths: &[String]) -> Result<()> {
    let read_only = Attributes { set: options::RDONLY, clear: 0 };
    for path in paths {
        let Some(target) = existing(root, path)? else { continue };
        let protect = || match tree::copy_of(target.as_fd(), libc::MS_BIND | libc::MS_REC) {
            Err(Errno::ENOSYS) => {
                tree::old_bind(Path::new(&tree::name(target.as_fd())), libc::MS_REC, target.as_fd())?;
                let made = root.resolve(Path::new(path), Links::InRoot);
                let made = made.map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
                tree::change(made.as_fd(), false, read_only)
            }
            result => {
                let made = result?;
                tree::change(made.as_fd(), true, read_only)?;
                tree::attach(made.as_fd(), target.as_fd())
            }
        };
        protect().tried(|| format!("make {path:?} read-only"))?;
    }
    Ok(())
}

/// What is at a path that is to be covered. A link on the way is followed inside the root.
fn existing(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match root.resolve(Path::new(path), Links::InRoot) {
        Ok(found) => Ok(Some(found)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Error::system(format!("open {path:?} in the root"), errno.raw_os_error())),
    }
}
