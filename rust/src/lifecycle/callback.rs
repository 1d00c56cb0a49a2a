// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a callback is called, and how one that misbehaves is noticed and named.
//!
//! | what a callback does | what becomes of it |
//! | --- | --- |
//! | returns an error, panics | that is its error |
//! | returns with other ids, capabilities, no_new_privs, securebits, parent-death signal, signal mask, working directory or umask than it was called with | an error that says what changed; signal, mask and umask are put back |
//! | opens its process to others of its user (prctl(2), PR_SET_DUMPABLE) | an error that says so; it is closed again |
//! | returns without the dumpable attribute or the signal of its parent's death, both of which the kernel takes away when ids change for a time | both are put back |
//! | returns in a process that it has forked as well | that process says so and ends with 255, and does nothing else |
//! | calls exit(3) | the process says so and ends with 255 |
//! | calls _exit(2), executes a program, closes the core's descriptors | whoever waits for the process says so ([`silent`]); one that lives is killed |
//!
//! StartProcess may do what it likes with its own process. PrepareConfig may end in the directory that it has set as the
//! working directory, master's callbacks in the root directory. In master nothing can be done about the last row. The umask belongs to the process, so that it is
//! looked at where that has one thread; a master whose callbacks run side by side looks once at the end ([`UmaskWatch`]).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::config::StarterConfig;
use crate::engine::contract::Callback;
use crate::engine::{CallbackResult, Engine, WaitStatus};
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::ffi::sys::descriptor;
use crate::lifecycle::check::{ENFORCED, check_on_host};
use crate::lifecycle::child::Silence;
use crate::lifecycle::roles::Role;
use crate::privileges::posture::Posture;
use crate::{log, trace};

mod exits;
mod surroundings;

pub use exits::prepare;
pub use surroundings::UmaskWatch;
use surroundings::{Place, Surroundings};

/// Calls a callback of a process on the host.
pub fn call<T>(callback: Callback, body: impl FnOnce() -> CallbackResult<T>) -> Result<T> {
    call_checked(callback, check_on_host(callback)?, body)
}

/// As [`call`], where the calling thread has been looked at already.
pub fn call_checked<T>(callback: Callback, seen: Posture, body: impl FnOnce() -> CallbackResult<T>) -> Result<T> {
    run(callback, seen, body, |_| None)
}

/// Calls PrepareConfig. Engines that join a container go to the directory from which its namespaces are found.
pub fn prepare_config(engine: &Engine, config: &mut StarterConfig, seen: Posture) -> Result<()> {
    let body = || {
        engine.operations.prepare_config(config)?;
        Ok(config.settings().working_directory_fd)
    };
    run(Callback::PrepareConfig, seen, body, |set| *set).map(drop)
}

/// How many callbacks run in this process, MonitorContainer aside: it runs beside the others of master.
static BESIDE: AtomicUsize = AtomicUsize::new(0);
/// Whether one of those has failed: it may have done so in another directory than it began in.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Calls a callback and looks at what it leaves. `goes_to` is the directory in which it may have left the process.
fn run<T>(
    callback: Callback,
    seen: Posture,
    body: impl FnOnce() -> CallbackResult<T>,
    goes_to: impl FnOnce(&T) -> Option<RawFd>,
) -> Result<T> {
    called(callback, &seen);
    let process = nix::unistd::getpid();
    let returned = if callback == Callback::StartProcess || !ENFORCED {
        guarded(callback, process, body)
    } else {
        let begun = Begun::now(callback, seen);
        let returned = guarded(callback, process, body);
        let set = returned.as_ref().ok().and_then(goes_to);
        let kept = begun.end(returned.is_err(), set);
        returned.and_then(|value| kept.map(|()| value))
    };
    told(callback, returned.as_ref().err());
    returned
}

/// A callback that has been called.
struct Begun {
    callback: Callback,
    before: Surroundings,
    armed: exits::Armed,
}

impl Begun {
    fn now(callback: Callback, seen: Posture) -> Self {
        let before = Surroundings::of(seen);
        let armed = exits::arm(callback);
        BESIDE.fetch_add(usize::from(callback != Callback::MonitorContainer), Ordering::SeqCst);
        Begun { callback, before, armed }
    }

    /// What is wrong with what it leaves. `set` is the directory that it has set as the working directory.
    fn end(self, failed: bool, set: Option<RawFd>) -> Result<()> {
        let Begun { callback, before, armed } = self;
        let monitors = callback == Callback::MonitorContainer;
        if !monitors && failed {
            FAILED.store(true, Ordering::SeqCst);
        }
        let alone = BESIDE.fetch_sub(usize::from(!monitors), Ordering::SeqCst) == usize::from(!monitors);
        drop(armed);
        // One that failed has said enough, but the process goes on in any case.
        // What is the process's MonitorContainer, which may return at any time, finds as another one has it, or has left it.
        let beside = monitors && (!alone || FAILED.load(Ordering::SeqCst));
        before.kept(callback, beside, &|here| {
            // Engines of the family leave master in the root directory, so that no file system stays busy for it.
            if Callback::of(Role::Master).contains(&callback) && Place::of_root() == Some(here) {
                return true;
            }
            set.and_then(|number| descriptor::with(number, |fd| Place::of(fd)).ok()?) == Some(here)
        })
    }
}

/// Writes down that it is called.
fn called(callback: Callback, seen: &Posture) {
    trace::event("callback", || serde_json::json!({ "name": callback.name(), "credentials": seen.credentials }));
}

/// Writes down how it returned.
fn told(callback: Callback, error: Option<&Error>) {
    trace::event("returned", || {
        let error = error.map(ToString::to_string);
        serde_json::json!({ "name": callback.name(), "ok": error.is_none(), "error": error })
    });
}

/// Its error keeps its identity, a panic becomes an error, and only `process` comes back from it.
fn guarded<T>(callback: Callback, process: nix::unistd::Pid, body: impl FnOnce() -> CallbackResult<T>) -> Result<T> {
    let returned = log::guard(callback.name(), body);
    if nix::unistd::getpid() != process {
        let text = format!("{} returned in a process that it has forked as well", callback.name());
        log::error(&Error::new(ErrorKind::Refused, text).with_help("such a child executes a program or calls _exit"));
        sys::process::exit(255);
    }
    returned.and_then(|result| result.map_err(Error::callback))
}

/// The error of a process that was to say something after its callback and did not. `what` that is, `status` how it ended, if
/// that is known.
pub fn silent(role: Role, silence: Silence, what: &str, status: Option<WaitStatus>) -> Error {
    let callbacks: Vec<&str> = Callback::of(role).iter().map(|callback| callback.name()).collect();
    let name = callbacks.join(", ");
    let (text, help) = match (silence, status) {
        (Silence::Executed, _) => (
            format!("{role} executed another program without {what}"),
            "execute programs in children, and wait for those",
        ),
        (Silence::Lives, _) => (
            format!("{role} closed its connection without {what}"),
            "close only descriptors that the callback has opened",
        ),
        (Silence::Ended, Some(status)) => (
            format!("{role} ended without {what}: {status}"),
            "a callback returns an error and does not end its process",
        ),
        (Silence::Ended, None) => {
            (format!("{role} ended without {what}"), "a callback returns an error and does not end its process")
        }
    };
    Error::new(ErrorKind::PeerDied, format!("{name}: {text}")).with_help(help)
}
