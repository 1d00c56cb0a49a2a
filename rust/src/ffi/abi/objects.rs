// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Objects. What the program holds of pinion is a pointer to an incomplete type that leads nowhere: a number that
//! pinion looks up at every use. An object that was freed, one of another kind, of the process that this one was
//! forked from or, where a comment says so, of another thread, and a pointer that pinion never gave are errors with
//! PINION_MISUSE, or neutral answers.

use super::guard::answer;
use super::handle;

/// How many objects this process holds and has not freed, what pinion lends to running callbacks included. For tests
/// of leaks.
#[unsafe(no_mangle)]
pub extern "C" fn pinion_object_count() -> usize {
    answer(0, || Ok(handle::count()))
}
