// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The starter configuration: what stage 1 decides about everything that follows.

pub mod settings;

pub use settings::Settings;

/// What PrepareConfig sets.
pub struct StarterConfig {}
