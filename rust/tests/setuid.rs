// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The setuid starter as an ordinary user meets it: what root's policy allows, what a hostile bundle and hostile
//! conditions of a start gain (nothing), and what is left of them (nothing). Each run has a mount namespace and an /etc
//! of its own, so that no test touches the machine's policy. Needs root, and a static busybox for the roots of bundles.

#[path = "setuid/bundles.rs"]
mod bundles;
#[path = "common/mod.rs"]
mod common;
#[path = "setuid/conditions.rs"]
mod conditions;
#[path = "setuid/host.rs"]
mod host;
#[path = "setuid/limits.rs"]
mod limits;
#[path = "setuid/policies.rs"]
mod policies;
#[path = "setuid/races.rs"]
mod races;
