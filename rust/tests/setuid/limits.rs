// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Limits that a hostile caller sets: a start works, or ends with an error; it never goes on with less than was asked
//! for.

use serde_json::json;

use crate::host::{CODE, Ended, Host};

/// A user for whom nothing else runs on this machine: its processes are counted. rust/tests/bad_input/limits.rs has
/// another one.
const LONELY: &str = "61235";

fn limit(number: u32, value: u64) -> String {
    format!("limit={number}:{value}")
}

/// It worked, or was refused with an error that has one of these words; the loader's own counts.
#[track_caller]
fn works_or_lacks(what: &str, ended: &Ended, words: &[&str]) {
    let lacks = |ended: &Ended| words.iter().any(|word| ended.stderr.contains(word));
    let refused = ended.code == 255 && ended.stderr.contains("pinion: error: ") && lacks(ended);
    let not_loaded = ended.code == 127 && ended.stderr.contains("error while loading shared libraries");
    // The program of the container is under the same limit.
    let not_forked = ended.code == 2 && ended.stderr.contains("Cannot fork");
    assert!(ended.code == CODE || refused || not_loaded || not_forked, "{what}: {ended:?}");
}

#[test]
fn descriptors() {
    let Some(host) = Host::new() else { return };
    for most in 3..=32 {
        let condition = limit(libc::RLIMIT_NOFILE, most);
        works_or_lacks(&condition, &host.start(&[], &[&condition]), &["oo many open files"]);
    }
    host.allow(json!({ "users": ["ben"] }));
    for most in 3..=16 {
        let ended = host.start(&[], &[&limit(libc::RLIMIT_NOFILE, most)]);
        assert!([127, 255].contains(&ended.code) && ended.stdout.is_empty(), "{most}: {ended:?}");
    }
}

#[test]
fn processes() {
    let Some(host) = Host::new() else { return };
    for most in 1..=9 {
        let condition = limit(libc::RLIMIT_NPROC, most);
        works_or_lacks(&condition, &host.start_as(LONELY, &[], &[&condition]), &["temporarily unavailable"]);
    }
}

#[test]
fn file_size_and_memory() {
    let Some(host) = Host::new() else { return };
    host.start(&[], &[&limit(libc::RLIMIT_FSIZE, 0)]).refused(&["file too large"]);
    for (number, value) in [
        (libc::RLIMIT_STACK, 256 << 10),
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_SIGPENDING, 0),
        (libc::RLIMIT_CORE, u64::MAX),
        (libc::RLIMIT_AS, 64 << 20),
    ] {
        host.start(&[], &[&limit(number, value)]).works();
    }
    for (number, values) in [(libc::RLIMIT_AS, 1u64 << 20..64 << 20), (libc::RLIMIT_DATA, 0..8 << 20)] {
        for value in values.step_by(1 << 20) {
            let ended = host.start(&[], &[&limit(number, value)]);
            // Without memory there may be none for words: what counts is that nothing was started with less.
            assert!(ended.code != 0 && !ended.stdout.contains("started"), "{number}:{value}: {ended:?}");
        }
    }
}
