// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door down: one system call, one function, one error that holds the arguments.

pub mod environ;
pub mod event;
pub mod memory;
pub mod signal;
