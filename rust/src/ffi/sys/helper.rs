// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The last steps of a new process before it becomes a helper program.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::{Errno, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};

use super::{descriptor, signal};

/// What a helper program's process has.
pub struct Confinement {
    /// The process that makes it, and with which it dies.
    pub parent: Pid,
    /// An IPC namespace of its own to be in.
    pub ipc: Option<OwnedFd>,
    /// Whether all its ids are 0 and it has no further groups; otherwise they are its caller's.
    pub root: bool,
    /// Its ambient and inheritable capabilities.
    pub ambient: CapabilitySet,
}

type Step = fn(&Confinement) -> Result<()>;

/// The steps, and what each tries. The parent-death signal comes last: a change of credentials takes it back.
const STEPS: [(&str, Step); 6] = [
    ("close what it must not inherit", close_descriptors),
    ("join the IPC namespace", join_ipc),
    ("become root", become_root),
    ("set limits", set_limits),
    ("set capabilities", set_capabilities),
    ("tie it to its caller", tie),
];

/// Lets the process that `command` starts take these steps. Where one fails it writes what it tried to its standard error
/// output, and starting it fails with the errno.
pub fn confine(command: &mut Command, to: Confinement) {
    let steps = move || {
        for (tried, step) in STEPS {
            step(&to).map_err(|errno| {
                // Nobody would hear of this one's failure.
                let _ = rustix::io::write(io::stderr(), tried.as_bytes());
                io::Error::from(errno)
            })?;
        }
        Ok(())
    };
    // SAFETY: the steps are system calls, which take no lock, on values that the closure owns. Only a failed one may
    // allocate, which the C library's fork keeps possible in the child of a process with several threads.
    unsafe { command.pre_exec(steps) };
}

fn close_descriptors(_: &Confinement) -> Result<()> {
    signal::reset_dispositions();
    descriptor::close_on_exec_from(3).map_err(|error| Errno::from_raw_os_error(error.errno().unwrap_or(libc::EBADF)))
}

fn join_ipc(to: &Confinement) -> Result<()> {
    let Some(namespace) = &to.ipc else { return Ok(()) };
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::InterProcessCommunication))
}

/// Of the calling thread, which is the only one.
fn become_root(to: &Confinement) -> Result<()> {
    if !to.root {
        return Ok(());
    }
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// A core file would hold what the program was told in confidence.
fn set_limits(_: &Confinement) -> Result<()> {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// What is not inheritable is not ambient either (capabilities(7)).
fn set_capabilities(to: &Confinement) -> Result<()> {
    let sets = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: to.ambient, ..sets })?;
    to.ambient.iter().try_for_each(|one| rustix::thread::configure_capability_in_ambient_set(one, true))
}

/// A caller that has died before the signal was asked for cannot send it any more.
fn tie(to: &Confinement) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() == Some(to.parent) { Ok(()) } else { Err(Errno::SRCH) }
}
