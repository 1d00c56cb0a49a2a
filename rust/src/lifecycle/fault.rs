// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Named points at which a build for tests lets a process die: `PINION_FAULT=master:14` kills master when it reaches
//! step 14. `PINION_FAULT=fork:rpc-server` lets the making of that process fail. Without the feature `_fault` there is nothing here.

use nix::errno::Errno;

use crate::lifecycle::roles::{Role, Step};

/// Reads what is asked for, before the environment is emptied.
#[cfg(feature = "_fault")]
pub fn arm() {
    let _ = points::WANTED.set(std::env::var("PINION_FAULT").unwrap_or_default());
}

/// Reads nothing.
#[cfg(not(feature = "_fault"))]
pub fn arm() {}

/// Dies here, if that is asked for. The first process of a PID namespace survives its own signals: it calls `survived`, which tells
/// whoever is to kill it.
#[cfg(feature = "_fault")]
pub fn point(role: Role, step: Step, survived: impl FnOnce()) {
    let here = format!("{}:{}", role.word(), step.number());
    if points::WANTED.get() == Some(&here) {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        survived();
        loop {
            std::thread::park();
        }
    }
}

/// Does nothing.
#[cfg(not(feature = "_fault"))]
pub fn point(_: Role, _: Step, _: impl FnOnce()) {}

/// Fails as the kernel does at the limit of processes, if `what` is a process, a thread or a program that must not be made.
#[cfg(feature = "_fault")]
pub fn fork(what: &str) -> Result<(), Errno> {
    let refused = points::WANTED.get().and_then(|wanted| wanted.strip_prefix("fork:"));
    if refused == what.rsplit('/').next() { Err(Errno::EAGAIN) } else { Ok(()) }
}

/// Fails never.
#[cfg(not(feature = "_fault"))]
pub fn fork(_: &str) -> Result<(), Errno> {
    Ok(())
}

#[cfg(feature = "_fault")]
mod points {
    pub static WANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
}
