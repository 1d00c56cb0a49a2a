// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors. A function that may fail returns NULL or an error, which its caller frees with pinion_error_free. A
//! callback returns in the same way, and pinion frees what it returned. An error never changes: any thread may look
//! at it.

use std::ffi::{c_char, c_void};
use std::fmt;

use super::crossing::{give, pinion_error};
use super::foreign::{Foreign, pinion_destroy};
use super::guard::{answer, free, guard};
use super::handle;
use super::view::pinion_view;
use crate::error::{Error, ErrorKind, Result};

/// Input that cannot be used: a configuration, an argument, an environment variable.
pub const PINION_INVALID: i32 = 1;
/// A combination that is refused.
pub const PINION_REFUSED: i32 = 2;
/// Something named is not there: an engine, a file, a container.
pub const PINION_NOT_FOUND: i32 = 3;
/// A name is taken.
pub const PINION_ALREADY_EXISTS: i32 = 4;
/// A system call failed; pinion_error_errno says how.
pub const PINION_SYSTEM: i32 = 5;
/// A peer process ended before it had answered.
pub const PINION_PEER_DIED: i32 = 6;
/// A wait came to its end.
pub const PINION_TIMEOUT: i32 = 7;
/// A peer said something that is not legal in its state.
pub const PINION_PROTOCOL: i32 = 8;
/// A callback's own error.
pub const PINION_CALLBACK: i32 = 9;
/// A panic in the library or in an engine written in Rust or Go.
pub const PINION_PANIC: i32 = 10;
/// The RPC server answered with an error.
pub const PINION_RPC: i32 = 11;
/// The program broke a rule of this interface: NULL where something is needed, an object that was freed, is of
/// another kind, thread or process, or was not made by pinion.
pub const PINION_MISUSE: i32 = 12;

/// A program's own error inside one of pinion's.
struct Own {
    text: String,
    kind: usize,
    data: Foreign,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Own {}

/// Makes an error, for a callback to return. `text` says what was tried, on what and why it failed, in lower case and
/// without a full stop; it is copied. `code` is one of the codes above, PINION_CALLBACK where none fits;
/// `error_number` is the errno of the system call that failed, or 0. Never NULL: what cannot be made into an error is
/// an error with PINION_MISUSE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_error_new(code: i32, error_number: i32, text: pinion_view) -> *mut pinion_error {
    make(code, error_number, text, None)
}

/// As pinion_error_new, with something of the program's own inside, which pinion_error_data finds again wherever the
/// error comes to within this process: in CleanupContainer for example, when CreateContainer returned it. `kind`
/// tells programs in one process apart: the address of something that the program has one of. `data` is pinion's from
/// here on, also when the error that is returned is another one, and is destroyed with the last error that holds it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_error_new_with_data(
    code: i32,
    error_number: i32,
    text: pinion_view,
    kind: *const c_void,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    make(code, error_number, text, Some((kind.addr(), Foreign::new(data, destroy))))
}

fn make(code: i32, error_number: i32, text: pinion_view, own: Option<(usize, Foreign)>) -> *mut pinion_error {
    let failed = std::ptr::null_mut();
    let made = answer(failed, || {
        let text = String::from_utf8_lossy(text.bytes("an error's text")?).into_owned();
        let kind = ErrorKind::from_code(code)
            .ok_or_else(|| Error::new(ErrorKind::Misuse, format!("an error's code: {code} is none ({text})")))?;
        let mut error = match own {
            None => Error::new(kind, text),
            Some((kind_of_data, data)) => {
                Error::with_source(kind, text.clone(), Box::new(Own { text, kind: kind_of_data, data }))
            }
        };
        if error_number != 0 {
            error = error.with_errno(error_number);
        }
        Ok(give(error))
    });
    if made != failed {
        return made;
    }
    give(Error::new(ErrorKind::Misuse, format!("make an error: code {code} or the text cannot be used")))
}

/// Puts what was being done in front of the text: `what: ...`. Takes `error`, which may be NULL, and returns what is
/// to be used in its place; NULL for NULL. The copied `what` may be empty: nothing changes then.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_error_during(error: *mut pinion_error, what: pinion_view) -> *mut pinion_error {
    changed(error, |error| {
        let what = String::from_utf8_lossy(what.bytes("what was being done")?).into_owned();
        Ok(if what.is_empty() { error } else { error.during(what) })
    })
}

/// Says what helps. Takes `error`, which may be NULL, and returns what is to be used in its place; NULL for NULL. The
/// text is copied.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_error_with_help(error: *mut pinion_error, help: pinion_view) -> *mut pinion_error {
    changed(error, |error| Ok(error.with_help(String::from_utf8_lossy(help.bytes("what helps")?).into_owned())))
}

fn changed(error: *mut pinion_error, change: impl FnOnce(Error) -> Result<Error>) -> *mut pinion_error {
    if error.is_null() {
        return error;
    }
    guard(|| Err(change(handle::take_shared(error)?.error.clone())?))
}

/// The error's code; PINION_MISUSE for what is no error. NULL is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_error_code(error: *const pinion_error) -> i32 {
    if error.is_null() {
        return 0;
    }
    answer(PINION_MISUSE, || Ok(handle::get(error)?.error.kind().code()))
}

/// The errno of the system call that failed, 0 if none did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_error_errno(error: *const pinion_error) -> i32 {
    answer(0, || Ok(handle::get(error)?.error.errno().unwrap_or(0)))
}

/// The error in one line, from outer to inner, ended by a NUL. Valid until the error is freed. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_error_text(error: *const pinion_error) -> *const c_char {
    answer(c"(no error of pinion's)".as_ptr(), || Ok(handle::get(error)?.text.as_ptr()))
}

/// What helps, ended by a NUL; NULL where nothing is known to. Valid until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_error_help(error: *const pinion_error) -> *const c_char {
    answer(std::ptr::null(), || Ok(handle::get(error)?.help.as_ref().map_or(std::ptr::null(), |help| help.as_ptr())))
}

/// The data that pinion_error_new_with_data put in with this `kind`; NULL where there is none. It stays pinion's, and
/// valid until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_error_data(error: *const pinion_error, kind: *const c_void) -> *mut c_void {
    answer(std::ptr::null_mut(), || {
        let shown = handle::get(error)?;
        let own = shown.error.callback_error::<Own>().filter(|own| own.kind == kind.addr());
        Ok(own.map_or(std::ptr::null_mut(), |own| own.data.data()))
    })
}

/// Frees an error. NULL does nothing. Returns 0, or PINION_MISUSE for what is no error any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_error_free(error: *mut pinion_error) -> i32 {
    free(error, |error| handle::take_shared(error).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_kinds() {
        let codes = [
            (PINION_INVALID, ErrorKind::Invalid),
            (PINION_REFUSED, ErrorKind::Refused),
            (PINION_NOT_FOUND, ErrorKind::NotFound),
            (PINION_ALREADY_EXISTS, ErrorKind::AlreadyExists),
            (PINION_SYSTEM, ErrorKind::System),
            (PINION_PEER_DIED, ErrorKind::PeerDied),
            (PINION_TIMEOUT, ErrorKind::Timeout),
            (PINION_PROTOCOL, ErrorKind::Protocol),
            (PINION_CALLBACK, ErrorKind::Callback),
            (PINION_PANIC, ErrorKind::Panic),
            (PINION_RPC, ErrorKind::Rpc),
            (PINION_MISUSE, ErrorKind::Misuse),
        ];
        for (code, kind) in codes {
            assert_eq!(kind.code(), code);
        }
        assert_eq!(ErrorKind::from_code(codes.len() as i32 + 1), None);
    }
}
