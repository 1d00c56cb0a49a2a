// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests to loop devices (loop(4)) and to /dev/loop-control, and the size of a block device.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// `LO_FLAGS_READ_ONLY`.
pub const READ_ONLY: u32 = 1;
/// `LO_FLAGS_AUTOCLEAR`: the device lets go of its file when nobody has it open or mounted any more.
pub const AUTOCLEAR: u32 = 4;

/// The kernel's `loop_info64`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// The device number of the file system that the file lies on; told, not set.
    pub device: u64,
    /// The file's inode number; told, not set.
    pub inode: u64,
    /// Told, not set.
    pub rdevice: u64,
    /// Where the device begins in the file, in bytes.
    pub offset: u64,
    /// Its size in bytes at most; 0 is up to the file's end.
    pub size_limit: u64,
    /// The number of the device; told, not set.
    pub number: u32,
    /// Obsolete: 0.
    pub encrypt_type: u32,
    /// Obsolete: at most 32.
    pub encrypt_key_size: u32,
    /// `LO_FLAGS_*`.
    pub flags: u32,
    /// A name for the status, as a C string.
    pub file_name: [u8; 64],
    /// Obsolete.
    pub crypt_name: [u8; 64],
    /// Obsolete.
    pub encrypt_key: [u8; 32],
    /// Obsolete.
    pub init: [u64; 2],
}

/// The kernel's `loop_config`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Status,
    reserved: [u64; 8],
}

/// linux/loop.h.
const SET_FD: u32 = 0x4C00;
const CLR_FD: u32 = 0x4C01;
const SET_STATUS64: u32 = 0x4C04;
const GET_STATUS64: u32 = 0x4C05;
const CONFIGURE: u32 = 0x4C0A;
const CTL_ADD: u32 = 0x4C80;
const CTL_GET_FREE: u32 = 0x4C82;
/// linux/fs.h: `_IOR(0x12, 114, size_t)`.
const BLKGETSIZE64: u32 = 2 << 30 | (size_of::<usize>() as u32) << 16 | 0x12 << 8 | 114;

/// A request that takes a number or nothing.
fn plain(fd: BorrowedFd<'_>, request: u32, argument: libc::c_long) -> Result<i32, Errno> {
    // SAFETY: the requests above that come here read their argument as a number.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), request as libc::Ioctl, argument) })
}

/// LOOP_CTL_GET_FREE: the lowest number of a device that serves no file. Makes one if there is none.
pub fn free(control: impl AsFd) -> Result<u32, Errno> {
    plain(control.as_fd(), CTL_GET_FREE, 0).map(i32::cast_unsigned)
}

/// LOOP_CTL_ADD: makes the device with this number. `EEXIST`: it is there.
pub fn add(control: impl AsFd, number: u32) -> Result<(), Errno> {
    plain(control.as_fd(), CTL_ADD, number.into()).map(drop)
}

/// LOOP_CONFIGURE: file and status at once. Linux 5.8 on; older ones answer `EINVAL`. `EBUSY`: the device serves a file.
pub fn configure(device: impl AsFd, file: BorrowedFd<'_>, info: &Status) -> Result<(), Errno> {
    let config = Config { fd: file.as_raw_fd().cast_unsigned(), block_size: 0, info: *info, reserved: [0; 8] };
    let device = device.as_fd().as_raw_fd();
    // SAFETY: the kernel reads a structure of this size, which outlives the call.
    Errno::result(unsafe { libc::ioctl(device, CONFIGURE as libc::Ioctl, &raw const config) }).map(drop)
}

/// LOOP_SET_FD: the file alone, from its beginning to its end.
pub fn set_file(device: impl AsFd, file: BorrowedFd<'_>) -> Result<(), Errno> {
    plain(device.as_fd(), SET_FD, file.as_raw_fd().into()).map(drop)
}

/// LOOP_SET_STATUS64: offset, limit, name, and of the flags `LO_FLAGS_AUTOCLEAR` and `LO_FLAGS_PARTSCAN`.
pub fn set_status(device: impl AsFd, info: &Status) -> Result<(), Errno> {
    let device = device.as_fd().as_raw_fd();
    // SAFETY: the kernel reads a structure of this size, which outlives the call.
    Errno::result(unsafe { libc::ioctl(device, SET_STATUS64 as libc::Ioctl, std::ptr::from_ref(info)) }).map(drop)
}

/// LOOP_GET_STATUS64. `ENXIO`: the device serves no file.
pub fn status(device: impl AsFd) -> Result<Status, Errno> {
    // SAFETY: a structure of numbers and arrays of them may be all zero.
    let mut status: Status = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills in a structure of this size.
    Errno::result(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), GET_STATUS64 as libc::Ioctl, &raw mut status) })?;
    Ok(status)
}

/// LOOP_CLR_FD: lets go of the file, at the last close if others have the device open.
pub fn clear(device: impl AsFd) -> Result<(), Errno> {
    plain(device.as_fd(), CLR_FD, 0).map(drop)
}

/// The size of a block device in bytes.
pub fn block_device_size(device: impl AsFd) -> Result<u64, Errno> {
    let mut size = 0u64;
    // SAFETY: the kernel writes 64 bits.
    Errno::result(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), BLKGETSIZE64 as libc::Ioctl, &raw mut size) })?;
    Ok(size)
}
