// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors as they cross the border, in both directions.

use std::ffi::CString;
use std::sync::Arc;

use super::handle::{self, Opaque};
use crate::error::{CallbackError, Error, Result};

/// What was tried, on what, why it failed, and what helps.
pub struct pinion_error {
    _opaque: (),
}

impl Opaque for pinion_error {
    type Inner = Shown;
    const NAME: &'static str = "pinion_error";
}

/// An error with its texts as C reads them.
pub struct Shown {
    /// The error.
    pub error: Error,
    /// Its line.
    pub text: CString,
    /// What helps.
    pub help: Option<CString>,
}

impl Shown {
    fn new(error: Error) -> Shown {
        let (text, help) = (c_text(&error.to_string()), error.help().map(c_text));
        Shown { error, text, help }
    }
}

/// A text for C. A NUL in it is shown as an escape.
pub fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}

/// Hands an error out. Where no object can be made any more the number says so as well as it can: it is no NULL.
pub fn give(error: Error) -> *mut pinion_error {
    handle::share(Arc::new(Shown::new(error))).unwrap_or(std::ptr::dangling_mut())
}

/// Takes back what a callback returned.
#[inline(always)]
pub fn adopt(returned: *mut pinion_error, callback: &str) -> Result<(), CallbackError> {
    if returned.is_null() { Ok(()) } else { adopt_error(returned, callback) }
}

fn adopt_error(returned: *mut pinion_error, callback: &str) -> Result<(), CallbackError> {
    match handle::take_shared(returned) {
        Ok(shown) => Err(Box::new(shown.error.clone())),
        Err(error) => Err(Box::new(error.during(format!("{callback} returned an error: it")))),
    }
}

/// Shows an error to a callback, or NULL where there is none.
pub fn lend_error<R>(error: Option<&Error>, body: impl FnOnce(*const pinion_error) -> R) -> Result<R> {
    match error {
        None => Ok(body(std::ptr::null())),
        Some(error) => {
            handle::share_meanwhile(Arc::new(Shown::new(error.clone())), |error: *mut pinion_error| body(error))
        }
    }
}

/// The error behind a pointer that stays the caller's; `None` for NULL.
pub fn borrow_error(error: *const pinion_error) -> Result<Option<Error>> {
    if error.is_null() {
        return Ok(None);
    }
    Ok(Some(handle::get(error)?.error.clone()))
}
