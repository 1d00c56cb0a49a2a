// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Namespaces: made, joined by descriptor, and what helps when the kernel says no.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use rustix::thread::CapabilitySet;

use crate::config::settings::NamespaceKind;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::process::not_made;
use crate::privileges::takes;

pub mod mount;
pub mod network;
pub mod pid;
pub mod user;

impl NamespaceKind {
    /// Every kind, in the order in which the container process enters them.
    pub const ALL: [NamespaceKind; 7] = [
        NamespaceKind::User,
        NamespaceKind::Pid,
        NamespaceKind::Network,
        NamespaceKind::Uts,
        NamespaceKind::Ipc,
        NamespaceKind::Cgroup,
        NamespaceKind::Mount,
    ];

    /// Its file in /proc/PID/ns, which for two kinds is not its word in configurations.
    pub const fn file(self) -> &'static str {
        match self {
            NamespaceKind::User => "user",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Network => "net",
            NamespaceKind::Uts => "uts",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Mount => "mnt",
        }
    }

    /// The sysctl that limits how many a user may have.
    const fn limit(self) -> &'static str {
        match self {
            NamespaceKind::User => "user.max_user_namespaces",
            NamespaceKind::Pid => "user.max_pid_namespaces",
            NamespaceKind::Network => "user.max_net_namespaces",
            NamespaceKind::Uts => "user.max_uts_namespaces",
            NamespaceKind::Ipc => "user.max_ipc_namespaces",
            NamespaceKind::Cgroup => "user.max_cgroup_namespaces",
            NamespaceKind::Mount => "user.max_mnt_namespaces",
        }
    }
}

/// The flags of several kinds.
pub fn flags(kinds: &[NamespaceKind]) -> CloneFlags {
    kinds.iter().fold(CloneFlags::empty(), |flags, kind| flags | CloneFlags::from_bits_truncate(kind.flag()))
}

/// The kinds in words: `pid, mount, ipc`.
pub fn words(kinds: &[NamespaceKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    words.join(", ")
}

/// Leaves the caller's namespaces of these kinds for new ones. All at once: one system call.
pub fn create(kinds: &[NamespaceKind]) -> Result<()> {
    if kinds.is_empty() {
        return Ok(());
    }
    unshare(flags(kinds)).map_err(|errno| refused(&format!("create new {} namespaces", words(kinds)), kinds, errno))
}

/// The error of a clone or an unshare: what was tried, why it was refused and what helps.
pub fn refused(what: &str, kinds: &[NamespaceKind], errno: Errno) -> Error {
    let error = Error::system(what, errno as i32);
    let has_user = kinds.contains(&NamespaceKind::User);
    match errno {
        Errno::ENOSPC => error.with_help(exhausted(kinds)),
        Errno::EUSERS => error.with_help("user namespaces are nested too deeply: 32 levels are the limit"),
        Errno::EPERM if has_user => error.with_help(user_denied()),
        Errno::EPERM if geteuid().is_root() => takes(error, CapabilitySet::SYS_ADMIN),
        Errno::EPERM => error.with_help("new namespaces need root or a user namespace of one's own"),
        Errno::EINVAL if has_user => error.with_help("this kernel was built without user namespaces"),
        Errno::EAGAIN => not_made(error),
        Errno::ENOMEM => {
            error.with_help("memory is short, or the PID namespace that is joined has lost its first process")
        }
        _ => error,
    }
}

fn exhausted(kinds: &[NamespaceKind]) -> String {
    let at_zero = kinds.iter().find(|kind| read_number(&sysctl_path(kind.limit())) == Some(0));
    match at_zero {
        Some(kind) => format!("{} is 0; root can raise it: sysctl -w {}=10000", kind.limit(), kind.limit()),
        None => {
            let limits: Vec<&str> = kinds.iter().map(|kind| kind.limit()).collect();
            format!("a limit of namespaces is reached; root can raise {}", limits.join(", "))
        }
    }
}

fn user_denied() -> String {
    let knobs = [
        ("/proc/sys/kernel/unprivileged_userns_clone", 0, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for pinion-starter",
        ),
    ];
    for (path, denies, cure) in knobs {
        if read_number(path) == Some(denies) {
            return format!("user namespaces are switched off for ordinary users; root can allow them: {cure}");
        }
    }
    "user namespaces are denied here: by a seccomp filter or a chroot around this process, or by security policy".into()
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

fn read_number(path: &str) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A namespace to join, opened and proven to be another than the caller's own.
pub struct Target {
    kind: NamespaceKind,
    path: String,
    fd: OwnedFd,
}

impl Target {
    /// Opens a namespace file. `None` if it is the very namespace in which the caller is already.
    pub fn open(kind: NamespaceKind, path: &str) -> Result<Option<Self>> {
        let what = || format!("open the {} namespace \"{path}\" to join it", words(&[kind]));
        let fd = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).tried(what)?;
        let target = nix::sys::stat::fstat(&fd).tried(what)?;
        let own = own(kind)?;
        if (target.st_dev, target.st_ino) == own {
            return Ok(None);
        }
        Ok(Some(Target { kind, path: path.to_owned(), fd }))
    }

    /// Its kind.
    pub fn kind(&self) -> NamespaceKind {
        self.kind
    }

    /// Joins it. The kernel refuses a file that is no namespace of this kind.
    pub fn join(&self) -> Result<()> {
        join(self.fd.as_fd(), self.kind, &self.path)
    }
}

/// Joins the namespace behind a descriptor.
pub fn join(fd: impl AsFd, kind: NamespaceKind, name: &str) -> Result<()> {
    let what = || format!("join the {} namespace \"{name}\"", words(&[kind]));
    let joined = match setns(fd, flags(&[kind])) {
        // What it died of is the reason, which it may have told.
        Err(Errno::ESRCH) => Err(Error::new(ErrorKind::PeerDied, format!("{}: its process has ended", what()))),
        joined => joined.tried(what),
    };
    let chroot = if kind == NamespaceKind::Mount { CapabilitySet::SYS_CHROOT } else { CapabilitySet::empty() };
    joined.map_err(|error| takes(error, CapabilitySet::SYS_ADMIN | chroot))
}

/// Opens every namespace that is to be joined, in order: all or nothing.
pub fn open_all<'a>(paths: impl IntoIterator<Item = (NamespaceKind, &'a str)>) -> Result<Vec<Target>> {
    let opened: Result<Vec<Option<Target>>> = paths.into_iter().map(|(kind, path)| Target::open(kind, path)).collect();
    Ok(opened?.into_iter().flatten().collect())
}

fn own(kind: NamespaceKind) -> Result<(u64, u64)> {
    let path = format!("/proc/self/ns/{}", kind.file());
    let own = std::fs::metadata(&path).tried(|| format!("look at the own namespace \"{path}\""))?;
    Ok((own.dev(), own.ino()))
}
