// SPDX-License-Identifier: Apache-2.0 OR MIT
//! LoopDevice: a loop device that serves an image.
//!
//! A device with LO_FLAGS_AUTOCLEAR lets go of its image when nobody uses it. The server therefore keeps every device that
//! it gave out open until it ends, so that the client's Mount finds it; from then on the mount alone keeps it. What a server
//! that dies has attached goes with it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fstat, open};
use rustix::thread::CapabilitySet;

use super::{Builtin, raise};
use crate::engine::lock;
use crate::error::{CallbackError, Error, Result, Tried};
use crate::ffi::sys::descriptor;
use crate::ffi::sys::loop_device::{READ_ONLY, Status, block_device_size};
use crate::gob::{Array, ByteString, Typed};
use crate::gob_struct;
use crate::policy;

mod attach;
mod nodes;

gob_struct! {
    /// The kernel's loop_info64 as Go declares it.
    pub struct LoopInfo as "LoopInfo64" {
        /// Told by the kernel, not set.
        pub device: u64 as "Device",
        /// Told by the kernel, not set.
        pub inode: u64 as "Inode",
        /// Told by the kernel, not set.
        pub rdevice: u64 as "Rdevice",
        /// Where the device begins in the image, in bytes.
        pub offset: u64 as "Offset",
        /// Its size in bytes at most; 0 is up to the image's end.
        pub size_limit: u64 as "Sizelimit",
        /// Told by the kernel, not set.
        pub number: u32 as "Number",
        /// Obsolete.
        pub encrypt_type: u32 as "Encrypt_type",
        /// Obsolete.
        pub encrypt_key_size: u32 as "Encrypt_key_size",
        /// `LO_FLAGS_*`.
        pub flags: u32 as "Flags",
        /// A name for the status.
        pub file_name: Array<u8, 64> as "File_name",
        /// Obsolete.
        pub crypt_name: Array<u8, 64> as "Crypt_name",
        /// Obsolete.
        pub encrypt_key: Array<u8, 32> as "Encrypt_key",
        /// Obsolete.
        pub init: [u64; 2] as "Init",
    }
}

gob_struct! {
    /// The arguments of LoopDevice.
    pub struct LoopArgs as "LoopArgs" {
        /// The image: a descriptor of the server, which stays open and the client's.
        pub image_fd: u64 as "ImageFd" ("uintptr"),
        /// `O_RDONLY` or `O_RDWR`: how the device is opened.
        pub mode: i64 as "Mode" ("int"),
        /// Offset, limit and flags.
        pub info: LoopInfo as "Info" ("unix.LoopInfo64"),
        /// The device's number is below it.
        pub max_devices: i64 as "MaxDevices" ("int"),
        /// Whether a device that serves the same part of the image already will do.
        pub shared: bool as "Shared",
    }
}

gob_struct! {
    /// The arguments of LoopDevice where the image has a path.
    pub struct LoopPathArgs as "LoopArgs" {
        /// The image: a path, opened as `Mode` says, or `/proc/self/fd/N`: the very descriptor N of the server, as
        /// [`LoopArgs::image_fd`].
        pub image: ByteString as "Image",
        /// `O_RDONLY` or `O_RDWR`.
        pub mode: i64 as "Mode" ("int"),
        /// Offset, limit and flags.
        pub info: LoopInfo as "Info" ("unix.LoopInfo64"),
        /// The device's number is below it.
        pub max_devices: i64 as "MaxDevices" ("int"),
        /// Whether a device that serves the same part of the image already will do.
        pub shared: bool as "Shared",
    }
}

const RAISES: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::SYS_ADMIN).union(CapabilitySet::MKNOD);

/// LoopDevice with the image's descriptor.
pub static METHOD: Builtin = Builtin {
    name: "LoopDevice",
    raises: RAISES,
    args: LoopArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        let devices = Devices::new();
        builtin.answered_by(set, move |args: LoopArgs| {
            let wanted = Wanted::new(args.mode, &args.info, args.max_devices, args.shared)?;
            with_descriptor(args.image_fd, |image| devices.serve(image, &wanted))
        })
    },
};

/// LoopDevice with the image's path.
pub static METHOD_BY_PATH: Builtin = Builtin {
    name: "LoopDevice",
    raises: RAISES,
    args: LoopPathArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        let devices = Devices::new();
        builtin.answered_by(set, move |args: LoopPathArgs| {
            let wanted = Wanted::new(args.mode, &args.info, args.max_devices, args.shared)?;
            match args.image.strip_prefix(b"/proc/self/fd/") {
                Some(number) => with_descriptor(number_of(number, &args.image)?, |image| devices.serve(image, &wanted)),
                None => devices.serve(open_image(&args.image, &wanted)?.as_fd(), &wanted),
            }
        })
    },
};

/// What a call asks for.
struct Wanted {
    info: Status,
    read_only: bool,
    /// The number of the device is below it.
    below: u32,
    shared: bool,
}

impl Wanted {
    fn new(mode: i64, info: &LoopInfo, max_devices: i64, shared: bool) -> Result<Wanted> {
        let writable = match mode & i64::from(libc::O_ACCMODE) {
            access if access == i64::from(libc::O_RDONLY) => false,
            access if access == i64::from(libc::O_RDWR) => true,
            _ => return Err(failed(format!("mode {mode}: O_RDONLY and O_RDWR are possible"))),
        };
        if max_devices < 1 {
            return Err(failed(format!("at most {max_devices} devices are allowed (MaxDevices): allow one at least")));
        }
        let read_only = !writable || info.flags & READ_ONLY != 0;
        // A device number has 20 bits for the minor one (makedev(3)).
        let below = u32::try_from(max_devices.min(1 << 20)).unwrap_or(u32::MAX);
        Ok(Wanted { info: status_of(info, read_only), read_only, below, shared })
    }
}

fn status_of(info: &LoopInfo, read_only: bool) -> Status {
    Status {
        device: info.device,
        inode: info.inode,
        rdevice: info.rdevice,
        offset: info.offset,
        size_limit: info.size_limit,
        number: info.number,
        encrypt_type: info.encrypt_type,
        encrypt_key_size: info.encrypt_key_size,
        flags: info.flags | if read_only { READ_ONLY } else { 0 },
        file_name: info.file_name.0,
        crypt_name: info.crypt_name.0,
        encrypt_key: info.encrypt_key.0,
        init: info.init,
    }
}

fn failed(text: String) -> Error {
    Error::invalid(text).during("attach the image to a loop device")
}

fn number_of(text: &[u8], image: &ByteString) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| failed(format!("{image}: what follows /proc/self/fd/ must be the number of a descriptor")))
}

/// The image by its descriptor, which is not closed.
fn with_descriptor(
    number: u64,
    serve: impl FnOnce(BorrowedFd<'_>) -> Result<i64, CallbackError>,
) -> Result<i64, CallbackError> {
    let raw = RawFd::try_from(number).map_err(|_| not_open(number))?;
    descriptor::with(raw, serve).map_err(|_| not_open(number))?
}

fn not_open(number: u64) -> Error {
    failed(format!("descriptor {number} is not open in the server: keep it when the engine prepares the start"))
        .with_errno(libc::EBADF)
}

/// The image by its path, with the caller's own rights: none of the row's capabilities overrides permissions, and the file
/// system ids are not changed yet.
fn open_image(path: &ByteString, wanted: &Wanted) -> Result<OwnedFd> {
    let access = if wanted.read_only { OFlags::RDONLY } else { OFlags::RDWR };
    open(path.as_path(), access | OFlags::CLOEXEC, Mode::empty())
        .tried(|| format!("attach the image to a loop device: open {path}"))
}

/// A sector: the smallest thing that a block device can hold, in bytes.
const SECTOR: u64 = 512;

/// Refuses what the kernel would accept in another sense, or refuse without a reason.
fn check(image: BorrowedFd<'_>, wanted: &Wanted) -> Result<()> {
    let about = fstat(image).tried(|| "look at the image")?;
    let flags = fcntl_getfl(image).tried(|| "look at the image")?;
    let size = match FileType::from_raw_mode(about.st_mode) {
        _ if flags.contains(OFlags::PATH) => return Err(failed("it is open as a path only (O_PATH)".to_owned())),
        FileType::RegularFile => about.st_size.cast_unsigned(),
        FileType::BlockDevice => block_device_size(image).tried(|| "read the size of the image, a block device")?,
        other => return Err(failed(format!("it is neither a file nor a block device ({other:?})"))),
    };
    match flags & OFlags::RWMODE {
        OFlags::WRONLY => return Err(failed("it is not open for reading".to_owned())),
        OFlags::RDONLY if !wanted.read_only => {
            let text = "it is open for reading only: open it for writing, or ask for a read-only device (O_RDONLY)";
            return Err(failed(text.to_owned()));
        }
        _ => {}
    }
    let offset = wanted.info.offset;
    if size.saturating_sub(offset) < SECTOR {
        return Err(failed(format!("it has {size} bytes, and no sector of {SECTOR} bytes from offset {offset} on")));
    }
    if (1..SECTOR).contains(&wanted.info.size_limit) {
        return Err(failed(format!("a limit of {} bytes is below a sector", wanted.info.size_limit)));
    }
    Ok(())
}

/// The devices that a server gave out.
struct Devices {
    open: Mutex<BTreeMap<u32, OwnedFd>>,
    host: Result<nodes::Host>,
}

impl Devices {
    fn new() -> Devices {
        Devices { open: Mutex::default(), host: nodes::Host::noted(policy::server().is_some()) }
    }

    fn serve(&self, image: BorrowedFd<'_>, wanted: &Wanted) -> Result<i64, CallbackError> {
        check(image, wanted)?;
        let policy = policy::server();
        let judged = policy.map(|policy| policy.permits_loop_device(image, wanted.info.flags)).transpose()?;
        let host = self.host.as_ref().map_err(|error| failed(error.to_string()))?;
        let _ids = raise::root_file_ids(|| host.group())?;
        let (number, device) = attach::attach(host, image, wanted)?;
        if let (Some(policy), Some(judged)) = (policy, judged) {
            let made = fstat(&device).tried(|| "look at the loop device")?;
            policy.made(made.st_rdev, judged);
        }
        lock(&self.open).insert(number, device);
        Ok(number.into())
    }
}
