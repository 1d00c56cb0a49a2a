// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Raising effective capabilities, and taking root's file system ids, for a scope.

use std::cell::Cell;
use std::process::abort;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::process::{
    dumpable_behavior, parent_process_death_signal, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::error::{Error, ErrorKind, Result, Tried};

thread_local! {
    /// The calling thread's sets as they were last seen or set here: one question to the kernel for a whole server.
    static PRESENT: Cell<Option<CapabilitySets>> = const { Cell::new(None) };
}

/// Falls back to the capabilities from before when it is dropped.
#[must_use = "the capabilities fall back at once"]
pub struct Raised(Option<CapabilitySets>);

/// Makes those of `wanted` effective in the calling thread that are permitted; the kernel then judges what lacks the
/// others. The parent-death signal stays: the kernel clears it only when ids change or the permitted set grows.
pub fn raise(wanted: CapabilitySet) -> Result<Raised> {
    let present = present()?;
    let missing = (wanted & present.permitted) - present.effective;
    if missing.is_empty() {
        return Ok(Raised(None));
    }
    let raised = CapabilitySets { effective: present.effective | missing, ..present };
    set(raised).map_err(|error| error.during("raise capabilities"))?;
    Ok(Raised(Some(present)))
}

/// Sets the capabilities of the calling thread, and looks whether they are what was asked for.
fn set(wanted: CapabilitySets) -> Result<()> {
    PRESENT.set(None);
    set_capabilities(None, wanted).tried(|| "set capabilities")?;
    let found = capabilities(None).tried(|| "read capabilities back")?;
    if found != wanted {
        let text = format!("set capabilities: {wanted:?} was asked for, {found:?} is set");
        return Err(Error::new(ErrorKind::System, text));
    }
    PRESENT.set(Some(found));
    Ok(())
}

fn present() -> Result<CapabilitySets> {
    if let Some(present) = PRESENT.get() {
        return Ok(present);
    }
    let present = capabilities(None).tried(|| "read capabilities")?;
    PRESENT.set(Some(present));
    Ok(present)
}

/// Forgets what is known of the calling thread's capabilities: after someone else changed them.
pub fn forget() {
    PRESENT.set(None);
}

impl Drop for Raised {
    /// A thread that cannot give capabilities back must not go on.
    fn drop(&mut self) {
        let Some(before) = self.0.take() else { return };
        if let Err(error) = set(before) {
            eprintln!("pinion: cannot lower capabilities again: {error}");
            abort();
        }
    }
}

/// The file system ids from before come back when this is dropped.
#[must_use = "the ids fall back at once"]
pub struct FileIds(Option<(Uid, Gid)>);

/// Makes file system accesses of the calling thread root's, with `group`'s id, where they are another user's. Where the
/// kernel does not allow it, as in a user namespace without that id, they stay as they are, and it judges the accesses.
pub fn root_file_ids(group: impl FnOnce() -> u32) -> Result<FileIds> {
    let uid = file_uid();
    if uid.is_root() {
        return Ok(FileIds(None));
    }
    let before = FileIds(Some((uid, file_gid())));
    set_file_ids(Uid::from_raw(0), Gid::from_raw(group()))?;
    Ok(before)
}

impl Drop for FileIds {
    /// A thread that cannot give root's ids back must not go on.
    fn drop(&mut self) {
        let Some((uid, gid)) = self.0 else { return };
        if set_file_ids(uid, gid).is_err() || (file_uid(), file_gid()) != (uid, gid) {
            eprintln!("pinion: cannot take the user's file system ids again");
            abort();
        }
    }
}

/// Sets them, and everything back that the kernel changes with them: effective capabilities for files come with the user
/// id 0 and go with another one, the parent-death signal is forgotten, and the process becomes invisible to its user.
fn set_file_ids(uid: Uid, gid: Gid) -> Result<()> {
    let present = present()?;
    let signal = parent_process_death_signal().tried(|| "read the parent-death signal")?;
    let visible = dumpable_behavior().tried(|| "read whether the process is dumpable")?;
    setfsgid(gid);
    setfsuid(uid);
    set(present).map_err(|error| error.during("restore what a change of file system ids changes"))?;
    // Should the parent have died in between, then its end of the connection is closed, which ends a server as well.
    set_parent_process_death_signal(signal).tried(|| "restore the parent-death signal")?;
    if dumpable_behavior().tried(|| "read whether the process is dumpable")? != visible {
        set_dumpable_behavior(visible).tried(|| "restore whether the process is dumpable")?;
    }
    let now = (parent_process_death_signal().ok(), dumpable_behavior().ok());
    if now != (Some(signal), Some(visible)) {
        return Err(Error::new(
            ErrorKind::System,
            format!("change file system ids: death signal and dumpable are {now:?}"),
        ));
    }
    Ok(())
}

/// An id that is none leaves the present one, which the call returns (setfsuid(2)).
fn file_uid() -> Uid {
    setfsuid(Uid::from_raw(u32::MAX))
}

fn file_gid() -> Gid {
    setfsgid(Gid::from_raw(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, parent_process_death_signal, set_parent_process_death_signal};

    #[test]
    fn capabilities_are_raised_for_a_scope_only() {
        let before = capabilities(None).unwrap();
        if !before.permitted.contains(CapabilitySet::CHOWN) {
            println!("skipped: raising capabilities needs root");
            return;
        }
        let lowered = CapabilitySets { effective: before.effective - CapabilitySet::CHOWN, ..before };
        set_capabilities(None, lowered).unwrap();
        set_parent_process_death_signal(Some(Signal::HUP)).unwrap();
        forget();
        {
            let _raised = raise(CapabilitySet::CHOWN | CapabilitySet::KILL).unwrap();
            assert!(capabilities(None).unwrap().effective.contains(CapabilitySet::CHOWN));
        }
        assert_eq!(capabilities(None).unwrap().effective, lowered.effective);
        assert_eq!(parent_process_death_signal().unwrap(), Some(Signal::HUP));
        set_parent_process_death_signal(None).unwrap();
    }

    #[test]
    fn root_s_file_ids_are_taken_for_a_scope_and_nothing_else_changes() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: changing file system ids needs root");
            return;
        }
        // In a thread of its own: ids, capabilities and the parent-death signal are a thread's.
        let thread = std::thread::spawn(|| {
            let ids = || {
                let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
                let last = |name: &str| {
                    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                    line.split_whitespace().last().unwrap().parse::<u32>().unwrap()
                };
                (last("Uid:"), last("Gid:"))
            };
            setfsgid(Gid::from_raw(77));
            setfsuid(Uid::from_raw(77));
            // One that the change would take away, and others that it would bring.
            let effective = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::MKNOD;
            let present = CapabilitySets { effective, ..capabilities(None).unwrap() };
            set_capabilities(None, present).unwrap();
            set_parent_process_death_signal(Some(Signal::HUP)).unwrap();
            let visible = dumpable_behavior().unwrap();
            {
                let _ids = root_file_ids(|| 6).unwrap();
                assert_eq!(ids(), (0, 6));
                assert_eq!(capabilities(None).unwrap(), present);
                assert_eq!(parent_process_death_signal().unwrap(), Some(Signal::HUP));
            }
            assert_eq!(ids(), (77, 77));
            assert_eq!(capabilities(None).unwrap(), present);
            assert_eq!(parent_process_death_signal().unwrap(), Some(Signal::HUP));
            assert_eq!(dumpable_behavior().unwrap(), visible);
        });
        thread.join().unwrap();
    }
}
