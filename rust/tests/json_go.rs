// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The four keys against Go's own encoding/json: what one refuses the other refuses, and the values are the same.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pinion::engine::Document;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The Go program beside this file, asked one question at a time.
struct Go {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
    _directory: tempfile::TempDir,
}

impl Go {
    /// `None` where no Go is installed, which is a failure in CI.
    fn start() -> Option<Self> {
        if Command::new("go").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "no Go is installed");
            eprintln!("skipped: no Go is installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("go-json");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/tests/go-json");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(".").current_dir(source);
        build.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("GOEXPERIMENT", "");
        assert!(build.status().unwrap().success());
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), child.stdout.take().unwrap());
        Some(Go { child, to, from, _directory: directory })
    }

    fn ask(&mut self, question: u8, document: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(document.len() + 1).unwrap().to_be_bytes().to_vec();
        frame.push(question);
        frame.extend_from_slice(document);
        self.to.as_mut().unwrap().write_all(&frame).unwrap();
        let mut size = [0; 4];
        self.from.read_exact(&mut size).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.from.read_exact(&mut answer).unwrap();
        answer
    }

    fn canonical(&mut self, json: &str) -> String {
        String::from_utf8(self.ask(b'c', json.as_bytes())).unwrap()
    }

    /// Compares what both make of a document, and tells whether they accept it.
    fn compare(&mut self, document: &[u8]) -> bool {
        type Answer = (String, String, Box<RawValue>, Option<BTreeMap<String, Box<RawValue>>>);
        let shown = String::from_utf8_lossy(&document[..document.len().min(2000)]);
        let answer = self.ask(b'd', document);
        let ours = Document::parse(document);
        if answer.is_empty() {
            assert!(ours.is_err(), "only Go refuses {shown:?}");
            return false;
        }
        let ours = ours.unwrap_or_else(|error| panic!("only Go accepts {shown:?}: {error}"));
        let (name, id, config, plugins): Answer = serde_json::from_slice(&answer).unwrap();
        assert_eq!((&ours.engine_name, &ours.container_id), (&name, &id), "{shown:?}");
        // Without plugins in the answer a key is there twice: the other test's matter.
        if let Some(plugins) = plugins {
            let ours_config = ours.engine_config.as_ref().map_or("null", |config| config.get());
            assert_eq!(self.canonical(ours_config), config.get(), "{shown:?}");
            assert!(ours.plugin.keys().eq(plugins.keys()), "{shown:?}");
            for (name, plugin) in &plugins {
                assert_eq!(self.canonical(ours.plugin[name].get()), plugin.get(), "{shown:?}");
            }
        }
        true
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// Numbers from a seed (xorshift), the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

const VALUES: &[&[u8]] = &[
    b"null",
    b"true",
    b"false",
    b"0",
    b"-0",
    b"1",
    b"-1",
    b"1.0",
    b"1e400",
    b"-1E-400",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e5",
    b"1E+05",
    b"0.5e-3",
    b"01",
    b"-01",
    b"+1",
    b".5",
    b"1.",
    b"1.e5",
    b"1e",
    b"1e+",
    b"-",
    b"--1",
    b"0x1",
    b"1_000",
    b"NaN",
    b"Infinity",
    b"nul",
    b"nulll",
    b"True",
    b"tru",
    b"\"\"",
    b"\"a\"",
    b"\"",
    b"\"\\\"",
    b"'a'",
    b"\"\\u0000\"",
    b"\"\\u00\"",
    b"\"\\u00g0\"",
    b"\"\\x41\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\ud83d\"",
    b"\"\\ude00\\ud83d\"",
    b"\"\\ud83d\\ud83d\\ude00\"",
    b"\"\\ud83dx\"",
    b"\"\\ud83d\\n\"",
    b"\"\\uD83D\\u0041\"",
    b"\"\\uFFFE\\uffff\"",
    b"\"\xff\"",
    b"\"\xe2\x82\"",
    b"\"\xe2\x82\xac\"",
    b"\"\xf0\x9f\x98\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xc0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xf0\x9f\\n\x98\"",
    b"\"\0\"",
    b"\"\x1f\"",
    b"\"\x7f\"",
    b"\"\t\"",
    b"\"\\/\\b\\f\\n\\r\\t\"",
    b"\"<>&\xe2\x80\xa8\"",
    b"[]",
    b"{}",
    b"[ ]",
    b"{ }",
    b"[1,2]",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b"[",
    b"]",
    b"[[]",
    b"[]]",
    b"{\"a\":1}",
    b"{\"a\":1,}",
    b"{\"a\"}",
    b"{\"a\":}",
    b"{a:1}",
    b"{1:1}",
    b"{\"a\" : {\"b\" : [ {} , null ]}}",
    b"{\"\\ud800\":1}",
    b"{\"\xff\":1}",
    b"{\"a\":\"\xff\\udc00\"}",
    b"// comment",
    b"1 // comment",
    b"/**/1",
    b"\xef\xbb\xbf1",
    b"1\x0b",
    b"\xc2\xa01",
    b"",
    b" ",
];

const KEYS: &[&[u8]] = &[
    b"engineName",
    b"ENGINENAME",
    b"enginename",
    b"engine\\u004eame",
    b"engineName ",
    b"engine_name",
    b"EngineName\\u0000",
    b"eng\xc4\xb1neName",
    b"eng\xc4\xb0neName",
    b"containerID",
    b"containerId",
    b"CONTAINERID",
    b"\\u0063ontainerid",
    b"engineConfig",
    b"EngineConfig",
    b"engineconfig\xe2\x84\xaa",
    b"plugin",
    b"Plugin",
    b"PLUG\\u0049N",
    b"plugins",
    b"plugin\xc5\xbf",
    b"",
    b"x",
    b"\xff",
];

fn document(members: &[(&[u8], &[u8])]) -> Vec<u8> {
    let members: Vec<Vec<u8>> = members.iter().map(|(key, value)| [b"\"", *key, b"\":", *value].concat()).collect();
    [b"{".to_vec(), members.join(&b','), b"}".to_vec()].concat()
}

/// Documents thought of one by one, and every value at every key.
fn chosen() -> Vec<Vec<u8>> {
    let mut documents: Vec<Vec<u8>> = VALUES.iter().map(|value| value.to_vec()).collect();
    for value in VALUES {
        documents.extend(KEYS.iter().map(|key| document(&[(key, value)])));
        documents.push([b" \t\r\n", *value, b"\n"].concat());
        documents.push(document(&[(b"plugin", &document(&[(b"p", value)]))]));
        documents.push(document(&[(b"engineConfig", &document(&[(b"p", value)]))]));
        documents.push(document(&[(b"engineName", b"\"first\""), (b"ENGINEName", value)]));
        documents.push(document(&[(b"plugin", b"{\"p\":1}"), (b"Plugin", value), (b"plugin", b"{\"q\":2}")]));
    }
    let whole = br#"{"engineName":"e","containerID":"c","engineConfig":{"a":[1,{"b":null}]},"plugin":{"p":"q"}}"#;
    documents.extend((0..=whole.len()).map(|end| whole[..end].to_vec()));
    documents
        .extend([&b" "[..], b"x", b"{}", b"\0", b"null", b",", b"\xef\xbb\xbf"].map(|tail| [whole, tail].concat()));
    documents.push([b"\xef\xbb\xbf", &whole[..]].concat());
    for depth in [1, 9_998, 9_999, 10_000, 10_001, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes();
            documents.extend([&b"x"[..], b"engineConfig", b"plugin"].map(|key| document(&[(key, &deep)])));
            documents.push(document(&[(b"plugin", &document(&[(b"p", &deep)]))]));
            documents.push(deep);
        }
    }
    documents
}

/// A document with a few bytes or pieces changed.
fn mutated(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    const PIECES: &[&[u8]] = &[
        b"{", b"}", b"[", b"]", b",", b":", b"\"", b"\\", b"\\u", b"\\ud800", b"\xff", b"\xe2", b"0", b"-", b".", b"e",
        b" ", b"null", b"\0",
    ];
    let mut document = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(document.len() + 1);
        let end = (at + dice.roll(6)).min(document.len());
        let piece = match dice.roll(6) {
            0 => Vec::new(),
            1 => vec![u8::try_from(dice.roll(256)).unwrap()],
            2 => document[at..end].repeat(2),
            3 => dice.pick(VALUES).to_vec(),
            4 => self::document(&[(dice.pick(KEYS), dice.pick(VALUES))]),
            _ => dice.pick(PIECES).to_vec(),
        };
        let end = if dice.roll(2) == 0 { at } else { end };
        document.splice(at..end, piece);
    }
    document
}

#[test]
fn what_go_accepts_is_accepted_with_the_same_values() {
    let Some(mut go) = Go::start() else { return };
    let chosen = chosen();
    let accepted = chosen.iter().filter(|document| go.compare(document)).count();
    assert!(accepted > 500 && chosen.len() - accepted > 500, "{accepted} of {}", chosen.len());
    let seeds: Vec<Vec<u8>> = chosen.into_iter().filter(|document| (10..500).contains(&document.len())).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for _ in 0..20_000 {
        accepted += usize::from(go.compare(&mutated(&mut dice, &seeds)));
    }
    assert!(accepted > 1_000, "{accepted}");
}

/// A value of which `null` is the zero value, as for a Go field that holds nothing yet.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Zero<T>(T);

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for Zero<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Zero(Option::deserialize(from)?.unwrap_or_default()))
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Leaf {
    s: Zero<String>,
    n: Zero<i64>,
    b: Zero<bool>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Branch {
    s: Zero<String>,
    l: Option<Vec<Zero<String>>>,
    x: Zero<Leaf>,
    y: Option<Vec<Zero<Leaf>>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Tree {
    n: Zero<i64>,
    x: Zero<Branch>,
    y: Option<Vec<Zero<Branch>>>,
}

#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Truth,
    List(&'static Shape),
    Object(&'static [(&'static str, Shape)]),
}

const LEAF: Shape = Shape::Object(&[("s", Shape::Text), ("n", Shape::Number), ("b", Shape::Truth)]);
const BRANCH: Shape =
    Shape::Object(&[("s", Shape::Text), ("l", Shape::List(&Shape::Text)), ("x", LEAF), ("y", Shape::List(&LEAF))]);
const TREE: Shape = Shape::Object(&[("n", Shape::Number), ("x", BRANCH), ("y", Shape::List(&BRANCH))]);

fn shaped(dice: &mut Dice, shape: Shape) -> String {
    if dice.roll(8) == 0 {
        return "null".to_owned();
    }
    match shape {
        Shape::Text => format!("\"{}\"", dice.pick(&["", "a", "b", "\\ud800", "\\n", "<"])),
        Shape::Number => dice.roll(100).to_string(),
        Shape::Truth => dice.pick(&["true", "false"]).to_owned(),
        Shape::List(element) => {
            let elements: Vec<String> = (0..dice.roll(4)).map(|_| shaped(dice, *element)).collect();
            format!("[{}]", elements.join(", "))
        }
        Shape::Object(members) => {
            let members: Vec<String> = (0..dice.roll(6))
                .map(|_| {
                    let (key, shape) = members[dice.roll(members.len())];
                    let key = if dice.roll(4) == 0 { format!("\\u00{:x}", key.as_bytes()[0]) } else { key.to_owned() };
                    format!("\"{key}\": {}", shaped(dice, shape))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

#[test]
fn a_repeated_key_is_read_over_the_earlier_value() {
    let Some(mut go) = Go::start() else { return };
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        let members: Vec<String> = (0..=dice.roll(3))
            .map(|_| format!("\"{}\":{}", dice.pick(&["engineConfig", "ENGINECONFIG"]), shaped(&mut dice, TREE)))
            .collect();
        let document = format!("{{{}}}", members.join(","));
        let answer = go.ask(b't', document.as_bytes());
        let (_, _, theirs): (String, String, serde_json::Value) = serde_json::from_slice(&answer).unwrap();
        let ours = Document::parse(document.as_bytes()).unwrap().engine_config;
        let ours: Tree = ours.map_or_else(Tree::default, |json| serde_json::from_str(json.get()).unwrap());
        assert_eq!(serde_json::to_value(ours).unwrap(), theirs, "{document}");
    }
}
