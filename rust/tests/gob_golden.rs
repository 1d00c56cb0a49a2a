// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams that Go wrote, kept in `golden`: each is read here, and written here byte for byte where Go's bytes do not
//! depend on chance.

#[path = "gob_golden/types.rs"]
mod types;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pinion::gob::{self, Decoder, Encoder, Limits};
use serde::Deserialize;
use serde_json::Value as Json;

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden() -> PathBuf {
    tree().join("rust/tests/golden")
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "JSON")]
    json: Vec<Json>,
}

fn index() -> Vec<Entry> {
    serde_json::from_slice(&fs::read(golden().join("index.json")).unwrap()).unwrap()
}

/// Equal as JSON numbers go: 3 and 3.0 are one number.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

/// Streams that are sent back otherwise: an interface value's definitions stand in front here and in the middle there,
/// and a type with its methods on pointers has two numbers in Go.
const OTHERWISE: &[&str] = &[
    "interfaces",
    "stat-reply",
    "stat-reply-error",
    "link-error",
    "syscall-error",
    "sister-access-reply",
    "bigint",
    "every",
    "every-zero",
    "url",
];

#[test]
fn golden_streams_are_read_and_sent_back() {
    for entry in index() {
        let name = &entry.name;
        let stream = fs::read(golden().join(format!("{name}.gob"))).unwrap();
        let mut decoder = Decoder::new(&stream[..], Limits::default());
        let mut encoder = Encoder::new();
        let mut back = Vec::new();
        for want in &entry.json {
            let value = decoder.next_value().and_then(|raw| raw.value()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let json = value.to_json();
            assert!(same(&json, want), "{name}:\n{json}\n{want}");
            encoder.encode_value(&value, &mut back).unwrap();
        }
        assert!(matches!(decoder.next_value(), Err(gob::Error::Eof)), "{name}");
        if !OTHERWISE.contains(&name.as_str()) {
            assert_eq!(back, stream, "{name}:\n{}\n{}", back.escape_ascii(), stream.escape_ascii());
        }
        let mut again = Decoder::new(&back[..], Limits::default());
        for want in &entry.json {
            assert!(same(&again.next_value().unwrap().json().unwrap(), want), "{name}");
        }
    }
}

#[test]
fn rust_types_are_sent_as_go_sends_them() {
    let mut checked = 0;
    types::every_sample(&mut |name, bytes, survives| {
        let stream = fs::read(golden().join(format!("{name}.gob"))).unwrap();
        assert!(survives(&stream), "{name} is read as something else");
        assert_eq!(bytes, stream, "{name}:\n{}\n{}", bytes.escape_ascii(), stream.escape_ascii());
        checked += 1;
    });
    assert!(checked > 40, "{checked}");
}

#[test]
fn the_installed_go_writes_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = Command::new("go");
    made.args(["run", "./internal/golden"]).arg(dir.path()).current_dir(tree().join("go"));
    assert!(made.status().expect("this needs go").success());
    let version = Command::new("go").args(["env", "GOVERSION"]).output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    if !version.starts_with("go1.26") {
        println!("skipped: numbers of types are those of go1.26, this is {version}");
        return;
    }
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(dir.path()), names(&golden()));
    for name in names(dir.path()) {
        let (new, kept) = (fs::read(dir.path().join(&name)).unwrap(), fs::read(golden().join(&name)).unwrap());
        assert!(new == kept, "{name:?} is out of date: go generate ./internal/golden");
    }
}
