// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether this process was forked since it last asked, without a system call: a page that the kernel empties in the
//! child (MADV_WIPEONFORK, madvise(2), Linux 4.14).

use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// A page of the smallest size that there is; the kernel rounds up.
const PAGE: usize = 4096;

struct Mark(NonNull<AtomicU32>);

// SAFETY: what it points to is atomic, and is never unmapped.
unsafe impl Send for Mark {}
// SAFETY: as above.
unsafe impl Sync for Mark {}

/// The mark; `None` where the kernel gives no such page: a fork is then not noticed.
fn mark() -> Option<&'static AtomicU32> {
    static MARK: OnceLock<Option<Mark>> = OnceLock::new();
    let mark = MARK.get_or_init(|| {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at a place of the kernel's choice disturbs nothing.
        let page = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, prot, flags) }.ok()?;
        // SAFETY: the page is ours, as long as said, and lies on a page's border.
        unsafe { madvise(page, PAGE, Advice::LinuxWipeOnFork) }.ok()?;
        NonNull::new(page.cast()).map(Mark)
    });
    // SAFETY: the page is mapped for ever, zeroed by the kernel, and large enough.
    mark.as_ref().map(|mark| unsafe { mark.0.as_ref() })
}

/// Whether this process is a fork of the one that called [`begin`] last.
pub fn since_last_asked() -> bool {
    mark().is_some_and(|mark| mark.load(Ordering::Relaxed) == 0)
}

/// From here on this process is the one that asks.
pub fn begin() {
    if let Some(mark) = mark() {
        mark.store(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_noticed_in_the_child_alone() {
        begin();
        assert!(!since_last_asked());
        match crate::ffi::sys::process::clone(0).unwrap() {
            crate::ffi::sys::process::Cloned::Child => crate::ffi::sys::process::exit(i32::from(since_last_asked())),
            crate::ffi::sys::process::Cloned::Parent(pid, _) => {
                let status =
                    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap();
                assert_eq!(status.1.exit_status(), Some(1));
            }
        }
        assert!(!since_last_asked());
    }
}
