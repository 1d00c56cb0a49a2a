// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of a bundle: its target resolved inside the root, what is missing made, the mount attached by
//! descriptor.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{CWD, FileType};
use serde::{Deserialize, Serialize};

use super::id_map::IdMaps;
use super::{id_map, judged, tmp_copy_up, tree};
use crate::config::settings::NamespaceKind;
use crate::engines::oci::in_root::{Leaf, Links, Root, kind};
use crate::engines::oci::options::{IdMap, MountOptions};
use crate::error::{Error, Result, Tried};
use crate::policy;

const CGROUPS: &str = "/sys/fs/cgroup";

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where, seen from inside the root.
    pub target: String,
    /// The kind of file system; empty for a bind mount.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filesystem: String,
    /// The device or directory, seen from outside.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The words of the specification.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What `idmap` shows; without it the maps of the container's user namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_maps: Option<IdMaps>,
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.source.is_empty() { &self.filesystem } else { &self.source };
        write!(f, "mount {source:?} on {:?}", self.target)?;
        if self.options.is_empty() { Ok(()) } else { write!(f, " ({})", self.options.join(",")) }
    }
}

impl Mount {
    /// Whether something that exists is to be seen at another place.
    pub fn is_bind(&self, options: &MountOptions) -> bool {
        options.bind != 0 || self.filesystem == "bind"
    }

    /// Whether the target must be what its name says: a link could make later accesses to it end elsewhere
    /// (CVE-2025-54867).
    fn links(&self) -> Links {
        if matches!(self.filesystem.as_str(), "proc" | "sysfs") { Links::Refused } else { Links::InRoot }
    }
}

/// Mounts them, in their order.
pub fn mount_all(root: &Root, mounts: &[Mount]) -> Result<()> {
    mounts.iter().try_for_each(|mount| mount_one(root, mount).map_err(|error| error.during(mount)))
}

fn mount_one(root: &Root, mount: &Mount) -> Result<()> {
    let options = MountOptions::parse(&mount.options)?;
    if options.remount {
        return remount(root, mount, &options);
    }
    if mount.is_bind(&options) {
        return bind(root, mount, Path::new(&mount.source), &options);
    }
    match mount.filesystem.as_str() {
        "cgroup" | "cgroup2" => cgroups(root, mount, &options),
        "sysfs" => match new(root, mount, &options) {
            // A user namespace without a network namespace of its own may not mount sysfs.
            Err(error) if error.errno() == Some(libc::EPERM) => bind_tree(root, mount, "/sys", &options),
            result => result,
        },
        _ => new(root, mount, &options),
    }
}

fn new(root: &Root, mount: &Mount, options: &MountOptions) -> Result<()> {
    let options = &*judged::new(&mount.filesystem, options)?;
    let target = root.ensure(Path::new(&mount.target), mount.links(), Leaf::Directory)?;
    let made = match tree::new(&mount.filesystem, &mount.source, options) {
        Err(Errno::ENOSYS) if options.id_map == IdMap::No => {
            return old_new(root, mount, options, &target);
        }
        result => failed(result)?,
    };
    if options.copy_up {
        tmp_copy_up::copy(target.as_fd(), made.as_fd())?;
    }
    finish(mount, options, &made, &target)
}

fn old_new(root: &Root, mount: &Mount, options: &MountOptions, target: &OwnedFd) -> Result<()> {
    failed(tree::old_new(&mount.filesystem, &mount.source, options, target.as_fd()))?;
    let made = root.resolve(Path::new(&mount.target), mount.links()).tried(|| "open it")?;
    if options.copy_up {
        tmp_copy_up::copy(target.as_fd(), made.as_fd())?;
    }
    furnish(options, &made)
}

fn bind(root: &Root, mount: &Mount, source: &Path, options: &MountOptions) -> Result<()> {
    let flags = options.bind;
    match tree::copy(source, flags) {
        Err(Errno::ENOSYS) if options.id_map == IdMap::No => {
            let handle = rustix::fs::openat(CWD, source, HANDLE, rustix::fs::Mode::empty());
            let handle = handle.tried(|| format!("open {source:?}"))?;
            let options = &*judged::shown(flags | libc::MS_BIND, handle.as_fd(), options)?;
            let target = bind_target(root, mount, &handle)?;
            failed(tree::old_bind(Path::new(&tree::name(handle.as_fd())), flags, target.as_fd()))?;
            let made = root.resolve(Path::new(&mount.target), mount.links()).tried(|| "open it")?;
            furnish(options, &made)
        }
        Err(Errno::EINVAL) if flags & libc::MS_REC == 0 => Err(Error::system(format!("bind {source:?}"), libc::EINVAL)
            .with_help("mounts beneath it must come along in a user namespace: use rbind")),
        result => {
            let made = result.map_err(|errno| Error::system(format!("open {source:?}"), errno as i32))?;
            let options = &*judged::shown(flags | libc::MS_BIND, made.as_fd(), options)?;
            let target = bind_target(root, mount, &made)?;
            finish(mount, options, &made, &target)
        }
    }
}

const HANDLE: rustix::fs::OFlags = rustix::fs::OFlags::PATH.union(rustix::fs::OFlags::CLOEXEC);

fn bind_target(root: &Root, mount: &Mount, source: &OwnedFd) -> Result<OwnedFd> {
    let directory = kind(source.as_fd()).tried(|| "look at the source")? == FileType::Directory;
    let leaf = if directory { Leaf::Directory } else { Leaf::File };
    root.ensure(Path::new(&mount.target), mount.links(), leaf)
}

fn bind_tree(root: &Root, mount: &Mount, source: &str, options: &MountOptions) -> Result<()> {
    let mut options = MountOptions { bind: libc::MS_BIND | libc::MS_REC, filesystem: 0, ..options.clone() };
    options.data.clear();
    // What is mounted beneath it on the host is no more to be written than it is itself.
    options.tree.set |= options.mount.set;
    bind(root, mount, Path::new(source), &options)
}

/// The host's control groups: a mount of their file system if the host has version 2, which shows a new cgroup
/// namespace its own part only; else the host's, read-only (CVE-2023-25809). A policy lets none be mounted in the host's
/// namespace.
fn cgroups(root: &Root, mount: &Mount, options: &MountOptions) -> Result<()> {
    let host = rustix::fs::statfs(CGROUPS).tried(|| format!("look at {CGROUPS:?}"))?;
    let mut options = options.clone();
    let own = policy::server().is_none_or(|policy| policy.owns(NamespaceKind::Cgroup));
    if own && host.f_type == libc::CGROUP2_SUPER_MAGIC {
        let mount = Mount { filesystem: "cgroup2".into(), ..mount.clone() };
        match new(root, &mount, &options) {
            Err(error) if error.errno() == Some(libc::EPERM) => {}
            result => return result,
        }
    }
    options.tree.set |= crate::engines::oci::options::RDONLY;
    bind_tree(root, mount, CGROUPS, &options)
}

fn remount(root: &Root, mount: &Mount, options: &MountOptions) -> Result<()> {
    let target = root.resolve(Path::new(&mount.target), mount.links()).tried(|| "open it")?;
    let options = &*judged::shown(libc::MS_REMOUNT | options.bind, target.as_fd(), options)?;
    if options.bind == 0 {
        failed(tree::old_remount(options, target.as_fd()))?;
        let tree_only = MountOptions { mount: Default::default(), ..options.clone() };
        return furnish(&tree_only, &target);
    }
    furnish(options, &target)
}

/// Furnishes a mount that hangs nowhere and attaches it.
fn finish(mount: &Mount, options: &MountOptions, made: &OwnedFd, target: &OwnedFd) -> Result<()> {
    failed(tree::change(made.as_fd(), false, options.mount))?;
    failed(tree::change(made.as_fd(), true, options.tree))?;
    if options.id_map != IdMap::No {
        let namespace = id_map::user_namespace(mount.id_maps.as_ref())?;
        tree::map_ids(made.as_fd(), options.id_map, namespace.as_fd()).map_err(|errno| {
            Error::system("map its ids", errno as i32)
                .with_help("the file system must support it and belong to the user namespace that maps")
        })?;
    }
    failed(tree::attach(made.as_fd(), target.as_fd()))?;
    failed(tree::propagate(made.as_fd(), &options.propagation))
}

/// Furnishes a mount that is attached.
fn furnish(options: &MountOptions, made: &OwnedFd) -> Result<()> {
    failed(tree::change(made.as_fd(), false, options.mount))?;
    failed(tree::change(made.as_fd(), true, options.tree))?;
    failed(tree::propagate(made.as_fd(), &options.propagation))
}

/// The kernel's reason alone: what was tried is the mount itself, said by the caller.
fn failed<T>(result: Result<T, Errno>) -> Result<T> {
    result.map_err(|errno| {
        let error = Error::new(crate::ErrorKind::System, crate::error::errno_text(errno as i32));
        error.with_errno(errno as i32)
    })
}
