// SPDX-License-Identifier: Apache-2.0 OR MIT
#![no_main]

use std::cell::RefCell;
use std::path::PathBuf;

use pinion_fuzz::go::run;
use pinion_fuzz::oracle::Oracle;

/// The Go program, built beforehand.
fn oracle() -> Oracle {
    let program = std::env::var_os("PINION_GOBORACLE").expect("PINION_GOBORACLE names the Go program");
    Oracle::start(&PathBuf::from(program))
}

thread_local! {
    static GO: RefCell<Oracle> = RefCell::new(oracle());
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| GO.with_borrow_mut(|go| {
    if !run(go, bytes) {
        *go = oracle();
    }
}));
