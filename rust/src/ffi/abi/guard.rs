// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands around the body of every export: a panic becomes an error, and errno stays the caller's.

use std::sync::Once;

use nix::errno::Errno;

use super::crossing::{give, pinion_error};
use crate::error::{ErrorKind, Result};
use crate::log;

/// Runs the body of an export that may fail. NULL is success.
pub fn guard(body: impl FnOnce() -> Result<()>) -> *mut pinion_error {
    match shield(body) {
        Ok(()) => std::ptr::null_mut(),
        Err(failed) => give(failed),
    }
}

/// Runs the body of an export that has a neutral answer where it cannot give a better one.
pub fn answer<T>(neutral: T, body: impl FnOnce() -> Result<T>) -> T {
    shield(body).unwrap_or(neutral)
}

/// What pinion_*_free functions have in common.
pub fn free<T>(pointer: *mut T, free: impl FnOnce(*mut T) -> Result<()>) -> i32 {
    if pointer.is_null() {
        return 0;
    }
    answer(ErrorKind::Misuse.code(), || free(pointer).map(|()| 0))
}

fn shield<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    static SILENT_PANICS: Once = Once::new();
    // The standard library's own hook writes to the standard error stream, which belongs to the program.
    SILENT_PANICS.call_once(log::install_panic_hook);
    let errno = Errno::last();
    let result = log::guard("pinion", body).and_then(|result| result);
    errno.set();
    result
}
