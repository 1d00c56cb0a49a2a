// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether this program is a setuid-root file that an ordinary user has called, and whether it may be one.

use nix::sys::statvfs::{FsFlags, statvfs};
use rustix::fs::{FileType, Mode, Stat, stat};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::privileges::Credentials;

/// This program's file, whatever it is called.
const OWN_FILE: &str = "/proc/self/exe";

/// What the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installation {
    /// It has the privileges of its caller.
    Plain,
    /// The kernel has given it root's id.
    Setuid,
    /// It has a setuid bit that did not count: what helps.
    InertSetuid(&'static str),
}

/// Finds out. Errors: it got privileges in another way, or others than root could have changed the file.
pub fn judge(own: &Credentials) -> Result<Installation> {
    let given = sys::process::is_secure_execution();
    if !given {
        // Without /proc there is nothing to say of the file.
        let has_bit = own.uid[0] != 0 && stat(OWN_FILE).is_ok_and(|file| is_setuid_root(&file));
        return Ok(if has_bit { Installation::InertSetuid(why_inert()) } else { Installation::Plain });
    }
    let file = stat(OWN_FILE).tried(|| "look at this program's file, which the setuid flow needs /proc for")?;
    if own.uid[1] != 0 || !is_setuid_root(&file) {
        let text =
            "start: this program has privileges of a file that is not setuid root (capabilities or a setgid bit)";
        return Err(Error::new(ErrorKind::Refused, text)
            .with_help("install it setuid root (make install-setuid), or without any of these"));
    }
    let writers = Mode::WGRP | Mode::WOTH;
    if Mode::from_raw_mode(file.st_mode).intersects(writers) || !FileType::from_raw_mode(file.st_mode).is_file() {
        let text =
            format!("start: others than root may write to this setuid program (mode {:04o})", file.st_mode & 0o7777);
        return Err(Error::new(ErrorKind::Refused, text).with_help("take that right away: chmod 4755"));
    }
    Ok(Installation::Setuid)
}

fn is_setuid_root(file: &Stat) -> bool {
    file.st_uid == 0 && Mode::from_raw_mode(file.st_mode).contains(Mode::SUID)
}

/// Why the kernel did not let the setuid bit count (execve(2)).
fn why_inert() -> &'static str {
    if rustix::thread::no_new_privs() == Ok(true) {
        return "no_new_privs is set for this process, which its setuid bit cannot overcome: start it outside of whatever set that \
                (a container, systemd's NoNewPrivileges=, setpriv, bwrap)";
    }
    if statvfs(OWN_FILE).is_ok_and(|file_system| file_system.flags().contains(FsFlags::ST_NOSUID)) {
        return "the starter's file system is mounted nosuid: install it on another one, or mount that with suid";
    }
    if is_traced() {
        return "this process is traced, where setuid bits do not count: start it without the debugger";
    }
    "the starter's setuid bit did not count, as in a user namespace that does not know the host's root"
}

fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
