// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A user namespace that nothing lives in: the kernel takes the id maps of a mount from one.

use std::fmt::Write as _;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};

use nix::fcntl::OFlag;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};

use crate::config::settings::IdMapping;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::process::{Cloned, clone, exit, not_made};
use crate::ffi::sys::{event, inherited};

const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// The id maps of one mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMaps {
    /// For user ids.
    pub uids: Vec<IdMapping>,
    /// For group ids.
    pub gids: Vec<IdMapping>,
}

/// A user namespace with these maps; without maps the one of the container.
pub fn user_namespace(maps: Option<&IdMaps>) -> Result<OwnedFd> {
    let Some(maps) = maps else {
        return openat(CWD, "/proc/self/ns/user", READ, Mode::empty()).tried(|| "open the user namespace");
    };
    let (reading, writing) = nix::unistd::pipe2(OFlag::O_CLOEXEC).tried(|| "make a pipe")?;
    // The descriptor table is shared: the child opens its own directory of /proc, which may count processes in
    // another PID namespace than this process does, and says its number.
    let flags = libc::CLONE_NEWUSER | libc::CLONE_FILES;
    match clone(flags as u64).tried(|| "make a user namespace").map_err(not_made)? {
        Cloned::Child => live(&writing),
        Cloned::Parent(_, child) => {
            let namespace = furnish(maps, &reading, &child);
            // Both calls can fail only if the child has ended, which is what they are for.
            let _ = rustix::process::pidfd_send_signal(&child, Signal::KILL);
            let _ = rustix::process::waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED);
            namespace
        }
    }
}

/// The child: says its directory's number and waits to be killed.
fn live(writing: &OwnedFd) -> ! {
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        exit(1);
    }
    // Without close-on-exec, as whoever takes over a number expects it to be.
    let Ok(directory) = openat(CWD, "/proc/self", OFlags::PATH, Mode::empty()) else { exit(1) };
    if rustix::io::write(writing, &directory.into_raw_fd().to_ne_bytes()).is_err() {
        exit(1);
    }
    loop {
        nix::unistd::pause();
    }
}

fn furnish(maps: &IdMaps, reading: &OwnedFd, child: &OwnedFd) -> Result<OwnedFd> {
    let mut number = [0u8; size_of::<RawFd>()];
    let ready = event::wait_readable(&[reading.as_fd(), child.as_fd()], None)?;
    if !ready[0] || rustix::io::read(reading, &mut number) != Ok(number.len()) {
        return Err(Error::new(ErrorKind::PeerDied, "make a user namespace: its process ended"));
    }
    let directory = inherited::adopt(RawFd::from_ne_bytes(number))?;
    for (file, maps) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
        let text = text(maps);
        let map = openat(&directory, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let map = map.tried(|| format!("open {file}"))?;
        rustix::io::write(&map, text.as_bytes()).tried(|| format!("write {text:?} to {file}"))?;
    }
    openat(&directory, "ns/user", READ, Mode::empty()).tried(|| "open the new user namespace")
}

fn text(maps: &[IdMapping]) -> String {
    maps.iter().fold(String::new(), |mut text, map| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", map.container_id, map.host_id, map.size);
        text
    })
}
