// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A callback that calls exit(3), or ends its thread: what belongs to the calling thread is destroyed then, by the C library
//! (glibc does so first, musl not at all), and a value of ours among it finds out that it came too early.

use std::cell::Cell;

use crate::engine::contract::Callback;
use crate::error::{Error, ErrorKind};
use crate::ffi::sys;
use crate::log;

thread_local! {
    static RUNNING: Running = const { Running { callback: Cell::new(None), process: Cell::new(0) } };
}

/// The callback that runs in this thread, and the process in which it was called.
struct Running {
    callback: Cell<Option<Callback>>,
    process: Cell<i32>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(callback) = self.callback.take() else { return };
        // A child that the callback has forked may end in this way.
        if self.process.get() == own_pid() {
            let text = format!("{} ended the process instead of returning", callback.name());
            let help = "return an error: then what was made is cleaned up";
            log::error(&Error::new(ErrorKind::Refused, text).with_help(help));
            sys::process::exit(255);
        }
    }
}

/// Enters the calling thread's value into the C library's list. Done before the first process is made, that writes to pages which all
/// of them share.
pub fn prepare() {
    sys::exit::destroy_what_belongs_to_threads();
    RUNNING.with(|_| ());
}

/// While this lives a callback runs.
pub struct Armed(());

/// A callback is about to be called in this thread.
pub fn arm(callback: Callback) -> Armed {
    RUNNING.with(|running| {
        running.process.set(own_pid());
        running.callback.set(Some(callback));
    });
    Armed(())
}

impl Drop for Armed {
    fn drop(&mut self) {
        // Its destruction has begun where that fails, and with it the end.
        let _ = RUNNING.try_with(|running| running.callback.set(None));
    }
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}
