// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random types and values against Go itself: what Go encodes is decoded and encoded here, and Go decodes it to the
//! same. `PINION_GOB_VALUES` is how many; 1,000 without it.

#[path = "../fuzz/src/oracle.rs"]
mod oracle;

use std::path::Path;
use std::sync::OnceLock;

use oracle::{Oracle, Outcome, put_bytes, put_number};
use pinion::gob::{self, Decoder, Encoder, Limits};

fn program() -> &'static Path {
    static PROGRAM: OnceLock<(tempfile::TempDir, std::path::PathBuf)> = OnceLock::new();
    let (_, path) = PROGRAM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = oracle::build("goboracle", dir.path());
        (dir, path)
    });
    path
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

/// Where Go and this crate differ on purpose about one stream, and why.
struct Difference {
    reason: &'static str,
    covers: fn(&Seen) -> bool,
}

/// What both said of one stream.
struct Seen {
    ours: Outcome,
    /// Go, decoding into the sender's types.
    typed: Outcome,
    /// Go, passing over every value.
    ignored: Outcome,
}

impl Seen {
    fn stricter(&self) -> bool {
        self.ours.count < self.typed.count
    }
}

/// Every stream that is refused by one and taken by the other is in one of these rows.
const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "a definition of no kind or of several is refused when it comes; Go asks when it needs a kind",
        covers: |seen| seen.stricter() && seen.ours.text.contains("exactly one kind"),
    },
    Difference {
        reason: "a type id of more than 32 bits is refused, which Go cuts; as is a value of a type that describes types",
        covers: |seen| seen.stricter() && seen.ours.text == "gob: unknown type id or corrupted data",
    },
    Difference {
        reason: "a count of elements or entries is held against the bytes left; to Go one above 2^63 is none",
        covers: |seen| seen.stricter() && seen.ours.text.contains("length"),
    },
    Difference {
        reason: "limits on depth, elements, definitions and names are lower than Go's",
        covers: |seen| {
            let limits = ["nesting depth", "too many", "beyond the limit"];
            seen.stricter() && limits.iter().any(|limit| seen.ours.text.contains(limit))
        },
    },
    Difference {
        reason: "Go compares with a local type, which a value read without its type has not",
        covers: |seen| {
            let local = [
                "decoding into local",
                "local interface",
                "type mismatch",
                "wrong type",
                "not registered",
                "not assignable",
            ];
            let text = &seen.typed.text;
            !seen.stricter() && (local.iter().any(|local| text.contains(local)) || text.starts_with("value for"))
        },
    },
    Difference {
        reason: "the bytes of a marshaler are opaque here; Go has its method at hand",
        covers: |seen| {
            let methods = ["gobbed:", "packed:", "Time.", "Int.", "Float.", "parse "];
            !seen.stricter() && methods.iter().any(|method| seen.typed.text.starts_with(method))
        },
    },
    Difference {
        reason: "Go loses its way behind a nil interface, or one that brings its type, in a field that it passes over \
                 (golang/go#34879)",
        covers: |seen| !seen.stricter() && seen.ignored.count <= seen.typed.count && seen.ignored.text != "EOF",
    },
];

/// How far this crate comes without types.
fn untyped(stream: &[u8]) -> Outcome {
    let mut decoder = Decoder::new(stream, Limits::default());
    let mut count = 0;
    loop {
        match decoder.next_value().and_then(|raw| raw.value()) {
            Ok(_) => count += 1,
            Err(error) => return Outcome { count, text: error.to_string() },
        }
    }
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
                let seen = Seen { typed: answer.outcome(), ignored: answer.outcome(), ours };
                if seen.typed.count == seen.ours.count {
                    continue;
                }
                let row = DIFFERENCES.iter().position(|difference| (difference.covers)(&seen));
                let Seen { ours, typed, ignored } = seen;
                counts[row.unwrap_or_else(|| panic!("seed {seed}: {ours:?} {typed:?} {ignored:?}\n{stream:02x?}"))] +=
                    1;
            }
        }
    }
    println!("{streams} changed streams; {died} ended the Go process");
    DIFFERENCES.iter().zip(counts).for_each(|(row, count)| println!("{count:6} {}", row.reason));
}
