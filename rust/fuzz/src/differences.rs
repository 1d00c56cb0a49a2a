// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where Go and this crate differ on purpose about a stream, and why.

use super::oracle::{Oracle, Outcome, put_bytes, put_number};
use super::targets::TARGETS;

/// A kind of difference.
pub struct Difference {
    /// Why it is as it is.
    pub reason: &'static str,
    /// Whether what both said is such a difference.
    pub covers: fn(&Seen) -> bool,
}

/// What both said of one stream.
#[derive(Debug)]
pub struct Seen {
    /// This crate.
    pub ours: Outcome,
    /// Go, decoding into types: the sender's, or those that this crate decoded into.
    pub typed: Outcome,
    /// Go, passing over every value.
    pub ignored: Outcome,
    /// Whether the stream has a type with an interface in it and may say what no Go program would.
    pub interfaces: bool,
}

impl Seen {
    fn stricter(&self) -> bool {
        self.ours.count < self.typed.count
    }
}

/// Every stream that is refused by one and taken by the other is in one of these rows.
pub const DIFFERENCES: &[Difference] = &[
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
        reason: "an interface value in a field that is passed over is read through here; Go trusts its count of bytes",
        covers: |seen| seen.stricter() && (seen.interfaces || seen.ignored.count > seen.ours.count),
    },
    Difference {
        reason: "Go has other types registered than the test has here",
        covers: |seen| seen.stricter() && seen.ours.text.contains("not registered"),
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
        covers: |seen| {
            let lost = seen.interfaces && !is_of_types(&seen.typed.text);
            !seen.stricter() && (lost || seen.ignored.count < seen.ours.count)
        },
    },
];

/// The row that explains a difference; none where both agree.
pub fn explain(seen: &Seen, stream: &[u8]) -> Option<usize> {
    if seen.typed.count == seen.ours.count {
        return None;
    }
    let row = DIFFERENCES.iter().position(|difference| (difference.covers)(seen));
    Some(row.unwrap_or_else(|| panic!("{seen:?}\n{stream:02x?}")))
}

/// Texts that a client of Go's can meet without breaking the format: these are equal word for word.
fn is_of_types(text: &str) -> bool {
    let parts = ["type mismatch", "wrong type", "decoding into local", "local interface", "value for"];
    // A name that is none can have anything in it.
    !text.starts_with("gob: name not registered") && parts.iter().any(|part| text.contains(part))
}

/// Without the remote type, which Go takes from its own process where the number is known there, and without the field
/// of an element, which Go takes from the first field of the same type.
fn comparable(text: &str) -> &str {
    let cuts = ["received remote type", "received concrete type", "element of"];
    cuts.iter().find_map(|cut| text.split_once(cut)).map_or(text, |(text, _)| text)
}

/// The type id of an interface at the end of a part of a definition.
const INTERFACE_COMPONENT: [u8; 2] = [0x10, 0];

/// Whether a type of the stream may have an interface in it.
pub fn has_interfaces(stream: &[u8]) -> bool {
    stream.windows(2).any(|pair| pair == INTERFACE_COMPONENT)
}

/// Compares what Go and this crate make of a stream, which may be a `changed` one, as one of [`TARGETS`]. False if Go's process ended.
pub fn compare_typed(go: &mut Oracle, target: usize, stream: &[u8], changed: bool) -> bool {
    let (ours, again) = TARGETS[target](stream);
    let ask = |go: &mut Oracle, stream: &[u8]| {
        let mut request = Vec::new();
        put_number(&mut request, target as u32);
        put_bytes(&mut request, stream);
        let mut answer = go.ask(b't', &request)?;
        Some((answer.outcome(), answer.text()))
    };
    let Some((typed, shown)) = ask(go, stream) else { return false };
    // A value with interfaces is read through once before its type is compared: other errors may come first.
    let interfaces = changed && has_interfaces(stream);
    if !interfaces && typed.count == ours.count && is_of_types(&typed.text) && is_of_types(&ours.text) {
        let (theirs, ours) = (comparable(&typed.text), comparable(&ours.text));
        assert_eq!(theirs, ours, "Go's text and ours, target {target}\n{stream:02x?}");
    }
    let Some(ignored) = passed_over(go, stream) else { return false };
    let seen = Seen { ours: ours.clone(), ignored, typed, interfaces };
    let covered =
        (seen.stricter() || !is_of_types(&seen.typed.text)) && DIFFERENCES.iter().any(|row| (row.covers)(&seen));
    let typed = seen.typed;
    assert!(typed.count == ours.count || covered, "target {target}: {ours:?} {typed:?}\n{stream:02x?}");
    let Some((back, shown_again)) = ask(go, &again) else { return false };
    let lines = |text: &str| text.lines().take(ours.count.min(typed.count) as usize).collect::<Vec<_>>().join("\n");
    assert_eq!(back.count, ours.count, "what was sent again: {back:?}, target {target}\n{again:02x?}");
    // Behind a nil interface in a field that it passes over Go may read on at the wrong place.
    if has_interfaces(stream) {
        return true;
    }
    let (one, other) = (lines(&shown), lines(&shown_again));
    let equal = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let from = |text: &str| String::from_utf8_lossy(&text.as_bytes()[equal.min(text.len())..]).into_owned();
    assert_eq!(from(&one), from(&other), "target {target}, from byte {equal} on\n{stream:02x?}");
    true
}

/// How far Go comes without types.
pub fn passed_over(go: &mut Oracle, stream: &[u8]) -> Option<Outcome> {
    let mut request = Vec::new();
    put_bytes(&mut request, stream);
    Some(go.ask(b'i', &request)?.outcome())
}
