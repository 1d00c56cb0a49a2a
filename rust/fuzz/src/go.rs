// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stream against Go, as one type or without types.

use super::differences::{Seen, compare_typed, explain, passed_over};
use super::oracle::Oracle;
use super::targets::{TARGETS, untyped};

/// The first byte says as what the others are read. False if Go's process ended.
pub fn run(go: &mut Oracle, bytes: &[u8]) -> bool {
    let Some((first, stream)) = bytes.split_first() else { return true };
    // Go takes memory for a map, and time, by its count alone.
    if untyped(stream).text.contains("length") {
        return true;
    }
    match usize::from(*first) % (TARGETS.len() + 1) {
        0 => compare_untyped(go, stream),
        target => compare_typed(go, target - 1, stream, true),
    }
}

/// Compares what Go and this crate make of a stream without types. False if Go's process ended.
fn compare_untyped(go: &mut Oracle, stream: &[u8]) -> bool {
    let ours = untyped(stream);
    let Some(ignored) = passed_over(go, stream) else { return false };
    explain(&Seen { typed: ignored.clone(), ours, ignored, changed: true }, stream);
    true
}
