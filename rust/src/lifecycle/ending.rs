// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a process ends that does not execute a program.

use crate::engine::WaitStatus;
use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::lifecycle::messages::{Channel, FromContainer, Report, ToContainer};
use crate::{log, trace};

/// Tells master why the container process, as whichever of its roles, cannot go on, and ends it. If master is gone, nobody
/// is left to hear of it and this process is about to be killed.
pub fn fail(control: &Channel<FromContainer, ToContainer>, error: &Error) -> ! {
    let _ = control.send(&FromContainer::Failed(Report::from(error)), &[]);
    end(255)
}

/// Ends the calling process.
pub fn end(code: i32) -> ! {
    trace::event("exit", || serde_json::json!({ "code": code }));
    sys::process::exit(code)
}

/// Ends the starter, as master or before that, by what came of it.
pub fn conclude(outcome: Result<WaitStatus>) -> ! {
    end_as(outcome.unwrap_or_else(|error| {
        log::fatal(&error);
        WaitStatus::exit(super::FAILURE)
    }))
}

/// Ends the calling process as another one ended: with its exit code, or by the same signal with its default action and
/// without a core file of the runtime's, else with 128 + its number.
fn end_as(status: WaitStatus) -> ! {
    trace::event("exit", || serde_json::json!({ "code": status.exit_code(), "signal": status.signal() }));
    if let Some(signal) = status.signal() {
        use nix::sys::resource::{Resource, setrlimit};
        // A limit that cannot be lowered costs a needless core file, nothing else.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        // As the first process of a PID namespace this one survives its own signals: then the number tells.
        let _ = sys::signal::raise_default(signal);
        sys::process::exit(128 + signal)
    }
    sys::process::exit(status.exit_code().unwrap_or(super::FAILURE))
}
