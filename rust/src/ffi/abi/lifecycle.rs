// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole life of a starter that a launcher has executed. Half a dozen processes go through it, each in a role;
//! engines are registered before a role runs. A program either calls pinion_lifecycle_run in `main`; or, where it
//! needs its own runtime, begins in a constructor by PINION_BOOTSTRAP, asks for the role in `main` and runs it there,
//! or runs it in another thread and keeps the main thread for work of its own (StartProcess then runs in that other
//! thread).

use std::borrow::Cow;
use std::sync::Mutex;

use super::crossing::pinion_error;
use super::guard::{answer, guard};
use super::handle;
use super::view::{pinion_view, sized};
use crate::engine::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::ffi::sys::descriptor::duplicate;
use crate::lifecycle::{self, Host, Pending};
use crate::{log, trace};

/// No role yet: the starter before pinion_lifecycle_start.
pub const PINION_ROLE_NONE: i32 = 0;
/// Runs PostStartHost on the host.
pub const PINION_ROLE_POST_START_HOST: i32 = 1;
/// Runs CleanupHost on the host.
pub const PINION_ROLE_CLEANUP_HOST: i32 = 2;
/// Takes the place of the process that runs CleanupHost if that is killed.
pub const PINION_ROLE_CLEANUP_SPARE: i32 = 3;
/// Runs PrepareConfig.
pub const PINION_ROLE_STAGE1: i32 = 4;
/// Watches over the container: runs CreateContainer, PreStartProcess, PostStartProcess, MonitorContainer and
/// CleanupContainer.
pub const PINION_ROLE_MASTER: i32 = 5;
/// Does the privileged work inside the container's namespaces: runs the RPC methods.
pub const PINION_ROLE_RPC_SERVER: i32 = 7;
/// The container's process: runs StartProcess.
pub const PINION_ROLE_STAGE2: i32 = 8;

/// What a product that embeds pinion decides about its starter. All zero, but for the size, is the default. Whether root's
/// policy holds for its setuid flow is decided when the library is built (docs/policy.md).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_host {
    /// sizeof(pinion_host).
    pub size: usize,
    /// The environment variable with the message level, whose text is kept; empty for PINION_MESSAGELEVEL.
    pub level_variable: pinion_view,
}

/// The role of this process, until it runs.
static PENDING: Mutex<Option<Pending>> = Mutex::new(None);

fn read(host: *const pinion_host) -> Result<Host> {
    if host.is_null() {
        return Ok(of_this_build(log::LEVEL_VARIABLE.into()));
    }
    // SAFETY: numbers and pointers may be all zero; the structure begins with its size.
    let host: pinion_host = unsafe { sized(host, size_of::<pinion_host>(), "the host") }?;
    Ok(of_this_build(match host.level_variable.text("the level variable")? {
        "" => log::LEVEL_VARIABLE.into(),
        variable => variable.to_owned().into(),
    }))
}

/// Whether root's policy holds is decided when the library is built, as its place is.
fn of_this_build(level_variable: Cow<'static, str>) -> Host {
    Host {
        level_variable,
        #[cfg(feature = "policy")]
        policy: cfg!(feature = "c-policy"),
    }
}

/// Goes through the steps of a start until this process has its role, and returns in every process that has one.
/// Where the start fails it says why on the standard error stream, cleans up, and ends the process with 255; a
/// process without a callback ends in here, too. To be called once, before the program has a second thread: in a
/// constructor, or first thing in `main`. `host` may be NULL. Errors: PINION_REFUSED for a second call, or a process
/// with several threads.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_lifecycle_start(host: *const pinion_host) -> *mut pinion_error {
    guard(|| begin(&read(host)?))
}

/// pinion_lifecycle_start for a constructor, which has nobody to return an error to: an error is said on the standard
/// error stream and ends the process with 255. PINION_BOOTSTRAP makes such a constructor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_lifecycle_bootstrap(host: *const pinion_host) {
    let ended = answer(lifecycle::FAILURE, || match read(host).and_then(|host| begin(&host)) {
        Ok(()) => Ok(0),
        Err(error) => {
            log::fatal(&error);
            Ok(lifecycle::FAILURE)
        }
    });
    if ended != 0 {
        sys::process::exit(ended);
    }
}

fn begin(host: &Host) -> Result<()> {
    let pending = lifecycle::start(host)?;
    *lock(&PENDING) = Some(pending);
    Ok(())
}

/// The role of this process, one of PINION_ROLE_*.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_lifecycle_role() -> i32 {
    answer(PINION_ROLE_NONE, || Ok(trace::role() as i32))
}

/// Lets master take its signals from the program's own runtime, before its role: `source` is read as in
/// pinion_signals_from, and nothing needs to be blocked. For every kind that is to be passed on, SIGCHLD among them;
/// without it they come from a signalfd(2). Errors: PINION_REFUSED for a second call; PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_lifecycle_signals_from(source: i32) -> *mut pinion_error {
    guard(|| lifecycle::signals_from(duplicate(source, "take master's signals from the program")?))
}

/// Runs the role and ends the process as it has to end. Registration ends here. Any thread, once; the program's other
/// threads must leave credentials, working directory and umask alone. Returns only with an error: PINION_REFUSED
/// where pinion_lifecycle_start did not run or the role runs already, as happens when a constructor was not linked
/// in.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_lifecycle_run_role() -> *mut pinion_error {
    guard(|| pending()?.run())
}

/// Ends the role of this process by an error of the program's, whose engines cannot be had for example, and the
/// process with 255. It is said once, whichever process meets it first. Takes `error`. Returns only with an error, as
/// pinion_lifecycle_run_role.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_lifecycle_fail_role(error: *mut pinion_error) -> *mut pinion_error {
    guard(|| {
        let error = handle::take_shared(error)?;
        pending()?.fail(&error.error)
    })
}

fn pending() -> Result<Pending> {
    lock(&PENDING).take().ok_or_else(|| {
        Error::new(ErrorKind::Refused, "run the role of this process: it has none").with_help(
            "pinion_lifecycle_start goes first; if a constructor was to call it, is the object with PINION_BOOTSTRAP linked in?",
        )
    })
}

/// pinion_lifecycle_start and pinion_lifecycle_run_role in one: for programs whose engines are registered before.
/// Returns only with an error, as those two.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_lifecycle_run(host: *const pinion_host) -> *mut pinion_error {
    guard(|| lifecycle::start(&read(host)?)?.run())
}
