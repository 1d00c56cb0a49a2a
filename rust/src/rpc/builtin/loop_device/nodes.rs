// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The names of loop devices: their nodes in /dev, their directories in /sys.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, major, makedev, minor, mknodat, open, openat, statat, statfs,
    unlink,
};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried};

/// The major number of loop devices (loop(4)).
const MAJOR: u32 = 7;

/// The number of loop-control (devices.txt of the kernel).
const CONTROL: (u32, u32) = (10, 237);

/// linux/magic.h.
const SYSFS_MAGIC: u32 = 0x6265_6572;

/// What a server of loop devices has from the host: where the nodes are, and whose they are.
pub struct Host {
    /// Open from the start on, where the client's mounts must not lead elsewhere.
    dev: Option<OwnedFd>,
    group: OnceLock<u32>,
}

impl Host {
    /// To be called before the first request: under a policy it is all looked up now, while nobody can have mounted
    /// anything over it.
    pub fn noted(policed: bool) -> Result<Host> {
        let host = Host { dev: if policed { Some(open_dev()?) } else { None }, group: OnceLock::new() };
        if policed {
            host.group();
        }
        Ok(host)
    }

    /// The group `disk` of /etc/group, or 0. Read once: a later root directory is an image's.
    pub fn group(&self) -> u32 {
        *self.group.get_or_init(|| group_of(&fs::read("/etc/group").unwrap_or_default()).unwrap_or(0))
    }

    /// Opens /dev/loop-control, for writing since only then it can be locked.
    pub fn open_control(&self) -> Result<OwnedFd> {
        let control = |about: &Stat| {
            FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice
                && (major(about.st_rdev), minor(about.st_rdev)) == CONTROL
        };
        let opened = self.open("loop-control", OFlags::RDWR, control).map_err(|errno| {
            let help = match errno {
                Errno::NOENT | Errno::NODEV | Errno::NXIO => "; load the module loop (modprobe loop), or give this /dev the node (mknod -m 660 /dev/loop-control c 10 237)",
                _ => "",
            };
            let error = Error::system("open /dev/loop-control", errno.raw_os_error());
            Error::new(error.kind(), format!("{error}{help}")).with_errno(errno.raw_os_error())
        })?;
        let odd =
            "open /dev/loop-control: it is not the device 10:237; remove it, and load the module loop (modprobe loop)";
        opened.ok_or_else(|| Error::invalid(odd))
    }

    /// Opens a loop device. A /dev that the kernel does not fill gets the node first, but not under a policy.
    pub fn open_device(&self, number: u32, access: OFlags) -> Result<OwnedFd> {
        let name = format!("loop{number}");
        let path = format!("/dev/{name}");
        let device = |about: &Stat| {
            FileType::from_raw_mode(about.st_mode) == FileType::BlockDevice && major(about.st_rdev) == MAJOR
        };
        let open = || self.open(&name, access, device);
        let opened = match open() {
            Err(Errno::NOENT) if self.dev.is_none() => {
                let made = make(number, &path)?;
                open().inspect_err(|_| {
                    // The device was removed meanwhile: the node must not outlive it.
                    if made {
                        let _ = unlink(&path);
                    }
                })
            }
            opened => opened,
        };
        let odd = || Error::invalid(format!("open {path}: it is no loop device; remove it"));
        opened.tried(|| format!("open {path}"))?.ok_or_else(odd)
    }

    /// Opens a node if it is what it should be: to open another one may have an effect by itself.
    fn open(
        &self,
        name: &str,
        access: OFlags,
        expected: impl Fn(&Stat) -> bool,
    ) -> rustix::io::Result<Option<OwnedFd>> {
        let own;
        let dev = match &self.dev {
            Some(dev) => dev,
            None => {
                own = dev()?;
                &own
            }
        };
        if !expected(&statat(dev, name, AtFlags::SYMLINK_NOFOLLOW)?) {
            return Ok(None);
        }
        openat(dev, name, access | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map(Some)
    }
}

fn dev() -> rustix::io::Result<OwnedFd> {
    open("/dev", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The host's /dev, in which nobody but root makes or exchanges a node.
fn open_dev() -> Result<OwnedFd> {
    let dev = dev().tried(|| "open \"/dev\"")?;
    let about = fstat(&dev).tried(|| "look at \"/dev\"")?;
    if about.st_uid != 0 || about.st_mode & 0o022 != 0 {
        return Err(Error::new(ErrorKind::Refused, "use \"/dev\": it is not root's own here"));
    }
    Ok(dev)
}

/// Makes the node of a device; whether it was not there.
fn make(number: u32, path: &str) -> Result<bool> {
    let mode = Mode::from_raw_mode(0o660);
    match mknodat(CWD, path, FileType::BlockDevice, mode, makedev(MAJOR, minor_of(number))) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno)
            .tried(|| format!("make {path}, which is missing (needs CAP_MKNOD and a /dev that can be written)")),
    }
}

/// The minor number of a device: the kernel leaves room for partitions between them if it was told to (max_part).
fn minor_of(number: u32) -> u32 {
    let numbers = fs::read_to_string(format!("/sys/block/loop{number}/dev")).unwrap_or_default();
    numbers.trim().split_once(':').and_then(|(_, minor)| minor.parse().ok()).unwrap_or(number)
}

/// The numbers of all loop devices that exist: by one listing of /sys/block, or of /dev where /sys is not mounted.
pub fn existing() -> Vec<u32> {
    list(if has_sysfs() { "/sys/block" } else { "/dev" })
}

/// The numbers of the devices that may serve a file from `offset` on with the limit `size_limit`, as far as can be told
/// without opening them.
pub fn serving(offset: u64, size_limit: u64) -> Vec<u32> {
    if !has_sysfs() {
        return list("/dev");
    }
    let mut numbers = list("/sys/block");
    // Devices that serve nothing have neither file; of the others the limit, an image's size, tells most apart.
    numbers.retain(|number| has(*number, "sizelimit", size_limit) && has(*number, "offset", offset));
    numbers
}

fn list(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("loop")?.parse().ok();
    let mut numbers: Vec<u32> = entries.filter_map(|entry| number(entry.ok()?)).collect();
    numbers.sort_unstable();
    numbers
}

fn has(number: u32, name: &str, value: u64) -> bool {
    let mut text = [0; 32];
    let length =
        fs::File::open(format!("/sys/block/loop{number}/loop/{name}")).and_then(|mut file| file.read(&mut text));
    let text = length.ok().and_then(|length| std::str::from_utf8(&text[..length]).ok());
    text.is_some_and(|text| text.trim_end().parse() == Ok(value))
}

fn has_sysfs() -> bool {
    statfs("/sys/block").is_ok_and(|found| found.f_type as u32 == SYSFS_MAGIC)
}

fn group_of(text: &[u8]) -> Option<u32> {
    let line = text.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"disk:"))?;
    std::str::from_utf8(line.split(|byte| *byte == b':').nth(2)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_by_its_whole_name() {
        assert_eq!(group_of(b"root:x:0:\ndisks:x:5:\ndisk:x:6:a,b\nkvm:x:7:\n"), Some(6));
        assert_eq!(group_of(b"disk:x:\xff:\n"), None);
        assert_eq!(group_of(b"# disk:x:9:"), None);
    }
}
