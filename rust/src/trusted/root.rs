// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The root directory of a process, to be noticed when it is another one.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, open, statx};

use super::Program;
use crate::error::{Error, ErrorKind, Result, Tried};

/// A file or directory at one place: the same one is another place in each mount that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    mount: u64,
    device: (u32, u32),
    inode: u64,
}

impl Place {
    /// Of what was opened. Kernels before Linux 5.8 do not tell the mount.
    pub fn of(opened: impl AsFd) -> Result<Place> {
        Place::at(opened, c"")
    }

    fn at(directory: impl AsFd, name: &CStr) -> Result<Place> {
        let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
        let found =
            statx(directory, name, AtFlags::EMPTY_PATH, wanted).tried(|| "tell a directory from another one")?;
        let told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
        let device = (found.stx_dev_major, found.stx_dev_minor);
        Ok(Place { mount: if told { found.stx_mnt_id } else { 0 }, device, inode: found.stx_ino })
    }
}

/// The root directory that a process has at one time.
#[derive(Debug)]
pub struct Root {
    place: Option<Place>,
    _held: Option<OwnedFd>,
}

impl Root {
    /// The present one. Where it is `held` open the number of its mount goes to no other one, whatever is mounted and taken away.
    pub fn present(held: bool) -> Root {
        let opened = open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok();
        let place = opened.as_ref().and_then(|root| Place::of(root).ok());
        Root { place, _held: opened.filter(|_| held) }
    }

    /// Whether the process still has it. Errors: it cannot be told.
    pub fn is_present(&self) -> Result<bool> {
        let noted = self.place.ok_or_else(|| Error::new(ErrorKind::System, "the root directory is unknown"))?;
        Ok(noted == Place::at(CWD, c"/")?)
    }

    /// As [`Program::find`], while this is still the root: what an image has under that name, owned by root as well, must
    /// not be taken for the host's.
    pub fn find(&self, name: &str, owners: &[u32], help: &str) -> Result<Program> {
        if !self.is_present()? {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("use {name}: the root directory is the container's already"),
            )
            .with_help("call this before Chroot"));
        }
        Program::find(name, owners, help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_root_has_no_programs_of_the_host() {
        assert!(Root::present(true).find("sh", &[0], "").is_ok());
        let other = open("/proc", OFlags::PATH, Mode::empty()).unwrap();
        let root = |place| Root { place, _held: None };
        let error = root(Some(Place::of(&other).unwrap())).find("sh", &[0], "").err().unwrap();
        assert_eq!((error.kind(), error.help()), (ErrorKind::Refused, Some("call this before Chroot")));
        assert!(root(None).find("sh", &[0], "").is_err());
    }
}
