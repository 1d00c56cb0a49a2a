// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Single mounts, held against the policy by the process that is about to make them. What counts is what mount(2) would
//! do with the arguments, not what the client calls it.

use super::{Policy, forbids, refused};
use crate::config::settings::NamespaceKind;
use crate::error::{Error, Result};

const NOSUID: u64 = libc::MS_NOSUID;
const NODEV: u64 = libc::MS_NODEV;
const NOEXEC: u64 = libc::MS_NOEXEC;
const RDONLY: u64 = libc::MS_RDONLY;
const NOSYMFOLLOW: u64 = libc::MS_NOSYMFOLLOW;
const NOTHING: u64 = NOSUID | NODEV | NOEXEC;

/// Restrictions of a mount, none of which is taken away from one that is there.
const RESTRICTIONS: u64 = RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW;
/// How mounts travel.
const PROPAGATION: u64 = libc::MS_SHARED | libc::MS_PRIVATE | libc::MS_SLAVE | libc::MS_UNBINDABLE;
/// What is possible besides: the rest concerns the host or is the kernel's own.
const OTHERS: u64 = libc::MS_BIND
    | libc::MS_REC
    | libc::MS_REMOUNT
    | libc::MS_MOVE
    | libc::MS_SILENT
    | libc::MS_SYNCHRONOUS
    | libc::MS_DIRSYNC
    | libc::MS_LAZYTIME
    | libc::MS_NOATIME
    | libc::MS_NODIRATIME
    | libc::MS_RELATIME
    | libc::MS_STRICTATIME;

/// null, zero, full, random, urandom and tty: a node that every user may open gives nothing.
const HARMLESS_DEVICES: [(u32, u32); 6] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];

/// LO_FLAGS_PARTSCAN (loop(4)).
const PARTSCAN: u32 = 8;

/// A kind of mount whose content is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountKind {
    /// Something that exists, at another place.
    Bind,
    /// tmpfs
    Tmpfs,
    /// proc
    Proc,
    /// sysfs
    Sysfs,
    /// devpts
    Devpts,
    /// mqueue
    Mqueue,
    /// cgroup2 and cgroup
    Cgroup,
    /// overlay
    Overlay,
}

impl MountKind {
    /// Every kind.
    pub const ALL: [MountKind; 8] = [
        MountKind::Bind,
        MountKind::Tmpfs,
        MountKind::Proc,
        MountKind::Sysfs,
        MountKind::Devpts,
        MountKind::Mqueue,
        MountKind::Cgroup,
        MountKind::Overlay,
    ];

    /// Its word in a policy.
    pub const fn word(self) -> &'static str {
        match self {
            MountKind::Bind => "bind",
            MountKind::Tmpfs => "tmpfs",
            MountKind::Proc => "proc",
            MountKind::Sysfs => "sysfs",
            MountKind::Devpts => "devpts",
            MountKind::Mqueue => "mqueue",
            MountKind::Cgroup => "cgroup",
            MountKind::Overlay => "overlay",
        }
    }
}

/// What is inside a file of a user's, and read by the kernel or by a program with root's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageKind {
    /// squashfs
    Squashfs,
    /// ext3
    Ext3,
    /// An encrypted volume, whose content is an image of another kind.
    Luks,
}

impl ImageKind {
    /// Every kind.
    pub const ALL: [ImageKind; 3] = [ImageKind::Squashfs, ImageKind::Ext3, ImageKind::Luks];

    /// Its word in a policy.
    pub const fn word(self) -> &'static str {
        match self {
            ImageKind::Squashfs => "squashfs",
            ImageKind::Ext3 => "ext3",
            ImageKind::Luks => "luks",
        }
    }
}

/// The file of an image, as fstat(2) on the very descriptor that is attached says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Who owns it.
    pub owner: u32,
    /// Its mode.
    pub mode: u32,
}

/// A mount that is about to be made: mount(2)'s arguments, and what the process that makes it knows by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct MountRequest<'a> {
    /// The type of the file system.
    pub filesystem: &'a [u8],
    /// The bits of mount(2).
    pub flags: u64,
    /// The options of the file system.
    pub data: &'a [u8],
    /// The bits of mount(2) that the source of a bind, or the mount to be changed, has already. statvfs(3) tells them,
    /// with another number for MS_NOSYMFOLLOW.
    pub present: u64,
    /// Whether it shows devices of the host's: the source of a bind, or the mount to be changed, was opened and proven
    /// to be.
    pub devices: bool,
    /// Whether it is to show other owners than the file system stores (MOUNT_ATTR_IDMAP).
    pub id_map: bool,
    /// The file behind the loop device that is mounted.
    pub image: Option<ImageFile>,
    /// The namespaces in which the mount is made and which are not the host's.
    pub own: &'a [NamespaceKind],
}

/// What a permitted mount must have besides, in its whole tree, before it can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forced {
    /// Bits of mount(2).
    pub flags: u64,
    /// An option of the file system, to be the last one.
    pub data: Option<&'static str>,
}

/// A file system that has no source of the user's.
struct Filesystem {
    names: &'static [&'static str],
    kind: MountKind,
    flags: u64,
    /// The options that are harmless, those that end in `=` with any value.
    options: &'static [&'static str],
    /// The namespace which the file system shows, where that may not be the host's.
    shows: Option<NamespaceKind>,
}

const fn filesystem(
    names: &'static [&'static str],
    kind: MountKind,
    flags: u64,
    options: &'static [&'static str],
    shows: Option<NamespaceKind>,
) -> Filesystem {
    Filesystem { names, kind, flags, options, shows }
}

const FILESYSTEMS: [Filesystem; 7] = [
    filesystem(
        &["tmpfs"],
        MountKind::Tmpfs,
        NOSUID | NODEV,
        &["mode=", "size=", "nr_blocks=", "nr_inodes=", "uid=", "gid="],
        None,
    ),
    // Of the host's processes it would show what the host's own, with hidepid, may hide.
    filesystem(&["proc"], MountKind::Proc, NOTHING, &["hidepid=", "subset="], Some(NamespaceKind::Pid)),
    filesystem(&["sysfs"], MountKind::Sysfs, NOTHING, &[], None),
    // Terminals are devices.
    filesystem(
        &["devpts"],
        MountKind::Devpts,
        NOSUID | NOEXEC,
        &["newinstance", "ptmxmode=", "mode=", "gid=", "max="],
        None,
    ),
    filesystem(&["mqueue"], MountKind::Mqueue, NOTHING, &[], None),
    // In the host's namespace its options are the host's: release_agent is run as root (CVE-2022-0492), and a mount
    // without nsdelegate takes that away from everybody.
    filesystem(&["cgroup2", "cgroup"], MountKind::Cgroup, NOTHING, &[], Some(NamespaceKind::Cgroup)),
    filesystem(
        &["overlay"],
        MountKind::Overlay,
        NOSUID | NODEV,
        &["lowerdir=", "upperdir=", "workdir=", "xino="],
        None,
    ),
];

impl Policy {
    /// Whether a mount may be made, and what it must have besides.
    pub fn permits_mount(&self, request: &MountRequest<'_>) -> Result<Forced> {
        let flags = request.flags;
        let unknown = flags & !(RESTRICTIONS | PROPAGATION | OTHERS);
        if unknown != 0 {
            return Err(refused(format!("mount flags {unknown:#x}")).with_help("leave them out"));
        }
        if request.id_map {
            // Files of root's would be shown as the user's own.
            return Err(
                refused("a mount with other owners").with_help("leave idmap out, or ask for the hybrid workflow")
            );
        }
        // In the kernel's own order: which of two contradicting bits counts.
        let has = |bits: u64| flags & bits == bits;
        if has(libc::MS_REMOUNT | libc::MS_BIND) {
            return Ok(shown(request));
        }
        if has(libc::MS_REMOUNT) {
            return Err(refused("changing a file system, wherever it is mounted")
                .with_help("change the mount alone: remount together with bind"));
        }
        if has(libc::MS_BIND) {
            return self.lists(MountKind::Bind).map(|()| shown(request));
        }
        if flags & PROPAGATION != 0 {
            return Ok(Forced::default());
        }
        if has(libc::MS_MOVE) {
            return Err(
                refused("moving a mount: what the host covers with it would be seen").with_help("bind it instead")
            );
        }
        self.permits_filesystem(request)
    }

    fn permits_filesystem(&self, request: &MountRequest<'_>) -> Result<Forced> {
        let is = |name: &str| name.as_bytes() == request.filesystem;
        if let Some(known) = FILESYSTEMS.iter().find(|known| known.names.iter().any(|name| is(name))) {
            self.lists(known.kind)?;
            if let Some(kind) = known.shows.filter(|kind| !request.own.contains(kind)) {
                let what = format!("mounting {} in the host's {} namespace", known.kind.word(), kind.word());
                let help = format!("ask for a {} namespace, or bind what the host has mounted", kind.word());
                return Err(refused(what).with_help(help));
            }
            check_options(request, known.options)?;
            return Ok(Forced { flags: known.flags, data: None });
        }
        let mountable = [ImageKind::Squashfs, ImageKind::Ext3];
        let Some(kind) = mountable.into_iter().find(|kind| is(kind.word())) else {
            return Err(refused(format!("mounting a file system of the type {}", text(request.filesystem)))
                .with_help("docs/policy.md lists the types that there are"));
        };
        let file = request.image.ok_or_else(|| {
            refused(format!("mounting {} from something else than an image's loop device", kind.word()))
                .with_help("attach the image with LoopDevice")
        })?;
        self.permits_image(kind, file)?;
        match kind {
            // Where the image itself says that an error is to end the kernel, this overrides it.
            ImageKind::Ext3 => {
                check_options(request, &["errors=remount-ro"])?;
                Ok(Forced { flags: NOSUID | NODEV, data: Some("errors=remount-ro") })
            }
            _ => {
                check_options(request, &[])?;
                Ok(Forced { flags: RDONLY | NOSUID | NODEV, data: None })
            }
        }
    }

    /// Whether the content of a file may be read by the kernel, or by a program with root's rights, as an image of this
    /// kind.
    pub fn permits_image(&self, kind: ImageKind, file: ImageFile) -> Result<()> {
        if !self.images.contains(&kind) {
            return Err(forbids(format!("images of the kind {}", kind.word()), "images"));
        }
        self.permits_image_file(file)
    }

    /// Whether a file may be attached to a loop device, as a part of one that is permitted as an image. `flags` are the
    /// `LO_FLAGS_*`.
    pub fn permits_loop_device(&self, file: ImageFile, flags: u32) -> Result<()> {
        if self.images.is_empty() {
            return Err(forbids("images of any kind", "images"));
        }
        if flags & PARTSCAN != 0 {
            return Err(refused("a search for partitions in an image").with_help("leave LO_FLAGS_PARTSCAN out"));
        }
        self.permits_image_file(file)
    }

    /// Whether a node of this character device may be made.
    pub fn permits_device(&self, major: u32, minor: u32) -> Result<()> {
        if HARMLESS_DEVICES.contains(&(major, minor)) {
            return Ok(());
        }
        Err(refused(format!("a node of the device {major}:{minor}"))
            .with_help("possible are null, zero, full, random, urandom and tty"))
    }

    fn permits_image_file(&self, file: ImageFile) -> Result<()> {
        let Some(owners) = &self.image_owners else { return Ok(()) };
        if !owners.contains(&file.owner) {
            return Err(forbids(format!("images of user {}", file.owner), "image_owners"));
        }
        if file.mode & 0o022 != 0 {
            return Err(refused("an image that others than its owner can write").with_help("chmod go-w the image"));
        }
        Ok(())
    }

    fn lists(&self, kind: MountKind) -> Result<()> {
        if self.mounts.contains(&kind) { Ok(()) } else { Err(forbids(format!("{} mounts", kind.word()), "mounts")) }
    }
}

/// What is shown at another place gains nothing by it.
fn shown(request: &MountRequest<'_>) -> Forced {
    let nodev = if request.devices { 0 } else { NODEV };
    Forced { flags: (request.present & RESTRICTIONS) | NOSUID | nodev, data: None }
}

/// An option is refused unless it is known to be harmless. Where a comma is part of a value, what follows it is taken
/// for an option as well, so that none escapes.
fn check_options(request: &MountRequest<'_>, harmless: &[&str]) -> Result<()> {
    let is_harmless = |option: &[u8]| {
        let is = |known: &&str| match known.ends_with('=') {
            true => option.starts_with(known.as_bytes()),
            false => option == known.as_bytes(),
        };
        option.is_empty() || harmless.iter().any(is)
    };
    match request.data.split(|byte| *byte == b',').find(|option| !is_harmless(option)) {
        None => Ok(()),
        Some(option) => Err(option_refused(request, option, harmless)),
    }
}

fn option_refused(request: &MountRequest<'_>, option: &[u8], harmless: &[&str]) -> Error {
    let help = match harmless {
        [] => "leave it out".to_owned(),
        harmless => format!("possible are {}", harmless.join(" ")),
    };
    refused(format!("the option {} for {}", text(option), text(request.filesystem))).with_help(help)
}

fn text(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests;
