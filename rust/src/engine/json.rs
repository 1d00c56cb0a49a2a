// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JSON as Go's encoding/json reads it.
//!
//! The grammar is that of RFC 8259 with Go's two limits: at most [`MAX_DEPTH`] open arrays and objects, and no
//! byte order mark. Strings are taken as they come: what is not UTF-8 and what is half a surrogate pair becomes
//! U+FFFD. Nothing here recurses, so that a hostile document cannot exhaust a small stack.

use std::borrow::Cow;

use crate::error::{Error, Result};

pub(crate) mod tree;

/// How many arrays and objects may be open at a time, as in Go.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// Where something lies in the document: first byte, and one after the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn of(self, document: &[u8]) -> &[u8] {
        document.get(self.start..self.end).unwrap_or_default()
    }
}

/// What the scanner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    /// The name of a member, with its quotes; the colon has been read.
    Key,
    /// A string with its quotes, a number, `true`, `false` or `null`.
    Literal,
}

/// A token and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub token: Token,
    pub span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ElementOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Object,
    Array,
}

/// Cuts one JSON value into tokens.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
    expect: Expect,
}

impl<'a> Scanner<'a> {
    /// A scanner of the value that `span` of the document holds, and of nothing beside it.
    pub fn new(document: &'a [u8], span: Span) -> Self {
        let bytes = document.get(..span.end).unwrap_or(document);
        Scanner { bytes, at: span.start, open: Vec::new(), expect: Expect::Value }
    }

    /// How many arrays and objects are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next token; `None` after the value and the space that follows it.
    pub fn next(&mut self) -> Result<Option<Item>> {
        loop {
            self.skip_space();
            let start = self.at;
            let byte = self.peek();
            let item = match (self.expect, byte) {
                (Expect::Nothing, None) => return Ok(None),
                (Expect::Nothing, Some(_)) => return Err(self.wrong("the end of the document")),
                (Expect::CommaOrEnd, Some(b',')) => {
                    self.at += 1;
                    self.expect = if self.inside() == Some(Open::Object) { Expect::Key } else { Expect::Value };
                    continue;
                }
                (Expect::CommaOrEnd | Expect::KeyOrEnd, Some(b'}')) if self.inside() == Some(Open::Object) => {
                    self.close(Token::EndObject)
                }
                (Expect::CommaOrEnd | Expect::ElementOrEnd, Some(b']')) if self.inside() == Some(Open::Array) => {
                    self.close(Token::EndArray)
                }
                (Expect::CommaOrEnd, _) if self.inside() == Some(Open::Object) => return Err(self.wrong("`,` or `}`")),
                (Expect::CommaOrEnd, _) => return Err(self.wrong("`,` or `]`")),
                (Expect::Key | Expect::KeyOrEnd, Some(b'"')) => self.key()?,
                (Expect::Key | Expect::KeyOrEnd, _) => return Err(self.wrong("a key in double quotes")),
                (Expect::Value | Expect::ElementOrEnd, _) => self.value(byte)?,
            };
            debug_assert!(item.span.start == start);
            return Ok(Some(item));
        }
    }

    /// Reads on to the end of the value whose first token was `first`.
    pub fn finish(&mut self, first: Item) -> Result<Span> {
        let mut span = first.span;
        if matches!(first.token, Token::BeginObject | Token::BeginArray) {
            let outside = self.depth() - 1;
            while self.depth() > outside {
                match self.next()? {
                    Some(item) => span.end = item.span.end,
                    None => break,
                }
            }
        }
        Ok(span)
    }

    fn inside(&self) -> Option<Open> {
        self.open.last().copied()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn item(&self, token: Token, start: usize) -> Item {
        Item { token, span: Span { start, end: self.at } }
    }

    fn ended(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn close(&mut self, token: Token) -> Item {
        let start = self.at;
        self.at += 1;
        self.open.pop();
        self.ended();
        self.item(token, start)
    }

    fn begin(&mut self, open: Open) -> Result<Item> {
        let start = self.at;
        if self.open.len() == MAX_DEPTH {
            return Err(Error::invalid(format!("byte {start}: more than {MAX_DEPTH} arrays and objects are open")));
        }
        self.open.push(open);
        self.at += 1;
        let (token, expect) = match open {
            Open::Object => (Token::BeginObject, Expect::KeyOrEnd),
            Open::Array => (Token::BeginArray, Expect::ElementOrEnd),
        };
        self.expect = expect;
        Ok(self.item(token, start))
    }

    fn value(&mut self, first: Option<u8>) -> Result<Item> {
        let start = self.at;
        match first {
            Some(b'{') => return self.begin(Open::Object),
            Some(b'[') => return self.begin(Open::Array),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return Err(self.wrong("a value")),
        }
        self.ended();
        Ok(self.item(Token::Literal, start))
    }

    fn key(&mut self) -> Result<Item> {
        let start = self.at;
        self.string()?;
        let item = self.item(Token::Key, start);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.wrong("`:`"));
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(item)
    }

    fn word(&mut self, word: &str) -> Result<()> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return Err(self.wrong(&format!("`{word}`")));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.wrong("the rest of a string")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        self.at += 1;
        match self.peek() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.wrong("four hexadecimal digits"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.wrong("an escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        // A zero stands alone: `01` is two values, which the next step refuses.
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong("a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn wrong(&self, expected: &str) -> Error {
        let at = self.at;
        Error::invalid(match self.peek() {
            None => format!("byte {at}: expected {expected}, found the end of the document"),
            Some(byte @ 0x21..=0x7e) => format!("byte {at}: expected {expected}, found `{}`", char::from(byte)),
            Some(byte) => format!("byte {at}: expected {expected}, found byte {byte:#04x}"),
        })
    }
}

/// Checks that the document is one JSON value.
pub(crate) fn check(document: &[u8]) -> Result<()> {
    if document.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::invalid("byte 0: begins with a byte order mark").with_help("save it as UTF-8 without one"));
    }
    if document.is_empty() {
        return Err(Error::invalid("is empty"));
    }
    let mut scanner = Scanner::new(document, Span { start: 0, end: document.len() });
    while scanner.next()?.is_some() {}
    Ok(())
}

/// What the first byte of a checked value says of its type.
pub(crate) fn type_of(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The text of a checked string literal, given with its quotes.
pub(crate) fn unquote(literal: &[u8]) -> Cow<'_, str> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains(&b'\\')
        && let Ok(text) = std::str::from_utf8(inner)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(inner.len());
    for chunk in inner.utf8_chunks() {
        unescape(chunk.valid(), &mut text);
        // One replacement for each byte, as Go does; the standard library would write one for several.
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// A backslash is ASCII, so no escape is divided between two chunks of a checked string.
fn unescape(mut escaped: &str, text: &mut String) {
    while let Some((plain, rest)) = escaped.split_once('\\') {
        text.push_str(plain);
        let mut after = rest.chars();
        match after.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let (letter, length) = code_point(rest);
                text.push(letter);
                escaped = rest.get(length..).unwrap_or_default();
                continue;
            }
            Some(itself) => text.push(itself),
            None => {}
        }
        escaped = after.as_str();
    }
    text.push_str(escaped);
}

/// The character of `uXXXX`, or of `uXXXX\uXXXX` where these are a surrogate pair, and how many bytes it took.
fn code_point(escape: &str) -> (char, usize) {
    let unit = |text: &str| text.get(1..5).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let first = unit(escape).unwrap_or_default();
    if let Some(letter) = char::from_u32(first.into()) {
        return (letter, 5);
    }
    let second = escape.get(5..).and_then(|rest| rest.strip_prefix('\\')).filter(|rest| rest.starts_with('u'));
    if let Some(second) = second.and_then(unit)
        && let Some(Ok(letter)) = char::decode_utf16([first, second]).next()
    {
        return (letter, 11);
    }
    (char::REPLACEMENT_CHARACTER, 5)
}

#[cfg(test)]
mod tests;
