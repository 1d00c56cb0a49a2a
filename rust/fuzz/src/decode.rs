// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The decoder on any bytes: no panic, and no more memory than the bytes are worth.

use pinion::gob::{Decoder, Encoder, Limits};

use super::targets::TARGETS;

/// Memory for one byte received. A byte can be an empty list in a list, which takes a word for each of its parts, in a
/// vector with room for as many again; a definition has a map of names beside it.
const PER_BYTE: u64 = 160;
/// Memory beside that: the first piece of the input's buffer, and the decoder itself.
const BASE: u64 = 256 << 10;

/// Reads a stream with and without its types, with limits that a short input can reach.
pub fn run(bytes: &[u8]) {
    let small = Limits { depth: 8, definitions: 16, name: 16, elements: 1000, value: 4096, ..Limits::default() };
    for limits in [Limits::default(), small] {
        let mut decoder = Decoder::new(bytes, limits);
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        // Every message takes a byte at least.
        for _ in 0..bytes.len() {
            if let Ok(value) = decoder.next_value().and_then(|raw| raw.value()) {
                // What was read can be sent, or is refused in words.
                out.clear();
                let _ = encoder.encode_value(&value, &mut out);
            }
        }
    }
    for read in TARGETS {
        read(bytes);
    }
    let taken = allocation_counter::measure(|| hold(bytes)).bytes_max;
    assert!(taken <= BASE + PER_BYTE * bytes.len() as u64, "{taken} bytes taken for {}", bytes.len());
}

/// Reads the values of a stream and keeps the last.
fn hold(bytes: &[u8]) {
    let mut decoder = Decoder::new(bytes, Limits::default());
    let mut kept = None;
    for _ in 0..bytes.len() {
        kept = decoder.next_value().and_then(|raw| raw.value()).ok().or(kept);
    }
    drop(kept);
}
