// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random types and values against Go itself: what Go encodes is decoded and encoded here, and Go decodes it to the
//! same. `PINION_GOB_VALUES` is how many; 1,000 without it.

#[path = "../fuzz/src/differences.rs"]
mod differences;
#[path = "../fuzz/src/oracle.rs"]
mod oracle;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;
use std::sync::OnceLock;

use differences::{DIFFERENCES, Seen, compare_typed, explain};
use oracle::{Oracle, put_bytes, put_number};
use pinion::gob::{self, Decoder, Encoder, Limits};
use targets::{TARGETS, untyped};

fn program() -> &'static Path {
    static PROGRAM: OnceLock<std::path::PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| oracle::build("goboracle", Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

fn wanted() -> u32 {
    let values = std::env::var("PINION_GOB_VALUES").ok();
    values.map_or(1000, |values| values.parse().expect("PINION_GOB_VALUES is a number"))
}

/// Streams in one request. After some requests a new process begins: the types of the old one are never freed.
const STREAMS: u32 = 32;
const REQUESTS: u32 = 40;

/// Reads a stream without its types and writes it again.
fn again(stream: &[u8], values: u32) -> gob::Result<Vec<u8>> {
    let mut decoder = Decoder::new(stream, Limits::default());
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    for _ in 0..values {
        encoder.encode_value(&decoder.next_value()?.value()?, &mut out)?;
    }
    match decoder.next_value() {
        Err(gob::Error::Eof) => Ok(out),
        other => Err(gob::Error::data(format!("after the last value: {:?}", other.err()))),
    }
}

#[test]
fn random_values_come_back_to_go_as_they_were() {
    let (mut values, mut streams) = (0, 0);
    let mut seed = 0;
    while values < wanted() {
        let mut go = Oracle::start(program());
        for _ in 0..REQUESTS {
            seed += 1;
            let mut request = Vec::new();
            put_number(&mut request, seed);
            put_number(&mut request, STREAMS);
            let mut generated = go.ask(b'g', &request).unwrap();
            let mut back = Vec::new();
            for _ in 0..generated.number() {
                let count = generated.number();
                let stream = generated.bytes();
                let ours = again(&stream, count).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{stream:x?}"));
                put_bytes(&mut back, &ours);
                values += count;
                streams += 1;
            }
            let mut verdicts = go.ask(b'c', &back).unwrap();
            for number in 0..STREAMS {
                let verdict = verdicts.text();
                assert_eq!(verdict, "", "seed {seed}, stream {number}");
            }
            if values >= wanted() {
                break;
            }
        }
    }
    println!("{values} values in {streams} streams came back as they were");
}

#[test]
fn streams_that_go_refuses_are_refused_and_no_others() {
    let (mut streams, mut seed, mut died) = (0, 0, 0);
    let mut counts = vec![0; DIFFERENCES.len()];
    while streams < wanted() {
        let mut go = Oracle::start(program());
        'process: for _ in 0..REQUESTS {
            seed += 1;
            let mut request = Vec::new();
            put_number(&mut request, seed);
            put_number(&mut request, STREAMS);
            go.ask(b'g', &request).unwrap();
            let mut request = Vec::new();
            (0..STREAMS).for_each(|number| put_number(&mut request, seed * STREAMS + number));
            let mut changed = go.ask(b'm', &request).unwrap();
            for number in 0..STREAMS {
                let stream = changed.bytes();
                let mut request = Vec::new();
                put_number(&mut request, number);
                put_bytes(&mut request, &stream);
                streams += 1;
                let ours = untyped(&stream);
                let Some(mut answer) = go.ask(b'd', &request) else {
                    // A count in the stream made Go take all memory.
                    assert!(ours.text.contains("length"), "seed {seed}: {ours:?}\n{stream:02x?}");
                    died += 1;
                    break 'process;
                };
                let seen = Seen { typed: answer.outcome(), ignored: answer.outcome(), ours, interfaces: false };
                if let Some(row) = explain(&seen, &stream) {
                    counts[row] += 1;
                }
            }
        }
    }
    println!("{streams} changed streams; {died} ended the Go process");
    DIFFERENCES.iter().zip(counts).for_each(|(row, count)| println!("{count:6} {}", row.reason));
}

#[test]
fn types_that_differ_are_read_alike_and_refused_in_gos_words() {
    let (mut streams, mut seed) = (0, 0);
    while streams < wanted() {
        let mut go = Oracle::start(program());
        'process: for _ in 0..REQUESTS {
            seed += 1;
            for target in 0..TARGETS.len() {
                let mut request = Vec::new();
                put_number(&mut request, target as u32);
                put_number(&mut request, seed);
                put_number(&mut request, 4);
                let mut variants = go.ask(b'v', &request).unwrap();
                for _ in 0..4 {
                    streams += 1;
                    if !compare_typed(&mut go, target, &variants.bytes(), false) {
                        break 'process;
                    }
                }
            }
        }
    }
    println!("{streams} streams of types that differ");
}
