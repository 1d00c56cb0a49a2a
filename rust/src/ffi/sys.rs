// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door down: one system call, one function, one error that holds the arguments.

pub mod descriptor;
pub mod device;
pub mod entry;
pub mod environ;
pub mod event;
pub mod exit;
pub mod forked;
pub mod helper;
pub mod inherited;
pub mod keyring;
pub mod loop_device;
pub mod mount;
pub mod patience;
pub mod process;
pub mod signal;
