// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps 1, 4, 5 and 7: what a program must be like to start here, the environment emptied, standard streams repaired,
//! stage 1's descriptors put where they belong.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::mount::{MsFlags, mount};
use rustix::io::fcntl_dupfd_cloexec;

use crate::engine::contract::holdings::{self, Threads};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::ffi::sys::descriptor;
use crate::launch;
use crate::plan::{Descriptors, Facts};

/// A start is a process's whole life: there is no second one in it, nor in one that the first has made.
pub fn one_start() -> Result<()> {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if BEGUN.swap(true, Ordering::Relaxed) {
        let text = "start the lifecycle: it has begun already, in this process or in the one that made it";
        return Err(Error::new(ErrorKind::Refused, text).with_help("start it once; then run the role that it returns"));
    }
    Ok(())
}

/// What helps a program that starts it with more threads than one.
pub const START_EARLIER: &str =
    "start it before anything makes a thread: first in main, or in a constructor before a runtime starts";

/// The steps make processes, whose only thread is the one that has made them, and change what the kernel keeps for each
/// thread: another one would keep what it had. To be asked where the code of others has run; `what` cannot be done then. Where a
/// filter hides how many there are, the caller is believed.
pub fn one_thread(what: &str, help: &str) -> Result<()> {
    let alone = sys::process::has_one_thread() != Some(false);
    if alone { Ok(()) } else { Err(several_threads(what, help)) }
}

fn several_threads(what: &str, help: &str) -> Error {
    let says = Threads::OneUntilRole.words();
    let text = format!("{what}: this process has more than one thread, the contract says {says}");
    Error::new(ErrorKind::Refused, text).with_help(help)
}

/// Step 4: empties the environment in place, bytes included, except for the message level and what the contract leaves.
pub fn environment(facts: &Facts, level_variable: &str) {
    let mut kept = vec![level_variable.to_owned()];
    kept.extend(holdings::environment(facts.setuid).iter().copied().map(str::to_owned));
    sys::environ::scrub(kept);
}

/// Nudges the kernel to load the module of overlay file systems, if the launcher asked for it and root called: a mount without
/// layers loads it and then fails, which is all that is wanted of it.
pub fn load_overlay_module(facts: &Facts) {
    if facts.uid == 0 && std::env::var_os(launch::LOAD_OVERLAY_MODULE).is_some() {
        let _ = mount(Some("none"), "/", Some("overlay"), MsFlags::MS_SILENT, Some(""));
    }
}

/// Step 5, done before anything else opens a descriptor.
pub fn standard_streams() -> Result<()> {
    descriptor::repair_standard_streams()
}

/// Step 7: installs the kept descriptors at the numbers that they had in stage 1, with close-on-exec, and changes to the
/// working directory. `own` are the core's descriptors, which nothing may replace.
pub fn descriptors(wanted: &Descriptors, arrived: Vec<(RawFd, OwnedFd)>, own: &[BorrowedFd<'_>]) -> Result<()> {
    if let Some(number) = own.iter().map(AsRawFd::as_raw_fd).find(|number| wanted.stays(*number)) {
        return Err(Error::invalid(format!("keep descriptor {number}: it belongs to the starter")));
    }
    for (number, fd) in out_of_the_way(arrived)? {
        if wanted.working_directory == Some(number) {
            nix::unistd::fchdir(&fd).tried(|| "change to the working directory that PrepareConfig set")?;
        }
        if wanted.stays(number) {
            descriptor::install(fd.as_fd(), number)?;
        }
    }
    Ok(())
}

/// A number to be taken may be one at which another has arrived.
fn out_of_the_way(arrived: Vec<(RawFd, OwnedFd)>) -> Result<Vec<(RawFd, OwnedFd)>> {
    let numbers: Vec<RawFd> = arrived.iter().map(|(number, _)| *number).collect();
    let (mut moved, mut taken) = (Vec::with_capacity(arrived.len()), Vec::new());
    for (number, mut fd) in arrived {
        while numbers.contains(&fd.as_raw_fd()) {
            let next = fcntl_dupfd_cloexec(&fd, 3).tried(|| format!("keep descriptor {number}"))?;
            taken.push(std::mem::replace(&mut fd, next));
        }
        moved.push((number, fd));
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_arrive_at_each_others_numbers_make_room() {
        let opened = || OwnedFd::from(std::fs::File::open("/dev/null").expect("null"));
        let (one, other, far) = (opened(), opened(), opened());
        let numbers = [other.as_raw_fd(), one.as_raw_fd(), RawFd::MAX];
        let moved = out_of_the_way(numbers.into_iter().zip([one, other, far]).collect()).expect("moved");
        assert_eq!(moved.iter().map(|(number, _)| *number).collect::<Vec<_>>(), numbers);
        assert!(moved.iter().all(|(_, fd)| !numbers.contains(&fd.as_raw_fd())), "{moved:?}");
    }
}
