// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A JSON value that later values are read over, as Go decodes a repeated key into what the first one left.
//!
//! What a value is read over decides: an object takes the members of an object, an array is filled from its first
//! element on, anything else is replaced. `null` leaves what is there, but empties an array. This is what Go does
//! where the target is made of structs, slices, strings, numbers and booleans.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::{Item, Scanner, Span, Token, unquote};
use crate::error::{Error, Result};

const NONE: usize = usize::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Literal,
    Array,
    Object,
}

/// One value. Children are a list through `next`, so that neither reading nor dropping recurses.
struct Node {
    kind: Kind,
    /// The literal in the document.
    text: Span,
    /// In an object: the member's name in the document, with its quotes.
    key: Span,
    first: usize,
    last: usize,
    next: usize,
    /// An array's length. More children may be kept: as the elements of a Go slice beyond its length, they are
    /// what later elements are read over.
    length: usize,
    /// Tells this object's members from those of an object that stood here before.
    identity: usize,
}

/// The value; its root is the first node.
pub(crate) struct Tree<'a> {
    document: &'a [u8],
    nodes: Vec<Node>,
    members: HashMap<(usize, Cow<'a, str>), usize>,
    identities: usize,
}

/// An array or object that is being read.
struct Frame {
    node: usize,
    /// The element read last.
    element: usize,
    count: usize,
}

impl<'a> Tree<'a> {
    /// `null`, to be filled from parts of a checked document.
    pub fn new(document: &'a [u8]) -> Self {
        let mut tree = Tree { document, nodes: Vec::new(), members: HashMap::new(), identities: 0 };
        tree.node(Span::default());
        tree
    }

    /// Reads a value of the document over what is there.
    pub fn absorb(&mut self, value: Span) -> Result<()> {
        let mut scanner = Scanner::new(self.document, value);
        let mut frames: Vec<Frame> = Vec::new();
        let mut slot = 0;
        while let Some(Item { token, span }) = scanner.next()? {
            match token {
                Token::Key => {
                    if let Some(frame) = frames.last() {
                        slot = self.member(frame.node, span);
                    }
                }
                Token::EndObject => drop(frames.pop()),
                Token::EndArray => {
                    if let Some(frame) = frames.pop() {
                        self.end_array(&frame);
                    }
                }
                Token::Literal | Token::BeginArray | Token::BeginObject => {
                    if let Some(frame) = frames.last_mut()
                        && self.nodes[frame.node].kind == Kind::Array
                    {
                        slot = self.element(frame);
                    }
                    match token {
                        Token::Literal => self.literal(slot, span),
                        Token::BeginArray => self.begin(slot, Kind::Array),
                        _ => self.begin(slot, Kind::Object),
                    }
                    if token != Token::Literal {
                        frames.push(Frame { node: slot, element: NONE, count: 0 });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether nothing but `null` was read.
    pub fn is_null(&self) -> bool {
        self.nodes[0].kind == Kind::Null
    }

    /// The value as JSON in UTF-8, each key once.
    pub fn to_raw(&self) -> Result<Box<RawValue>> {
        let mut out = String::new();
        let mut frames: Vec<Frame> = Vec::new();
        self.open(0, &mut out, &mut frames);
        while let Some(frame) = frames.last_mut() {
            let node = &self.nodes[frame.node];
            let child = if frame.count == 0 { node.first } else { self.nodes[frame.element].next };
            if child == NONE || (node.kind == Kind::Array && frame.count == node.length) {
                out.push(if node.kind == Kind::Array { ']' } else { '}' });
                frames.pop();
                continue;
            }
            if frame.count > 0 {
                out.push(',');
            }
            frame.element = child;
            frame.count += 1;
            if node.kind == Kind::Object {
                self.text(self.nodes[child].key, &mut out);
                out.push(':');
            }
            self.open(child, &mut out, &mut frames);
        }
        RawValue::from_string(out).map_err(|error| Error::invalid(error.to_string()))
    }

    fn open(&self, node: usize, out: &mut String, frames: &mut Vec<Frame>) {
        match self.nodes[node].kind {
            Kind::Null => out.push_str("null"),
            Kind::Literal => self.text(self.nodes[node].text, out),
            kind => {
                out.push(if kind == Kind::Array { '[' } else { '{' });
                frames.push(Frame { node, element: NONE, count: 0 });
            }
        }
    }

    /// Writes a literal, repaired where it is not UTF-8 or may hold half a surrogate pair.
    fn text(&self, literal: Span, out: &mut String) {
        let literal = literal.of(self.document);
        match std::str::from_utf8(literal) {
            Ok(text) if !text.contains("\\u") => out.push_str(text),
            _ => out.push_str(&serde_json::Value::from(unquote(literal)).to_string()),
        }
    }

    fn node(&mut self, key: Span) -> usize {
        let node = Node {
            kind: Kind::Null,
            text: Span::default(),
            key,
            first: NONE,
            last: NONE,
            next: NONE,
            length: 0,
            identity: 0,
        };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn child(&mut self, parent: usize, key: Span) -> usize {
        let child = self.node(key);
        match self.nodes[parent].last {
            NONE => self.nodes[parent].first = child,
            last => self.nodes[last].next = child,
        }
        self.nodes[parent].last = child;
        child
    }

    fn member(&mut self, object: usize, key: Span) -> usize {
        let name = (self.nodes[object].identity, unquote(key.of(self.document)));
        if let Some(known) = self.members.get(&name) {
            return *known;
        }
        let child = self.child(object, key);
        self.members.insert(name, child);
        child
    }

    fn element(&mut self, frame: &mut Frame) -> usize {
        let known = match frame.element {
            NONE => self.nodes[frame.node].first,
            element => self.nodes[element].next,
        };
        frame.element = if known == NONE { self.child(frame.node, Span::default()) } else { known };
        frame.count += 1;
        frame.element
    }

    fn end_array(&mut self, frame: &Frame) {
        let node = &mut self.nodes[frame.node];
        node.length = frame.count;
        if frame.count == 0 {
            (node.first, node.last) = (NONE, NONE);
        }
    }

    fn begin(&mut self, slot: usize, kind: Kind) {
        if self.nodes[slot].kind != kind {
            self.identities += 1;
            let node = &mut self.nodes[slot];
            (node.kind, node.first, node.last, node.identity) = (kind, NONE, NONE, self.identities);
        }
    }

    fn literal(&mut self, slot: usize, span: Span) {
        let null = span.of(self.document).starts_with(b"n");
        let node = &mut self.nodes[slot];
        match (null, node.kind) {
            (true, Kind::Array) => node.kind = Kind::Null,
            (true, _) => {}
            (false, _) => (node.kind, node.text) = (Kind::Literal, span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(parts: &[&str]) -> String {
        let document = parts.concat();
        let mut tree = Tree::new(document.as_bytes());
        let mut start = 0;
        for part in parts {
            tree.absorb(Span { start, end: start + part.len() }).unwrap();
            start += part.len();
        }
        tree.to_raw().unwrap().get().to_owned()
    }

    #[test]
    fn later_values_are_read_over_earlier_ones() {
        assert_eq!(merged(&[r#"{"a":1,"b":{"x":1}}"#, r#"{"b":{"y":2},"a":3}"#]), r#"{"a":3,"b":{"x":1,"y":2}}"#);
        assert_eq!(merged(&[r#"{"a":{"x":1},"a":{"y":[]}}"#]), r#"{"a":{"x":1,"y":[]}}"#);
        assert_eq!(merged(&[r#"{"a":1,"\u0061":2}"#]), r#"{"a":2}"#);
        assert_eq!(merged(&[r#"[{"x":1},2,3]"#, r#"[{"y":1},null]"#]), r#"[{"x":1,"y":1},2]"#);
        assert_eq!(merged(&["[1,2]", "[3]", "[4,null]"]), "[4,2]");
        assert_eq!(merged(&["[1,2]", "[]", "[null]"]), "[null]");
        assert_eq!(merged(&[r#"{"a":1}"#, "5", r#"{"b":1}"#]), r#"{"b":1}"#);
    }

    #[test]
    fn null_leaves_what_is_there() {
        assert_eq!(merged(&["null"]), "null");
        assert_eq!(merged(&["5", "null"]), "5");
        assert_eq!(merged(&["{\"a\":null}", "null"]), "{\"a\":null}");
        assert_eq!(merged(&["[1]", "null"]), "null");
    }

    #[test]
    fn literals_stay_as_written_unless_they_must_be_repaired() {
        assert_eq!(merged(&[r#"[ 1.0 , -0, 1e400 , "\/" ,{} ]"#]), r#"[1.0,-0,1e400,"\/",{}]"#);
        assert_eq!(merged(&[r#"{"\ud800":"\u0000"}"#]), "{\"\u{fffd}\":\"\\u0000\"}");
    }

    #[test]
    fn a_deep_value_costs_no_stack() {
        let deep = format!("{}1{}", "{\"a\":[".repeat(5000), "]}".repeat(5000));
        let thread = std::thread::Builder::new().stack_size(32 * 1024);
        let thread = thread.spawn(move || assert_eq!(merged(&[&deep, &deep]), deep));
        thread.unwrap().join().unwrap();
    }
}
