// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Callbacks of master's that do not come back: from a SIGTERM on they have a limit.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::activity::Activity;
use super::forward;
use crate::engine::contract::Callback;
use crate::error::Result;
use crate::ffi::sys;
use crate::ffi::sys::patience::{Ending, Patience};
use crate::lifecycle::child::Watched;
use crate::lifecycle::limits::{overdue, remaining};

/// For a callback in master's only thread, where nobody else could hear a SIGTERM. Should it not come back, master ends with
/// `code`, and the others do as after its death. `None` where the program's own runtime receives the signals.
pub fn alone(callback: Callback, limit: Duration, container: &Watched, code: i32) -> Option<Patience> {
    if forward::has_source() {
        return None;
    }
    let text = format!("pinion: error: {}\n", overdue(callback.name(), limit));
    Some(Patience::begin(limit, container.as_fd(), Ending { text, code }))
}

/// For a callback in a thread of its own, while this one hears the signals, which mean nothing else any more. Should it not come
/// back, the thread is left to itself.
pub fn beside(callback: Callback, limit: Duration, activity: &Activity<()>, queue: &OwnedFd) -> Result<()> {
    let mut deadline = None;
    loop {
        let ready = sys::event::wait_readable(&[activity.as_fd(), queue.as_fd()], remaining(deadline))?;
        if ready[0] {
            return activity.result();
        }
        if !ready[1] {
            return Err(overdue(callback.name(), limit));
        }
        while let Some(signal) = sys::signal::read(queue)? {
            if signal.number == libc::SIGTERM {
                deadline.get_or_insert_with(|| Instant::now() + limit);
            }
        }
    }
}
