// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the RPC server does for this engine besides its built-in methods: whatever happens inside a root before it
//! is entered. Each takes one request and needs no earlier answer, so that all can be sent at once.

pub mod calls;
pub mod furniture;
pub mod id_map;
mod judged;
pub mod mounts;
pub mod served;
mod tmp_copy_up;
mod tree;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

use super::in_root::Root;
use super::options::{self, Attributes, MountOptions};
use crate::engine::lock;
use crate::error::{Error, Result, Tried};
use crate::policy;
use crate::rpc::builtin::Resolver;
use crate::rpc::builtin::host::Host;
use furniture::Item;
use mounts::Mount;

/// Begins with a directory: it becomes a mount of its own, which all that follows refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRoot {
    /// The directory, outside.
    pub path: String,
    /// Whether an empty file system in memory covers it, instead of what is in it.
    pub fresh: bool,
}

/// Mounts, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mounts {
    /// Them.
    pub mounts: Vec<Mount>,
}

/// Makes directories, links and devices, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Furnish {
    /// Them.
    pub items: Vec<Item>,
}

/// Takes rights away: first what cannot be written, then what cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cover {
    /// Paths that become read-only.
    pub read_only: Vec<String>,
    /// Paths that are masked.
    pub masked: Vec<String>,
}

/// Goes into the root, ready for the built-in method that makes `.` the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enter {
    /// Whether the root becomes read-only before.
    pub read_only: bool,
}

/// Sets the NIS domain name of the UTS namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetDomainname {
    /// The name.
    pub name: String,
}

/// The root under construction, in the RPC server.
#[derive(Debug, Default)]
pub struct Construction {
    root: Mutex<Option<Root>>,
    /// Noted with the first request: when the methods are registered there is no policy yet.
    host: OnceLock<Host>,
}

impl Construction {
    /// See [`OpenRoot`].
    pub fn open_root(&self, request: &OpenRoot) -> Result<()> {
        let opened = || -> Result<OwnedFd> {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = openat(CWD, Path::new(&request.path), flags, Mode::empty()).tried(|| "open it")?;
            self.host.get_or_init(Host::noted).permits_target(directory.as_fd())?;
            own_mount(&directory, request.fresh)
        };
        let root = opened().map_err(|error| error.during(format!("prepare the root {:?}", request.path)))?;
        *lock(&self.root) = Some(Root::new(root, Resolver::Kernel));
        Ok(())
    }

    /// See [`Mounts`].
    pub fn mount(&self, request: &Mounts) -> Result<()> {
        self.inside(|root| mounts::mount_all(root, &request.mounts))
    }

    /// See [`Furnish`].
    pub fn furnish(&self, request: &Furnish) -> Result<()> {
        self.inside(|root| furniture::furnish(root, &request.items))
    }

    /// See [`Cover`].
    pub fn cover(&self, request: &Cover) -> Result<()> {
        self.inside(|root| {
            furniture::protect(root, &request.read_only)?;
            furniture::mask(root, &request.masked)
        })
    }

    /// See [`Enter`]. Nothing more can be done from outside afterwards.
    pub fn enter(&self, request: &Enter) -> Result<()> {
        self.inside(|root| {
            if request.read_only {
                let read_only = Attributes { set: options::RDONLY, clear: 0 };
                tree::change(root.as_fd(), false, read_only).tried(|| "make the root read-only")?;
            }
            rustix::process::fchdir(root).tried(|| "change to the root")
        })?;
        *lock(&self.root) = None;
        Ok(())
    }

    /// See [`SetDomainname`].
    pub fn set_domainname(&self, request: &SetDomainname) -> Result<()> {
        if let Some(policy) = policy::server() {
            policy.permits_host_name()?;
        }
        rustix::system::setdomainname(request.name.as_bytes())
            .tried(|| format!("set the domain name {:?}", request.name))
    }

    fn inside(&self, work: impl FnOnce(&Root) -> Result<()>) -> Result<()> {
        // What the caller's umask would take away from a directory, nobody in the container could give back.
        let _umask = Umask::set(0);
        match &*lock(&self.root) {
            Some(root) => work(root),
            None => Err(Error::invalid("no root is under construction")),
        }
    }
}

/// A mount whose root is what `directory` shows, or an empty one, attached over the directory itself.
fn own_mount(directory: &OwnedFd, fresh: bool) -> Result<OwnedFd> {
    let options = MountOptions::parse(&["mode=755", "nosuid", "nodev"])?;
    let forced = if fresh {
        judged::new("tmpfs", &options)?;
        MountOptions::default()
    } else {
        judged::root(directory.as_fd())?
    };
    let made = if fresh {
        tree::new("tmpfs", "pinion", &options)
    } else {
        tree::copy_of(directory.as_fd(), libc::MS_BIND | libc::MS_REC)
    };
    match made {
        Err(Errno::ENOSYS) if fresh => {
            tree::old_new("tmpfs", "pinion", &options, directory.as_fd()).tried(|| "mount a file system in memory")?;
        }
        Err(Errno::ENOSYS) => {
            let source = tree::name(directory.as_fd());
            tree::old_bind(Path::new(&source), libc::MS_REC, directory.as_fd()).tried(|| "bind it on itself")?;
        }
        made => {
            let made = made.tried(|| "make a mount")?;
            tree::change(made.as_fd(), true, forced.tree).tried(|| "restrict the mount")?;
            tree::attach(made.as_fd(), directory.as_fd()).tried(|| "attach a mount")?;
            return Ok(made);
        }
    }
    // The last component is looked up again, for what is mounted there now: `..` of a root leads out of it, and the
    // directory is known by its descriptor.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = std::fs::read_link(tree::name(directory.as_fd())).tried(|| "find its name")?;
    let made = openat(CWD, &path, flags, Mode::empty()).tried(|| "open it again")?;
    tree::change(made.as_fd(), true, forced.tree).tried(|| "restrict the mount")?;
    Ok(made)
}

/// A umask that falls back when it goes out of scope: stage 2 has the same one.
struct Umask(Mode);

impl Umask {
    fn set(mask: u32) -> Self {
        Umask(rustix::process::umask(Mode::from_raw_mode(mask)))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

#[cfg(test)]
mod tests;
