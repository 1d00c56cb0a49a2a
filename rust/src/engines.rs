// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engines that come with the core.

#[cfg(feature = "oci")]
pub mod oci;
