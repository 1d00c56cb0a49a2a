// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bytes in and out. A view is borrowed, bytes are an object.
//!
//! What a program passes in as a view is copied, or used up, before the call returns. What a function or a callback's
//! argument gives out as a view stays valid as long as the comment there says, and is not to be written to.

use std::sync::Arc;

use super::crossing::pinion_error;
use super::guard::{answer, free, guard};
use super::handle::{self, Opaque};
use crate::error::{Error, ErrorKind, Result};

/// Borrowed bytes: a text in UTF-8 unless something else is said, with no NUL at its end. pinion_str makes one of a C
/// string.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinion_view {
    /// The first byte. May be NULL where length is 0.
    pub data: *const u8,
    /// How many bytes, at most PTRDIFF_MAX.
    pub length: usize,
}

impl pinion_view {
    pub(super) const EMPTY: pinion_view = pinion_view { data: std::ptr::null(), length: 0 };

    /// A view of bytes that somebody keeps alive as long as the comment of the export says.
    pub(super) fn of(bytes: &[u8]) -> pinion_view {
        pinion_view { data: bytes.as_ptr(), length: bytes.len() }
    }

    /// The bytes. `what` says whose.
    pub(super) fn bytes(&self, what: &str) -> Result<&[u8]> {
        if self.length == 0 {
            return Ok(&[]);
        }
        if self.data.is_null() {
            return Err(Error::new(ErrorKind::Misuse, format!("{what}: NULL with a length of {}", self.length)));
        }
        if isize::try_from(self.length).is_err() {
            return Err(Error::new(ErrorKind::Misuse, format!("{what}: a length of {} bytes", self.length)));
        }
        // SAFETY: the caller promises that many bytes there until the call returns (the header's preamble).
        Ok(unsafe { std::slice::from_raw_parts(self.data, self.length) })
    }

    /// The bytes as a text.
    pub(super) fn text(&self, what: &str) -> Result<&str> {
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes)
            .map_err(|error| Error::invalid(format!("{what} \"{}\": no UTF-8: {error}", bytes.escape_ascii())))
    }
}

/// Something that a caller passes as a pointer and a count.
pub(super) fn list<'a, T>(first: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    check(first, what)?;
    if isize::try_from(count.saturating_mul(size_of::<T>())).is_err() {
        return Err(Error::new(ErrorKind::Misuse, format!("{what}: {count} of them")));
    }
    // SAFETY: the caller promises that many elements there until the call returns; the pointer is aligned.
    Ok(unsafe { std::slice::from_raw_parts(first, count) })
}

/// The texts that a caller passes.
pub(super) fn texts<'a>(first: *const pinion_view, count: usize, what: &str) -> Result<Vec<&'a str>> {
    let views: &'a [pinion_view] = list(first, count, what)?;
    views.iter().map(|view| view.text(what)).collect()
}

/// Lines as one block, each ended by a NUL.
pub(super) fn block<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Vec<u8> {
    let mut block = Vec::new();
    for line in lines {
        block.extend_from_slice(line.as_ref().as_bytes());
        block.push(0);
    }
    block
}

/// A pointer that must lead somewhere.
pub(super) fn check<T>(pointer: *const T, what: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::new(ErrorKind::Misuse, format!("{what}: NULL")));
    }
    if !pointer.is_aligned() {
        return Err(Error::new(ErrorKind::Misuse, format!("{what}: a misaligned pointer")));
    }
    Ok(())
}

/// Writes a result to where the caller wants it. Nothing is written before everything else has succeeded.
pub(super) fn put<T>(place: *mut T, what: &str, make: impl FnOnce() -> Result<T>) -> Result<()> {
    check(place, what)?;
    let value = make()?;
    // SAFETY: the caller promises room for a T there; the pointer is aligned, and what was there is plain data.
    unsafe { place.write(value) };
    Ok(())
}

/// As [`put`], for a structure that begins with its size, which the caller has set: what the caller does not know is
/// left away.
///
/// # Safety `T` must begin with a `size_t` and be plain data.
pub(super) unsafe fn put_sized<T>(
    place: *mut T,
    minimum: usize,
    what: &str,
    make: impl FnOnce(usize) -> Result<T>,
) -> Result<()> {
    let size = size_of_given(place, minimum, what)?;
    let value = make(size)?;
    // SAFETY: the caller of the export promises `size` bytes there, and a T has as many, the beginning of which they
    // are.
    unsafe { std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), place.cast::<u8>(), size) };
    Ok(())
}

/// The size with which a structure begins.
fn size_of_given<T>(given: *const T, minimum: usize, what: &str) -> Result<usize> {
    check(given, what)?;
    // SAFETY: the pointer is aligned, and the caller promises that a size stands there.
    let size = unsafe { given.cast::<usize>().read() };
    if size < minimum {
        let text = format!("{what}: its size is {size}, the least possible is {minimum}");
        return Err(Error::new(ErrorKind::Misuse, text).with_help("set the size to sizeof of the structure"));
    }
    if size > size_of::<T>() {
        let version = env!("CARGO_PKG_VERSION");
        let known = size_of::<T>();
        let text = format!("{what}: its size is {size}, pinion {version} knows the first {known} bytes of it");
        return Err(Error::new(ErrorKind::Refused, text).with_help(
            "the program was compiled for a newer libpinion: install that one, or compile it with this one's header",
        ));
    }
    Ok(size)
}

/// Reads a structure that begins with its size. One that is shorter than this library's has zeros for what it lacks;
/// one that is longer was made for a newer library, and `minimum` is what even the oldest one has.
///
/// # Safety All zero must be a `T`, and `T` must begin with a `size_t`.
pub(super) unsafe fn sized<T>(given: *const T, minimum: usize, what: &str) -> Result<T> {
    let size = size_of_given(given, minimum, what)?;
    // SAFETY: the caller of this function promises that all zero is a T.
    let mut whole: T = unsafe { std::mem::zeroed() };
    // SAFETY: the caller of the export promises `size` bytes there, and they fit into a T, of which they are the
    // beginning.
    unsafe { std::ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut whole).cast::<u8>(), size) };
    Ok(whole)
}

/// Bytes as an object of their own: what a function gives out that its caller is to keep, and what a callback replies
/// with.
pub struct pinion_bytes {
    _opaque: (),
}

impl Opaque for pinion_bytes {
    type Inner = Vec<u8>;
    const NAME: &'static str = "pinion_bytes";
}

/// Hands bytes out.
pub(super) fn put_bytes(place: *mut *mut pinion_bytes, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    put(place, "the place for the bytes", || handle::share(Arc::new(make()?)))
}

/// Bytes that a callback stored, which are ours in any case, unless it `returned` an error.
pub(super) fn adopt_bytes<E: From<Error>>(
    given: *mut pinion_bytes,
    callback: &str,
    returned: Result<(), E>,
) -> Result<Vec<u8>, E> {
    let bytes = handle::take_shared(given).map_err(|error| error.during(format!("{callback} stored no bytes")));
    returned?;
    Ok(Arc::try_unwrap(bytes?).unwrap_or_else(|shared| (*shared).clone()))
}

/// Makes bytes out of a copy. The caller frees them with pinion_bytes_free, unless it hands them over. Errors:
/// PINION_MISUSE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_bytes_new(copied: pinion_view, bytes: *mut *mut pinion_bytes) -> *mut pinion_error {
    guard(|| put_bytes(bytes, || Ok(copied.bytes("the bytes")?.to_vec())))
}

/// What the bytes are, valid until they are freed. NULL and 0 for what are no bytes. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_bytes_view(bytes: *const pinion_bytes) -> pinion_view {
    answer(pinion_view::EMPTY, || Ok(pinion_view::of(&handle::get(bytes)?)))
}

/// Frees bytes. NULL does nothing. Returns 0, or PINION_MISUSE for what are no bytes any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_bytes_free(bytes: *mut pinion_bytes) -> i32 {
    free(bytes, |bytes| handle::take_shared(bytes).map(drop))
}
