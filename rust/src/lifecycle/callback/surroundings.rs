// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a callback finds around it and has to leave as it was. Looked at before and after each one, with system calls that
//! are cheap and wait for nobody.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, CWD, Mode, StatxFlags, statx};

use crate::engine::contract::Callback;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::log;
use crate::privileges::posture::{Attributes, Posture, number_of, set_dumpable};
use crate::privileges::{self, Credentials};

/// What a thread has around it.
pub struct Surroundings {
    posture: Posture,
    /// The blocked signals.
    blocked: u64,
    /// `None` where the kernel does not say.
    directory: Option<Place>,
    /// `None` in a process of several threads, which would meet the umask that reading it sets.
    umask: Option<u32>,
}

/// A directory, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    device: (u32, u32),
    inode: u64,
}

impl Place {
    /// Where a descriptor leads. A file system on a network or in a process is not asked.
    pub fn of(fd: impl AsFd) -> Option<Self> {
        Self::look(fd, c"", AtFlags::EMPTY_PATH)
    }

    /// The process's root directory.
    pub fn of_root() -> Option<Self> {
        Self::look(CWD, c"/", AtFlags::empty())
    }

    fn look(fd: impl AsFd, path: &std::ffi::CStr, flags: AtFlags) -> Option<Self> {
        let status = statx(fd, path, flags | AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()?;
        Some(Place { device: (status.stx_dev_major, status.stx_dev_minor), inode: status.stx_ino })
    }
}

/// The signals that a callback may open, though it must not block them: Go opens them for itself in a thread that comes to it
/// for the first time, and leaves them so (minitSignalMask in its runtime/signal_unix.go).
const OPENED_BY_RUNTIMES: [i32; 14] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGTERM,
    libc::SIGSTKFLT,
    libc::SIGCHLD,
    libc::SIGPROF,
    libc::SIGSYS,
];

impl Surroundings {
    /// Those of the calling thread, which has been looked at.
    pub fn of(posture: Posture) -> Self {
        let (blocked, directory) = (sys::signal::blocked(), Place::of(CWD));
        Surroundings { posture, blocked, directory, umask: umask_of_one_thread() }
    }

    /// Compares them with those of now. Mask, umask, dumpable attribute and death signal are put back. `beside` says
    /// that another callback runs, whose the directory and the dumpable attribute may be; `may_be_in` where else the
    /// process may be.
    pub fn kept(&self, callback: Callback, beside: bool, may_be_in: &dyn Fn(Place) -> bool) -> Result<()> {
        let now = Surroundings::of(Posture::read()?);
        let mut changed = self.credentials(&now.posture.credentials);
        changed.extend(attributes(&self.posture.attributes, &now.posture.attributes));
        let (was, is) = (self.posture.attributes.dumpable, now.posture.attributes.dumpable);
        if was != is && !beside {
            // The kernel itself closes a process whose ids change for a time, or opens it.
            if is && !opens_by_itself() {
                changed.push(format!("the dumpable attribute from {was} to {is}"));
            }
            set_dumpable(was)?;
        }
        let (was, is) = (self.posture.death_signal, now.posture.death_signal);
        if was != is {
            // The same holds for this.
            if is.is_some() {
                changed.push(format!("the parent-death signal from {} to {}", number_of(was), number_of(is)));
            }
            privileges::set_death_signal(was)?;
        }
        if blocks_differ(self.blocked, now.blocked) {
            changed.push(format!("the blocked signals from {:#x} to {:#x}", self.blocked, now.blocked));
            sys::signal::block(self.blocked);
        }
        if let (Some(was), Some(is)) = (self.directory, now.directory)
            && was != is
            && !beside
            && !may_be_in(is)
        {
            changed.push(format!("the working directory from {} to {}", described(was), named(is)));
        }
        if let (Some(was), Some(is)) = (self.umask, now.umask)
            && was != is
        {
            changed.push(format!("the umask from {was:04o} to {is:04o}"));
            set_umask(was);
        }
        if changed.is_empty() {
            return Ok(());
        }
        let text = format!("{} changed {}", callback.name(), changed.join(", and "));
        Err(Error::new(ErrorKind::Refused, text).with_help("a callback leaves its process as it was when it returns"))
    }

    fn credentials(&self, now: &Credentials) -> Vec<String> {
        let was = &self.posture.credentials;
        let mut changed = Vec::new();
        // Only master of the setuid flow can come to have root's id.
        if was == now || now.has_put_root_aside() && was.uid == [now.uid[0]; 3] && was.permitted == now.permitted {
            return changed;
        }
        if was.uid != now.uid {
            changed.push(format!("the user ids from {:?} to {:?}", was.uid, now.uid));
        }
        if was.gid != now.gid {
            changed.push(format!("the group ids from {:?} to {:?}", was.gid, now.gid));
        }
        for (set, was, is) in [
            ("effective", was.effective, now.effective),
            ("permitted", was.permitted, now.permitted),
            ("inheritable", was.inheritable, now.inheritable),
        ] {
            if was != is {
                changed.push(format!("the {set} capabilities from {was:#x} to {is:#x}"));
            }
        }
        changed
    }
}

/// But for the one that belongs to the whole process.
fn attributes(was: &Attributes, is: &Attributes) -> Vec<String> {
    let mut changed = Vec::new();
    if was.ambient != is.ambient {
        changed.push(format!("the ambient capabilities from {:#x} to {:#x}", was.ambient, is.ambient));
    }
    if was.no_new_privs != is.no_new_privs {
        changed.push(format!("no_new_privs from {} to {}", was.no_new_privs, is.no_new_privs));
    }
    if was.securebits != is.securebits {
        changed.push(format!("the securebits from {:#x} to {:#x}", was.securebits, is.securebits));
    }
    changed
}

fn blocks_differ(was: u64, is: u64) -> bool {
    let runtimes = OPENED_BY_RUNTIMES.iter().fold(0u64, |set, signal| set | 1 << (signal - 1));
    (was ^ is) & !(was & runtimes) != 0
}

fn described(place: Place) -> String {
    let (major, minor) = place.device;
    format!("inode {} of device {major}:{minor}", place.inode)
}

/// Its name if it has one, since this is where the process is.
fn named(place: Place) -> String {
    std::env::current_dir().map_or_else(|_| described(place), |path| format!("{path:?}"))
}

/// Whether the kernel lets others of its user look into a process that has changed its ids (proc_sys_fs(5)).
fn opens_by_itself() -> bool {
    std::fs::read("/proc/sys/fs/suid_dumpable").is_ok_and(|is| is.trim_ascii() == b"1")
}

/// Sets it and returns what it was.
fn set_umask(mask: u32) -> u32 {
    rustix::process::umask(Mode::from_raw_mode(mask)).as_raw_mode()
}

fn umask_of_one_thread() -> Option<u32> {
    (sys::process::has_one_thread() == Some(true)).then(umask)
}

/// By setting it for a moment.
fn umask() -> u32 {
    let is = set_umask(0o077);
    set_umask(is);
    is
}

/// Master's umask from before its callbacks, which run side by side in threads: nobody can tell which of them changed it.
pub struct UmaskWatch(u32);

impl UmaskWatch {
    /// Reads it, in a process of which it is known that it has one thread.
    pub fn begin() -> Self {
        UmaskWatch(umask())
    }

    /// Warns if it is another one by now: the container has come to its end, whatever the umask was on the way.
    pub fn end(&self) {
        let was = self.0;
        if let Some(is) = umask_of_one_thread().or_else(umask_in_proc)
            && was != is
        {
            log::warning(format_args!(
                "CreateContainer, MonitorContainer or another callback of master changed the umask from {was:04o} to {is:04o}"
            ));
        }
    }
}

/// Without setting it (since Linux 4.7, where /proc is).
fn umask_in_proc() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_may_open_its_signals_and_nobody_may_block_them() {
        let bit = |signal: i32| 1u64 << (signal - 1);
        let all = u64::MAX;
        assert!(!blocks_differ(all, all));
        assert!(!blocks_differ(all, all & !bit(libc::SIGCHLD) & !bit(libc::SIGTERM)));
        assert!(blocks_differ(all, all & !bit(libc::SIGUSR1)));
        assert!(blocks_differ(0, bit(libc::SIGTERM)));
    }

    #[test]
    fn the_mask_is_read_as_it_was_set() {
        let before = sys::signal::blocked();
        sys::signal::block(before | 1 << (libc::SIGUSR2 - 1));
        assert_eq!(sys::signal::blocked(), before | 1 << (libc::SIGUSR2 - 1));
        sys::signal::block(before);
        assert_eq!(sys::signal::blocked(), before);
    }

    /// What the kernel does as well when ids change for a time.
    #[test]
    fn a_thread_whose_death_signal_was_taken_has_it_again() {
        use rustix::process::{Signal, parent_process_death_signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::TERM)).expect("armed");
        let before = Surroundings::of(Posture::read().expect("posture"));
        set_parent_process_death_signal(None).expect("taken");
        before.kept(Callback::PrepareConfig, false, &|_| true).expect("no error");
        assert_eq!(parent_process_death_signal().expect("signal"), Some(Signal::TERM));
        set_parent_process_death_signal(None).expect("taken");
    }

    #[test]
    fn a_place_is_the_same_by_any_name() {
        let root = std::fs::File::open("/").expect("root");
        assert!(Place::of(&root).is_some());
        assert!(Place::of(&root) == Place::of(std::fs::File::open("/proc/..").expect("root")));
        assert!(Place::of(&root) != Place::of(std::fs::File::open("/proc").expect("proc")));
        assert!(umask_in_proc().is_some_and(|mask| mask <= 0o777));
    }
}
