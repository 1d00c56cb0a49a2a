// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is to be done anew in each forked process, noticed without a system call: a page that the kernel empties in
//! the child (MADV_WIPEONFORK, madvise(2), Linux 4.14).

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

/// The states of the mark.
const UNKNOWN: u32 = 0;
const BEGINNING: u32 = 1;
const BEGUN: u32 = 2;

/// Calls `begin` once in each process, a forked one included, and returns when that is done. Where the kernel gives
/// no such page it is called once for this process and all its forks.
pub fn once_in_process(begin: impl FnOnce()) {
    static WITHOUT: AtomicU32 = AtomicU32::new(UNKNOWN);
    once(mark().unwrap_or(&WITHOUT), begin);
}

fn once(mark: &AtomicU32, begin: impl FnOnce()) {
    loop {
        match mark.compare_exchange(UNKNOWN, BEGINNING, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => {
                begin();
                return mark.store(BEGUN, Ordering::Release);
            }
            Err(BEGUN) => return,
            // Another thread of this process is about to be through with it.
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_begins_anew_and_its_parent_does_not() {
        let begins = || {
            let mut begun = false;
            once_in_process(|| begun = true);
            begun
        };
        begins();
        assert!(!begins());
        match crate::ffi::sys::process::clone(0).unwrap() {
            crate::ffi::sys::process::Cloned::Child => crate::ffi::sys::process::exit(i32::from(begins())),
            crate::ffi::sys::process::Cloned::Parent(pid, _) => {
                let ended = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                assert_eq!(ended.unwrap().unwrap().1.exit_status(), Some(1));
            }
        }
        assert!(!begins());
    }

    #[test]
    fn threads_wait_for_the_one_that_begins() {
        let (mark, begun) = (AtomicU32::new(UNKNOWN), AtomicU32::new(0));
        let begin = || {
            once(&mark, || {
                (0..1000).for_each(|_| std::thread::yield_now());
                begun.fetch_add(1, Ordering::Relaxed);
            });
            begun.load(Ordering::Relaxed)
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 1));
        });
    }
}
