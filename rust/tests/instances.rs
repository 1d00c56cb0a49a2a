// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instances as a user has them: `pinion start`, `list`, `exec`, `stop`, `wait` and `sweep`, by the real programs in each flow.

mod common;
#[path = "instances/deaths.rs"]
mod deaths;
#[path = "instances/exec.rs"]
mod exec;
#[path = "instances/life.rs"]
mod life;
#[path = "instances/many.rs"]
mod many;
#[path = "instances/output.rs"]
mod output;
#[path = "instances/records.rs"]
mod records;
#[path = "instances/world.rs"]
mod world;
