// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engine layer of a container runtime: a registry of engines, the multi-process lifecycle that
//! runs them with exactly the privileges each step may have, and the RPC server that does the
//! privileged work inside the container's namespaces.
//!
//! The module list below is the map, in reading order. A newcomer follows one start through
//! [`lifecycle`].

pub mod registry;

pub mod engine;

pub mod config;

pub mod plan;

pub mod policy;

pub mod accounts;

pub mod launch;

pub mod lifecycle;

pub mod privileges;

pub mod namespaces;

pub mod trusted;

pub mod engines;

#[cfg(all(feature = "cli", feature = "oci"))]
pub mod cli;

pub mod gob;

pub mod rpc;

pub mod log;
pub mod trace;

pub mod error;

pub mod ffi;

pub use error::{Error, ErrorKind, Result};
