// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random types and values against Go itself: what Go encodes is decoded and encoded here, and Go decodes it to the
//! same. `PINION_GOB_VALUES` is how many; 1,000 without it.

#[path = "../fuzz/src/oracle.rs"]
mod oracle;

use std::path::Path;
use std::sync::OnceLock;

use oracle::{Oracle, put_bytes, put_number};
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
            let mut generated = go.ask(b'g', &request);
            let mut back = Vec::new();
            for _ in 0..generated.number() {
                let count = generated.number();
                let stream = generated.bytes();
                let ours = again(&stream, count).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{stream:x?}"));
                put_bytes(&mut back, &ours);
                values += count;
                streams += 1;
            }
            let mut verdicts = go.ask(b'c', &back);
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
