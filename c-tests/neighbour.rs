// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Rust library that has nothing to do with pinion, for programs that have both: see c-tests/linkers.sh.

/// Panics in a thread, panics here, and returns 7 if both were caught.
#[unsafe(no_mangle)]
pub extern "C" fn neighbour() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let thread = std::thread::spawn(|| -> i32 { panic!("{}", 3) }).join();
    let here = std::panic::catch_unwind(|| -> i32 { panic!("{}", 4) });
    let number = |caught: std::thread::Result<i32>| {
        let payload = caught.err()?;
        payload.downcast_ref::<String>()?.parse::<i32>().ok()
    };
    number(thread).unwrap_or(-100) + number(here).unwrap_or(-100)
}
