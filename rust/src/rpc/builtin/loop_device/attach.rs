// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the device: one that serves the image already, a free one, or a new one.
//!
//! The kernel says which device is free, and exactly one of many who ask at once gets it; the others ask again. Nothing is
//! locked for that. Sharing needs that two starters do not both find nothing: they hold a lock for that one image.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{OFlags, Stat, fstat};

use super::nodes::{self, Host};
use super::{Wanted, failed};
use crate::error::{Error, Result, Tried};
use crate::ffi::sys::loop_device::{self as sys, AUTOCLEAR, READ_ONLY, Status};

/// How long to try while others take or hold every device that is offered.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for starters of the same image before attaching it a second time: one that was stopped must not stop all.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How often in a row the same device may be offered and then be busy: somebody holds it who does not attach anything.
const REFUSALS: u32 = 16;

/// The number of a device that serves the image, and an open descriptor that keeps it.
pub fn attach(host: &Host, image: BorrowedFd<'_>, wanted: &Wanted) -> Result<(u32, OwnedFd)> {
    let during = |error: Error| error.during("attach the image to a loop device");
    let control = host.open_control().map_err(during)?;
    if wanted.shared {
        let about = fstat(image).tried(|| "look at the image").map_err(during)?;
        lock(&control, &about);
        if let Some(found) = serving(host, &about, wanted) {
            return Ok(found);
        }
    }
    free(host, &control, image, wanted)
}

/// Waits for others who look for a device for the same file, until `control` is closed. A lock of a byte of /dev/loop-control:
/// only who may attach devices can hold it, and different images do not meet.
fn lock(control: &OwnedFd, about: &Stat) {
    let start = (about.st_ino ^ about.st_dev.rotate_left(40)) & i64::MAX.cast_unsigned();
    let byte = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start.cast_signed(),
        l_len: 1,
        l_pid: 0,
    };
    let deadline = Instant::now() + LOCK_PATIENCE;
    let mut pause = Duration::from_micros(50);
    // Without the lock a second device may be attached, which is no harm.
    while let Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) = fcntl(control, FcntlArg::F_OFD_SETLK(&byte)) {
        if Instant::now() >= deadline {
            return;
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(4));
    }
}

/// A device that serves the same part of the same file. Only those are opened whose offset and limit are the same. What it
/// says is read after it was opened: from then on it cannot let go of its file.
fn serving(host: &Host, about: &Stat, wanted: &Wanted) -> Option<(u32, OwnedFd)> {
    let Status { offset, size_limit, flags, .. } = wanted.info;
    let candidates = nodes::serving(offset, size_limit);
    candidates.into_iter().filter(|number| *number < wanted.below).find_map(|number| {
        let device = host.open_device(number, OFlags::RDONLY).ok()?;
        let status = sys::status(&device).ok()?;
        let same = (status.device, status.inode, status.offset, status.size_limit, status.flags & READ_ONLY)
            == (about.st_dev, about.st_ino, offset, size_limit, flags & READ_ONLY);
        // Who wants one to stay is not served with one that goes.
        let stays = flags & AUTOCLEAR != 0 || status.flags & AUTOCLEAR == 0;
        (same && stays).then_some((number, device))
    })
}

fn free(host: &Host, control: &OwnedFd, image: BorrowedFd<'_>, wanted: &Wanted) -> Result<(u32, OwnedFd)> {
    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut refusals) = (None, 0);
    loop {
        let offered = sys::free(control).tried(|| "ask for a free loop device")?;
        refusals = if last == Some(offered) { refusals + 1 } else { 0 };
        last = Some(offered);
        let unfit = offered >= wanted.below || refusals >= REFUSALS;
        let number = match if unfit { add(control, wanted.below)? } else { None } {
            Some(made) => made,
            None if offered < wanted.below => offered,
            None => return Err(none_free(wanted.below)),
        };
        match one(host, number, image, wanted) {
            Ok(device) => return Ok((number, device)),
            Err(error) if !passes(&error) || Instant::now() >= deadline => {
                return Err(error.during("attach the image to a loop device"));
            }
            Err(_) => sleep(Duration::from_micros(100) * refusals.min(50)),
        }
    }
}

/// Whether another try may go better: somebody was faster, or the device is gone.
fn passes(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EBUSY | libc::EAGAIN | libc::EINTR | libc::ENXIO | libc::ENODEV | libc::ENOENT))
}

/// Makes the device with the lowest number that is not there: what is offered has too high a number, or is never given.
/// None if all that are allowed are there.
fn add(control: &OwnedFd, below: u32) -> Result<Option<u32>> {
    let existing = nodes::existing();
    for number in (0..below).filter(|number| existing.binary_search(number).is_err()) {
        match sys::add(control, number) {
            Ok(()) => return Ok(Some(number)),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno).tried(|| format!("make loop device {number}")),
        }
    }
    Ok(None)
}

fn none_free(below: u32) -> Error {
    let text = format!(
        "all {below} loop devices that are allowed (MaxDevices) are in use: detach what is not needed (losetup -a shows \
         them), or allow more"
    );
    failed(text).with_errno(libc::EBUSY)
}

/// Attaches the image to this very device.
fn one(host: &Host, number: u32, image: BorrowedFd<'_>, wanted: &Wanted) -> Result<OwnedFd> {
    let access = if wanted.read_only { OFlags::RDONLY } else { OFlags::RDWR };
    let device = host.open_device(number, access)?;
    configure(&device, image, &wanted.info)
        .tried(|| format!("attach descriptor {} to /dev/loop{number}", image.as_raw_fd()))?;
    if wanted.read_only {
        return Ok(device);
    }
    // To keep it, reading is enough; kernels that protect what is mounted refuse the mount of a device that is open for
    // writing.
    host.open_device(number, OFlags::RDONLY).inspect_err(|_| {
        let _ = sys::clear(&device);
    })
}

fn configure(device: &OwnedFd, image: BorrowedFd<'_>, info: &Status) -> nix::Result<()> {
    match sys::configure(device, image, info) {
        // Before Linux 5.8, or under a seccomp filter that does not know the request.
        Err(Errno::EINVAL | Errno::ENOTTY | Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => {
            sys::set_file(device, image)?;
            sys::set_status(device, info).inspect_err(|_| {
                let _ = sys::clear(device);
            })
        }
        done => done,
    }
}
