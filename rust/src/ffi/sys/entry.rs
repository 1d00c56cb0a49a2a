// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The entry of a program that does without the standard library's own: that one polls the standard streams, sets
//! handlers and an alternate stack and reads /proc/self/maps, which costs a start more than all of the core's
//! preparations.

/// Makes `$main` (a `fn() -> i32`) the C entry of the program. The program says `#![no_main]`. A panic ends it with 255.
/// `std::env::args` works as usual, since the C library hands the arguments to the standard library by itself.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn main(_count: i32, _arguments: *const *const u8) -> i32 {
            $crate::ffi::sys::entry::run($main)
        }
    };
}

/// Runs a program's main function; a panic becomes the exit code 255.
pub fn run(main: fn() -> i32) -> i32 {
    std::panic::catch_unwind(main).unwrap_or(255)
}
