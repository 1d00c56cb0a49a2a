// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's net/rpc with gob: server and client.

pub mod service;
