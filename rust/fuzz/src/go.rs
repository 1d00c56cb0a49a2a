// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stream against Go, as one type or without types.

use super::differences::{Seen, compare_typed, explain, has_interfaces, passed_over};
use super::oracle::Oracle;
use super::targets::{TARGETS, untyped};

/// The numbers of LoopArgs and Every, in which one type of several parts stands twice. Go compiles it once within a struct,
/// for whatever remote type it meets first, and reads the others as that one. In a stream that a Go program wrote both are
/// of one type, and [`compare_typed`] is for these.
const TWICE: [usize; 2] = [5, 15];

/// The first byte says as what the others are read. False if Go's process ended.
pub fn run(go: &mut Oracle, bytes: &[u8]) -> bool {
    let Some((first, stream)) = bytes.split_first() else { return true };
    // Go takes memory for a map, and time, by its count alone.
    if untyped(stream).text.contains("length") {
        return true;
    }
    match usize::from(*first) % (TARGETS.len() + 1) {
        0 => compare_untyped(go, stream),
        target if TWICE.contains(&(target - 1)) => compare_untyped(go, stream),
        target => compare_typed(go, target - 1, stream, true),
    }
}

/// Compares what Go and this crate make of a stream without types. False if Go's process ended.
fn compare_untyped(go: &mut Oracle, stream: &[u8]) -> bool {
    let ours = untyped(stream);
    let Some(ignored) = passed_over(go, stream) else { return false };
    explain(&Seen { typed: ignored.clone(), ours, ignored, interfaces: has_interfaces(stream) }, stream);
    true
}
