// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program `pinion-starter`: the core with the bundled engine. `pinion` executes it; nobody starts it by hand.
#![no_main]

use pinion::{engines, lifecycle, log};

pinion::entry!(start);

fn start() -> i32 {
    if let Err(error) = engines::oci::register() {
        log::error(&error);
        return lifecycle::FAILURE;
    }
    lifecycle::run(&lifecycle::Host { policy: true, ..Default::default() })
}
