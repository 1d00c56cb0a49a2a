// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program `pinion`: see `pinion help`.
#![no_main]

pinion::entry!(pinion::cli::main);
