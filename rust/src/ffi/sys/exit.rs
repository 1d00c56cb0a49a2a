// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What belongs to a thread is destroyed when it calls exit(3), by glibc's own list. The standard library refers to that list
//! weakly, so that a static program goes without, and nothing is destroyed there.

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    fn __cxa_thread_atexit_impl(
        destroy: unsafe extern "C" fn(*mut u8),
        value: *mut u8,
        library: *mut u8,
    ) -> libc::c_int;
}

/// Lets a static program have the list as well.
pub fn destroy_what_belongs_to_threads() {
    #[cfg(target_env = "gnu")]
    std::hint::black_box(__cxa_thread_atexit_impl as *const ());
}
