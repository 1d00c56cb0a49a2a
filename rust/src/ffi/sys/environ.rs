// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The environment in place: the block of strings that the kernel put on the stack.

use std::ffi::{CStr, c_char};

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Empties every variable of this process's environment but those in `keep`, in place: their bytes become zero. Of a
/// kept variable that is there twice only the first stays.
///
/// The pointers stay, each to an empty string, which every reader of an environment skips. They cannot be closed up:
/// a second runtime of the process, such as Go's, reads the block again from the program's arguments on, and finds
/// the auxiliary vector behind the last pointer.
///
/// Call this while the process has a single thread, and before anything has set a variable: setting one moves the
/// array away from the block, and what putenv(3) puts in may be read-only.
pub fn scrub(keep: &[&str]) {
    // SAFETY: the process has a single thread, so nobody changes the array meanwhile. It is null, or ends with a
    // null pointer, and each string before ends with a NUL and is writable, being the kernel's own copy.
    unsafe { scrub_block(environ, keep) }
}

/// As [`scrub`], of any block.
///
/// # Safety
/// `block` is null or ends with a null pointer; each pointer before is to a writable string that ends with a NUL.
unsafe fn scrub_block(block: *mut *mut c_char, keep: &[&str]) {
    let mut kept = vec![false; keep.len()];
    let mut entry = block;
    // SAFETY: the caller's promise; `entry` goes on only past a pointer that is not the last.
    while !entry.is_null() && !unsafe { *entry }.is_null() {
        // SAFETY: as above. The string's view ends before it is written to.
        let (length, name) = unsafe {
            let string = CStr::from_ptr(*entry).to_bytes();
            (string.len(), keep.iter().position(|name| is_variable(string, name)))
        };
        match name {
            Some(name) if !kept[name] => kept[name] = true,
            // SAFETY: `length` bytes before the NUL are the string's own.
            _ => unsafe { std::ptr::write_bytes(*entry, 0, length) },
        }
        // SAFETY: the pointer here was not the last.
        entry = unsafe { entry.add(1) };
    }
}

fn is_variable(string: &[u8], name: &str) -> bool {
    string.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn scrubbed(variables: &[&str], keep: &[&str]) -> Vec<Vec<u8>> {
        let strings: Vec<*mut c_char> =
            variables.iter().map(|variable| CString::new(*variable).unwrap().into_raw()).collect();
        let mut block = strings.clone();
        block.push(std::ptr::null_mut());
        // SAFETY: the block is as promised: owned strings, a null pointer at the end.
        unsafe { scrub_block(block.as_mut_ptr(), keep) };
        assert_eq!(block[..strings.len()], strings);
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
        let after = scrubbed(&before, &["A", "B", "C"]);
        let expected: [&[u8]; 7] = [b"A=1", &[0; 4], b"", &[0], b"B=3\n4", &[0; 3], &[0; 12]];
        assert_eq!(after, expected);
    }

    #[test]
    fn an_empty_block_is_left_alone() {
        assert!(scrubbed(&[], &["A"]).is_empty());
        // SAFETY: null is allowed.
        unsafe { scrub_block(std::ptr::null_mut(), &["A"]) };
    }
}
