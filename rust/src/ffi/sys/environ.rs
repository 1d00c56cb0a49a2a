// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The environment in place: the block of strings that the kernel put on the stack.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicPtr, Ordering};

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// What [`scrub`] has found and left.
struct Emptied {
    /// The strings of the kernel's block.
    strings: Vec<*mut c_char>,
    keep: Vec<String>,
}

/// Null before, and never freed.
static EMPTIED: AtomicPtr<Emptied> = AtomicPtr::new(std::ptr::null_mut());

/// Empties every variable of this process's environment but those in `keep`, in place: their bytes become zero. Of a
/// kept variable that is there twice only the first stays.
///
/// The pointers stay, each to an empty string, which every reader of an environment skips. They cannot be closed up:
/// a second runtime of the process, such as Go's, reads the block again from the program's arguments on, and finds
/// the auxiliary vector behind the last pointer.
///
/// Call this while the process has a single thread, and before anything has set a variable: setting one moves the
/// array away from the block, and what putenv(3) puts in may be read-only.
pub fn scrub(keep: Vec<String>) {
    // SAFETY: the process has a single thread, so nobody changes the array meanwhile. It is null, or ends with a
    // null pointer, and each string before ends with a NUL and is writable, being the kernel's own copy.
    let mut strings = unsafe {
        let strings = strings_of(environ);
        others(&strings, &keep, &mut |string, length| string.write_bytes(0, length));
        strings
    };
    strings.retain(|string| is_of_kernel(*string));
    EMPTIED.store(Box::into_raw(Box::new(Emptied { strings, keep })), Ordering::Release);
}

/// The names of variables that the emptied block has all the same, and of those that were to stay; `None` if there are no others.
/// What the program has set since is elsewhere.
pub fn beyond_kept() -> Option<(String, String)> {
    // SAFETY: null, or what `scrub` has left for good.
    let Emptied { strings, keep } = unsafe { EMPTIED.load(Ordering::Acquire).as_ref() }?;
    let mut beyond = String::new();
    // SAFETY: the strings lie on the stack of the process's first thread, above every frame, for the whole life of the process;
    // a NUL ends each, and behind the last one the kernel's copy of the program's path has one.
    unsafe {
        others(strings, keep, &mut |string, _| {
            let name = CStr::from_ptr(string).to_bytes().split(|byte| *byte == b'=').next();
            beyond.push_str(&String::from_utf8_lossy(name.unwrap_or_default()));
            beyond.push(' ');
        });
    }
    (!beyond.is_empty()).then(|| (beyond, keep.join(" ")))
}

/// Whether a string is one that the kernel has put on the stack, below the program's path (AT_EXECFN, getauxval(3)), which
/// stands higher than anything else.
fn is_of_kernel(string: *const c_char) -> bool {
    let frame = 0u8;
    // SAFETY: getauxval(3) takes no pointers.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) };
    (std::ptr::from_ref(&frame).addr()..path as usize).contains(&string.addr())
}

/// The strings of a block.
///
/// # Safety
/// `block` is null or ends with a null pointer.
unsafe fn strings_of(block: *mut *mut c_char) -> Vec<*mut c_char> {
    let (mut strings, mut entry) = (Vec::new(), block);
    // SAFETY: the caller's promise; `entry` goes on only past a pointer that is not the last.
    while !entry.is_null() && !unsafe { *entry }.is_null() {
        // SAFETY: as above.
        strings.push(unsafe { *entry });
        // SAFETY: as above.
        entry = unsafe { entry.add(1) };
    }
    strings
}

/// Calls `each` for every variable but the first of each that is in `keep`, with its string and the length of that.
///
/// # Safety
/// Each pointer is to a string that ends with a NUL, and with which `each` may do what it does.
unsafe fn others(strings: &[*mut c_char], keep: &[String], each: &mut dyn FnMut(*mut c_char, usize)) {
    let mut kept = 0u64;
    for &string in strings {
        // SAFETY: the caller's promise. The view ends before `each` writes.
        let (length, name) = unsafe {
            let bytes = CStr::from_ptr(string).to_bytes();
            (bytes.len(), keep.iter().position(|name| is_variable(bytes, name)))
        };
        match name {
            Some(name) if kept & 1 << name == 0 => kept |= 1 << name,
            _ if length == 0 => {}
            _ => each(string, length),
        }
    }
}

fn is_variable(string: &[u8], name: &str) -> bool {
    string.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn scrubbed<const N: usize>(variables: &[&str], keep: [&str; N]) -> Vec<Vec<u8>> {
        let strings: Vec<*mut c_char> =
            variables.iter().map(|variable| CString::new(*variable).unwrap().into_raw()).collect();
        let mut block = strings.clone();
        block.push(std::ptr::null_mut());
        // SAFETY: the block is as promised: owned strings, a null pointer at the end.
        assert_eq!(unsafe { strings_of(block.as_mut_ptr()) }, strings);
        // SAFETY: as above.
        unsafe { others(&strings, &keep.map(str::to_owned), &mut |string, length| string.write_bytes(0, length)) };
        let bytes = strings.iter().zip(variables).map(|(string, variable)| {
            // SAFETY: each string has as many bytes as the variable had, written or not.
            unsafe { std::slice::from_raw_parts(string.cast::<u8>(), variable.len()) }.to_vec()
        });
        let bytes = bytes.collect();
        for (string, variable) in strings.into_iter().zip(variables) {
            // SAFETY: the memory came from `CString::into_raw` with this length.
            drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(string.cast::<u8>(), variable.len() + 1)) });
        }
        bytes
    }

    #[test]
    fn only_the_first_of_what_is_kept_stays() {
        let before = ["A=1", "AB=2", "", "A", "B=3\n4", "A=5", "LD_PRELOAD=x"];
        let after = scrubbed(&before, ["A", "B", "C"]);
        let expected: [&[u8]; 7] = [b"A=1", &[0; 4], b"", &[0], b"B=3\n4", &[0; 3], &[0; 12]];
        assert_eq!(after, expected);
    }

    #[test]
    fn an_empty_block_is_left_alone() {
        assert!(scrubbed(&[], ["A"]).is_empty());
        // SAFETY: null is allowed.
        assert!(unsafe { strings_of(std::ptr::null_mut()) }.is_empty());
    }

    #[test]
    fn what_the_kernel_has_put_there_is_told_from_what_the_program_has_made() {
        let first = std::env::vars_os().next().expect("a variable");
        let made = CString::new(first.0.into_encoded_bytes()).expect("a name");
        assert!(!is_of_kernel(made.as_ptr()));
    }
}
