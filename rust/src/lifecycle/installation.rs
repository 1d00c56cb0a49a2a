// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether this program is a setuid-root file that an ordinary user has called, and whether it may be one.

use nix::sys::statvfs::{FsFlags, statvfs};
use rustix::fs::{Mode, Stat, stat};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::privileges::Credentials;

/// This program's file, whatever it is called.
const OWN_FILE: &str = "/proc/self/exe";

/// Whether the program is a setuid-root file, and has root's id of it. Errors: that did not count, it got privileges in another way,
/// or others than root could have changed the file.
pub fn is_setuid(own: &Credentials) -> Result<bool> {
    let [user, effective, _] = own.uid;
    let given = sys::process::is_secure_execution();
    if user == 0 && !given {
        return Ok(false);
    }
    let file = match stat(OWN_FILE) {
        Ok(file) => file,
        // Without /proc there is nothing to say of the file.
        Err(_) if !given => return Ok(false),
        Err(errno) => return Err(errno).tried(|| "look at this setuid program's file, which takes /proc"),
    };
    if !is_setuid_root(&file) {
        return if given { Err(in_another_way()) } else { Ok(false) };
    }
    if !given || effective != 0 {
        let text = "start: this program is a setuid-root file, but runs without root's id";
        return Err(Error::new(ErrorKind::Refused, text).with_help(why_inert()));
    }
    if Mode::from_raw_mode(file.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        let text = format!(
            "start: others than root may write to this setuid-root program (mode {:04o})",
            file.st_mode & 0o7777
        );
        return Err(Error::new(ErrorKind::Refused, text).with_help("take that right away: chmod 4755"));
    }
    Ok(true)
}

fn in_another_way() -> Error {
    let text = "start: this program has privileges of a file that is not setuid root (capabilities or a setgid bit)";
    Error::new(ErrorKind::Refused, text)
        .with_help("install it setuid root (make install-setuid), or without any of these")
}

fn is_setuid_root(file: &Stat) -> bool {
    file.st_uid == 0 && Mode::from_raw_mode(file.st_mode).contains(Mode::SUID)
}

/// Why the kernel did not let the setuid bit count (execve(2)).
fn why_inert() -> &'static str {
    if rustix::thread::no_new_privs() == Ok(true) {
        return "no_new_privs is set for this process: start it outside of whatever set that (a container, a systemd unit's \
                NoNewPrivileges=, setpriv, bwrap)";
    }
    if statvfs(OWN_FILE).is_ok_and(|file_system| file_system.flags().contains(FsFlags::ST_NOSUID)) {
        return "the starter's file system is mounted nosuid: install it on another one, or mount that with suid";
    }
    if is_traced() {
        return "this process is traced, where setuid bits do not count: start it without the debugger";
    }
    "a setuid bit does not count in a user namespace that does not know the file's owner"
}

fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
