// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For tests only: an export that panics. It is in no header.

use super::crossing::pinion_error;
use super::guard::guard;
use super::view::pinion_view;

/// Panics with this text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_fault_panic(text: pinion_view) -> *mut pinion_error {
    guard(|| panic!("{}", text.text("a panic's text")?))
}
