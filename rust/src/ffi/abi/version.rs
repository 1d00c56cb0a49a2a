// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Versions. The header's macros say what a program was compiled with, the functions what it runs with.

use std::ffi::c_char;

/// The version of the binary interface. It changes when something that was possible is no longer so; additions leave
/// it.
pub const PINION_ABI_VERSION: u32 = 1;

/// The library's PINION_ABI_VERSION. A program that was compiled with another one must not go on.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_abi_version() -> u32 {
    PINION_ABI_VERSION
}

/// The library's version, as in PINION_VERSION: three numbers with full stops between them. Static; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Which build this is, written in here when the archive is made.
#[used]
#[unsafe(link_section = ".pinion_build")]
static BUILD: [u8; 8] = [0; 8];

/// Which build of the archive a program runs with: a digest of its content, PINION_BUILD of the pkg-config file that
/// belongs to it. A program that was compiled with another one is mixed, as happens where its build tool does not look
/// into archives. 0 in the shared library, which may be exchanged.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_build() -> u64 {
    // SAFETY: a static of this type. Its value is not what the compiler saw.
    u64::from_be_bytes(unsafe { (&raw const BUILD).read_volatile() })
}
