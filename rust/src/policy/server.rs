// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The policy in an RPC server that has the host's rights: its methods ask here when they act, about what they have
//! opened.
//!
//! In the hybrid flow, as wherever the container has a user namespace, the kernel is the judge: there is no [`Server`]
//! then, and no method does anything else than without a policy.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, OnceLock};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, fstatfs, major, open, openat};

use super::{Forced, ImageFile, ImageKind, MountRequest, Policy, in_force, refused};
use crate::config::settings::NamespaceKind;
use crate::engine::lock;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The policy, and what the server knows by itself.
pub struct Server {
    policy: Policy,
    own: Vec<NamespaceKind>,
    /// By its device number: what is behind a block device that this server has made of an image.
    images: Mutex<BTreeMap<u64, ImageFile>>,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// What the methods of this process ask, if a policy holds for them.
pub fn server() -> Option<&'static Server> {
    if cfg!(feature = "policy") { SERVER.get() } else { None }
}

/// Makes this process an RPC server that asks the policy, if one is in force. `own` are the namespaces that were made
/// for this container: what was joined may be the host's after all.
pub fn serve(own: Vec<NamespaceKind>) {
    if let Some(policy) = in_force() {
        // There is one server in a process's life.
        let _ = SERVER.set(Server::new(policy.clone(), own));
    }
}

impl Server {
    fn new(policy: Policy, own: Vec<NamespaceKind>) -> Server {
        Server { policy, own, images: Mutex::default() }
    }

    /// Whether a kind of namespace is the container's own.
    pub fn owns(&self, kind: NamespaceKind) -> bool {
        self.own.contains(&kind)
    }

    /// Whether a new file system may be mounted. What of it is restricted already is asked for in its flags.
    pub fn permits_filesystem(&self, filesystem: &[u8], flags: u64, data: &[u8]) -> Result<Forced> {
        self.permits(&MountRequest { filesystem, flags, data, ..Default::default() })
    }

    /// Whether the image behind an opened block device may be mounted.
    pub fn permits_image(&self, filesystem: &[u8], flags: u64, data: &[u8], device: BorrowedFd<'_>) -> Result<Forced> {
        let image = self.image_of(&look(device)?);
        self.permits(&MountRequest { filesystem, flags, data, image, ..Default::default() })
    }

    /// Whether what was opened may be shown at another place, or changed where it is: `flags` say which. A copy has
    /// what its source has, and nobody may take away any of it, so that what is forced is what has to be added.
    pub fn permits_shown(&self, flags: u64, shown: BorrowedFd<'_>) -> Result<Forced> {
        let devices = is_character_device(&look(shown)?) || shows_terminals(shown)?;
        self.permits(&MountRequest { flags, devices, ..Default::default() })
    }

    /// Whether a mount may be made as the arguments say, of which nothing has to be looked at.
    pub fn permits(&self, request: &MountRequest<'_>) -> Result<Forced> {
        self.policy.permits_mount(&MountRequest { own: &self.own, ..*request })
    }

    /// Whether a node of this character device may be there.
    pub fn permits_device(&self, major: u32, minor: u32) -> Result<()> {
        self.policy.permits_device(major, minor)
    }

    /// Whether the host name and the domain name may be set.
    pub fn permits_host_name(&self) -> Result<()> {
        self.policy.permits_host_name(&self.own)
    }

    /// Whether an opened file may be attached to a loop device.
    pub fn permits_loop_device(&self, image: BorrowedFd<'_>, flags: u32) -> Result<ImageFile> {
        let image = image_file(&look(image)?)?;
        self.policy.permits_loop_device(image, flags)?;
        Ok(image)
    }

    /// Whether what is behind a loop device may be decrypted. Returns its image.
    pub fn permits_decryption(&self, name: &[u8]) -> Result<ImageFile> {
        let device = open_of_root(name)?;
        let image = self.image_of(&device).ok_or_else(|| {
            refused("decrypting something else than an image").with_help("attach the image with LoopDevice")
        })?;
        self.policy.permits_image(ImageKind::Luks, image)?;
        Ok(image)
    }

    /// nvidia-container-cli does with the host's capabilities what its user says.
    pub fn permits_nvidia(&self) -> Result<()> {
        Err(refused("nvidia-container-cli with the host's capabilities").with_help("ask for the hybrid workflow"))
    }

    /// What is mounted may hide something of the host's: it goes where its namespace goes.
    pub fn permits_unmount(&self) -> Result<()> {
        Err(refused("taking away a mount: what it covers may be closed to the user")
            .with_help("mount something else over it, or ask for the hybrid workflow"))
    }

    /// Remembers the image behind a block device that this server has made and keeps open.
    pub fn made(&self, device: u64, image: ImageFile) {
        lock(&self.images).insert(device, image);
    }

    fn image_of(&self, device: &Stat) -> Option<ImageFile> {
        let is_block = FileType::from_raw_mode(device.st_mode) == FileType::BlockDevice;
        lock(&self.images).get(&device.st_rdev).copied().filter(|_| is_block)
    }
}

fn look(opened: BorrowedFd<'_>) -> Result<Stat> {
    fstat(opened).tried(|| "look at what is to be mounted")
}

fn is_character_device(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
}

/// The kernel alone makes what is in devpts.
fn shows_terminals(opened: BorrowedFd<'_>) -> Result<bool> {
    let found = fstatfs(opened).tried(|| "look at what is to be mounted")?;
    Ok(found.f_type == libc::DEVPTS_SUPER_MAGIC)
}

/// Of a block device the owner of its node says nothing about who wrote it.
fn image_file(stat: &Stat) -> Result<ImageFile> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(ImageFile { owner: stat.st_uid, mode: stat.st_mode }),
        _ => Err(refused("an image that is no regular file").with_help("copy it into a file")),
    }
}

/// What a device's name in /dev stands for, and goes on to: for whoever looks it up again. The directory is root's,
/// nobody else can change it, and while one method runs nobody mounts in this namespace.
fn open_of_root(name: &[u8]) -> Result<Stat> {
    let shown = String::from_utf8_lossy(name);
    let odd = || Error::new(ErrorKind::Refused, format!("use {shown:?}: /dev is not root's own here"));
    let directory = open("/dev", OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let directory = directory.tried(|| "open \"/dev\"")?;
    let about = fstat(&directory).tried(|| "look at \"/dev\"")?;
    if about.st_uid != 0 || about.st_mode & 0o022 != 0 {
        return Err(odd());
    }
    let last = name.strip_prefix(b"/dev/").filter(|last| !last.contains(&b'/')).ok_or_else(odd)?;
    let device = openat(&directory, last, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let stat = fstat(device.tried(|| format!("open {shown:?}"))?).tried(|| format!("look at {shown:?}"))?;
    // Major 7: loop devices.
    if major(stat.st_rdev) == 7 { Ok(stat) } else { Err(odd()) }
}
