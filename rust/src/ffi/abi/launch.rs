// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Launching a starter, as a front end does: its environment is made from nothing, and the configuration travels by a
//! sealed memory file or in the environment.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::crossing::pinion_error;
use super::guard::guard;
use super::view::{pinion_view, put, sized};
use crate::engine::WaitStatus;
use crate::error::Result;
use crate::ffi::sys::descriptor::duplicate;
use crate::launch::{Host, Launch};
use crate::log;

/// What a launch needs. Begin with pinion_launch_options_init.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_launch_options {
    /// sizeof(pinion_launch_options).
    pub size: usize,
    /// The plain starter's absolute path; any bytes but NUL.
    pub starter: pinion_view,
    /// The setuid starter's; empty where there is none.
    pub starter_suid: pinion_view,
    /// The variable that holds the message level; empty for PINION_MESSAGELEVEL.
    pub level_variable: pinion_view,
    /// The message level, as pinion_log_set_level takes it.
    pub level: i32,
    /// The starter's standard input, output and error stream, which stay the caller's; -1 for the caller's own
    /// streams.
    pub stdin_fd: i32,
    /// See stdin_fd.
    pub stdout_fd: i32,
    /// See stdin_fd.
    pub stderr_fd: i32,
    /// Where the starter writes its record of the run, which stays the caller's; -1 for none.
    pub record_fd: i32,
    /// Whether the configuration goes by descriptor: a starter of pinion takes it, one of the family's does not.
    pub by_descriptor: bool,
    /// Whether the setuid starter is taken.
    pub use_suid: bool,
    /// Whether the kernel is nudged to load overlay.
    pub load_overlay_module: bool,
    /// Whether PostStartHost runs.
    pub post_start_host: bool,
    /// Whether CleanupHost runs.
    pub cleanup_host: bool,
}

fn launch(
    name: pinion_view,
    json: pinion_view,
    options: *const pinion_launch_options,
    go: fn(Launch<'_>) -> Result<WaitStatus>,
) -> Result<WaitStatus> {
    let minimum = size_of::<pinion_launch_options>();
    // SAFETY: numbers and pointers may be all zero; the structure begins with its size.
    let options: pinion_launch_options = unsafe { sized(options, minimum, "the options of a launch") }?;
    let path =
        |view: &pinion_view, what| view.bytes(what).map(|bytes| PathBuf::from(std::ffi::OsStr::from_bytes(bytes)));
    let suid = path(&options.starter_suid, "the setuid starter's path")?;
    let level_variable = match options.level_variable.text("the level variable")? {
        "" => log::LEVEL_VARIABLE,
        name => name,
    };
    let host = Host {
        starter: path(&options.starter, "the starter's path")?,
        starter_suid: (!suid.as_os_str().is_empty()).then_some(suid),
        level_variable: level_variable.to_owned(),
        level: options.level,
        by_descriptor: options.by_descriptor,
    };
    let name = std::ffi::OsStr::from_bytes(name.bytes("argv[0]")?);
    let mut launch = Launch::new(&host, name, json.bytes("the engine configuration")?)
        .use_suid(options.use_suid)
        .load_overlay_module(options.load_overlay_module)
        .post_start_host(options.post_start_host)
        .cleanup_host(options.cleanup_host);
    let given = |fd: i32, what| (fd != -1).then(|| duplicate(fd, what)).transpose();
    if let Some(fd) = given(options.record_fd, "pass the record on")? {
        launch = launch.record(fd);
    }
    if let Some(fd) = given(options.stdin_fd, "pass standard input on")? {
        launch = launch.stdin(fd);
    }
    if let Some(fd) = given(options.stdout_fd, "pass standard output on")? {
        launch = launch.stdout(fd);
    }
    if let Some(fd) = given(options.stderr_fd, "pass the standard error stream on")? {
        launch = launch.stderr(fd);
    }
    go(launch)
}

/// Replaces this program by the starter, with `name` as argv[0] and `json` as the engine configuration. Returns only
/// with an error: PINION_NOT_FOUND; PINION_INVALID for an unusable name or path, or a configuration that is empty or
/// too big for its way; PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_launch_exec(
    name: pinion_view,
    json: pinion_view,
    options: *const pinion_launch_options,
) -> *mut pinion_error {
    guard(|| launch(name, json, options, |launch| match launch.exec()? {}).map(drop))
}

/// Starts the starter, waits for its end and stores in `status` how it ended, as wait(2) encodes it. A program that
/// ignores SIGCHLD, or reaps any child in another thread, must not call this. Errors: as pinion_launch_exec; a status
/// that is not success is none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_launch_run(
    name: pinion_view,
    json: pinion_view,
    options: *const pinion_launch_options,
    status: *mut i32,
) -> *mut pinion_error {
    guard(|| {
        put(status, "the place for the wait status", || {
            launch(name, json, options, |launch| launch.run()).map(WaitStatus::raw)
        })
    })
}
