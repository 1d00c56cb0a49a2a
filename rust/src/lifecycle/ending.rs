// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the container process ends, in whichever of its roles, if it does not execute a program.

use crate::error::Error;
use crate::ffi::sys;
use crate::lifecycle::messages::{Channel, FromContainer, Report, ToContainer};
use crate::trace;

/// Tells master why this process, as whichever of its roles, cannot go on, and ends it. If master is gone, nobody is left to
/// hear of it and this process is about to be killed.
pub fn fail(control: &Channel<FromContainer, ToContainer>, error: &Error) -> ! {
    let _ = control.send(&FromContainer::Failed(Report::from(error)), &[]);
    end(255)
}

/// Ends the calling process.
pub fn end(code: i32) -> ! {
    trace::event("exit", || serde_json::json!({ "code": code }));
    sys::process::exit(code)
}
