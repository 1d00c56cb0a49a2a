// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages for people. Outside of a lifecycle pinion says nothing by itself. Any thread.

use std::ffi::{c_char, c_void};

use super::crossing::{c_text, pinion_error};
use super::foreign::{Foreign, pinion_destroy};
use super::guard::{answer, guard};
use super::view::pinion_view;
use crate::log::{self, Level};

/// Gets a message in place of the standard error stream: its level, -4 (fatal) to 5 (debug), and its text in one
/// line, with what helps in a second one; valid for the call. Called on the thread that says something, at any
/// moment, also by two threads at once.
pub type pinion_log_sink = Option<unsafe extern "C" fn(data: *mut c_void, level: i32, text: *const c_char)>;

/// Sets the level up to which messages are written: -3 error, -2 warning, -1 log, 1 info (the default), 2 to 4
/// verbose, 5 debug; beyond ±90 the same without colours.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_log_set_level(level: i32) {
    log::set_level(level);
}

/// The level as it was set.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_log_level() -> i32 {
    log::level()
}

/// Lets messages go to `sink` in place of the standard error stream; NULL lets them go there again. `data` is
/// pinion's from here on, refusals included, and is destroyed when another sink is set.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_log_set_sink(
    sink: pinion_log_sink,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    let data = Foreign::new(data, destroy);
    guard(|| {
        let sink = sink.map(|sink| -> Box<log::Sink> {
            Box::new(move |level, text| {
                let text = c_text(text);
                // SAFETY: the function and its data were set together; the text is valid for the call.
                unsafe { sink(data.data(), level, text.as_ptr()) };
            })
        });
        log::set_sink(sink)
    })
}

/// Says something as pinion does: at this level, in one line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_log(level: i32, text: pinion_view) {
    answer((), || {
        log::say(Level::new(level), format_args!("{}", String::from_utf8_lossy(text.bytes("a message")?)));
        Ok(())
    });
}
