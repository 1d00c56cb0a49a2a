// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program hands over together with a callback: its data, and the function that destroys it. The data belongs
//! to pinion from the first line of the call, refusals included, and is destroyed exactly once, when nothing can call
//! back any more: at the latest with the process, by an exec or _exit then not at all.

use std::ffi::c_void;

/// Destroys a program's data. Called at most once, on any thread, never during a call of one of the callbacks that
/// the data belongs to. NULL where nothing is to be done.
pub type pinion_destroy = Option<unsafe extern "C" fn(data: *mut c_void)>;

/// A program's data. Dropping it destroys it.
pub struct Foreign {
    data: *mut c_void,
    destroy: pinion_destroy,
}

// SAFETY: the header says that callbacks and the destroy function may be called on any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above; the header also says which callbacks run at the same time.
unsafe impl Sync for Foreign {}

impl Foreign {
    /// Takes over. From here on every way out destroys.
    pub fn new(data: *mut c_void, destroy: pinion_destroy) -> Foreign {
        Foreign { data, destroy }
    }

    /// The pointer, for a call.
    pub fn data(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the program handed both over for this, and this is the only call.
            unsafe { destroy(self.data) };
        }
    }
}
