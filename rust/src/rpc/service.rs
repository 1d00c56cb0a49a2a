// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which method answers a request: an engine's own before a built-in one.

/// The RPC methods that an engine registers.
#[derive(Default)]
pub struct MethodSet {}
