// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types in Go's own notation, as a program in another language declares what it sends.
//!
//! | notation | what is sent |
//! | --- | --- |
//! | `bool` `string` | the same |
//! | `int` to `int64`, `rune` | int: the format has one signed integer, and whoever reads it sees to the range |
//! | `uint` to `uint64`, `uintptr`, `byte` | uint, likewise |
//! | `float32`, `float64`, `complex64`, `complex128` | float, complex |
//! | `[]byte`, `[]uint8` | bytes |
//! | `[]T`, `[N]T`, `map[K]V` | list, array, map |
//! | `*T` | T: pointers are flattened |
//! | `struct { A int; B, C string }` | struct; tags and comments are passed over |
//! | `any`, `interface{}`, `error` | an interface value |
//! | `time.Time` | a time |
//!
//! A name may stand in front, as in `Reply struct { … }` or `type Reply struct { … }`, and further declarations of structs,
//! lists and maps may follow: the first is the type, and each may name all of them. Fields end with a line or a semicolon. A
//! field that is not exported is an error: Go would leave it out, and who declares it means to send it.

mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use super::limits::Limits;
use super::schema::{FIRST_USER_ID, Field, INTERFACE, Id, Kind, Ref, Type, Types};
use super::{Bytes, Complex, Error, Result, Time, Typed};
use scan::{Token, tokens};

/// The longest notation, in bytes.
pub const MAX_TEXT: usize = 64 << 10;

/// What was expected where, and what stood there.
struct Fault {
    /// The place in the text, in bytes.
    at: usize,
    wanted: Cow<'static, str>,
    found: Found,
}

enum Found {
    Text(String),
    Words(&'static str),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::data(format!("byte {}: expected {}, found {}", fault.at, fault.wanted, fault.found))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Text(text) => write!(f, "{text:?}"),
            Found::Words(words) => f.write_str(words),
        }
    }
}

/// Reads a type in Go's notation. An error says the place in bytes, what was expected there and what was found.
pub fn parse(text: &str) -> Result<(Types, Ref)> {
    if text.len() > MAX_TEXT {
        return Err(Error::data(format!("the notation has {} bytes, more than {MAX_TEXT}", text.len())));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        types: Types::default(),
        next_id: FIRST_USER_ID,
        declared: Vec::new(),
        limits: Limits::default(),
    };
    let ty = parser.whole()?;
    Ok((parser.types, ty))
}

/// A name that a declaration gives to a type, or is yet to give.
struct Declared<'a> {
    name: &'a str,
    id: Id,
    /// Where it is met first.
    at: usize,
    defined: bool,
}

struct Parser<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
    types: Types,
    next_id: Id,
    declared: Vec<Declared<'a>>,
    limits: Limits,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).map_or(Token::End, |(_, token)| *token)
    }

    fn after(&self) -> Token<'a> {
        self.tokens.get(self.next + 1).map_or(Token::End, |(_, token)| *token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |(at, _)| *at)
    }

    /// Goes on if the next token is this one.
    fn take(&mut self, token: Token<'_>) -> bool {
        let there = self.peek() == token;
        self.next += usize::from(there && token != Token::End);
        there
    }

    fn expect(&mut self, mark: char) -> Result<()> {
        match self.take(Token::Mark(mark)) {
            true => Ok(()),
            false => Err(self.fault(format!("{:?}", mark.to_string()))),
        }
    }

    /// The next token is another than was expected.
    fn fault(&self, wanted: impl Into<Cow<'static, str>>) -> Error {
        let found = match self.peek() {
            Token::Name(text) | Token::Number(text) => Found::Text(text.chars().take(40).collect()),
            Token::Mark(mark) => Found::Text(mark.into()),
            Token::Tag => Found::Words("a tag"),
            Token::Semicolon => Found::Words("the end of a line or \";\""),
            Token::End => Found::Words("the end"),
        };
        Fault { at: self.at(), wanted: wanted.into(), found }.into()
    }

    /// Names are as long as the limits let a peer read them.
    fn name(&mut self, wanted: &'static str) -> Result<&'a str> {
        match self.peek() {
            Token::Name(name) if name.len() <= self.limits.name && !is_keyword(name) => {
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.fault(wanted)),
        }
    }

    /// The declarations, or a type alone.
    fn whole(&mut self) -> Result<Ref> {
        while self.take(Token::Semicolon) {}
        let named = matches!(self.peek(), Token::Name(name) if !is_keyword(name) && !is_known(name))
            && !matches!(self.after(), Token::Mark('.') | Token::End | Token::Semicolon);
        let result = match named || self.peek() == Token::Name("type") {
            true => self.declaration()?,
            false => self.ty(0)?,
        };
        loop {
            let ended = self.take(Token::Semicolon);
            match self.peek() {
                Token::End => break,
                Token::Semicolon => {}
                Token::Name("type") if ended => {
                    self.declaration()?;
                }
                _ => return Err(self.fault(if ended { "a declaration or the end" } else { "the end" })),
            }
        }
        match self.declared.iter().find(|declared| !declared.defined) {
            None => Ok(result),
            Some(Declared { name, at, .. }) => {
                let found = Found::Text((*name).chars().take(40).collect());
                Err(Fault { at: *at, wanted: "a type that Go has or this text declares".into(), found }.into())
            }
        }
    }

    /// `type Name T`; without `type` if it is the first.
    fn declaration(&mut self) -> Result<Ref> {
        self.take(Token::Name("type"));
        let at = self.next;
        let name = self.name("the name of a type")?;
        if is_known(name) || self.declared.iter().any(|declared| declared.name == name && declared.defined) {
            self.next = at;
            return Err(self.fault("a name that is not taken"));
        }
        let first = self.next_id == FIRST_USER_ID;
        match self.kind(0)? {
            Parsed::Kind(kind) => {
                let id = self.declared(name, at, true);
                self.define(id, name.to_owned().into(), kind)?;
                Ok(Ref::Id(id))
            }
            // The format does not name these, so that the name would inform nobody.
            Parsed::Known(ty) if first => Ok(ty),
            Parsed::Known(_) => {
                self.next = at + 1;
                Err(self.fault("a struct, list or map to declare"))
            }
        }
    }

    /// The number of a declared type.
    fn declared(&mut self, name: &'a str, token: usize, defines: bool) -> Id {
        if let Some(known) = self.declared.iter_mut().find(|declared| declared.name == name) {
            known.defined |= defines;
            return known.id;
        }
        let id = self.new_id();
        let at = self.tokens.get(token).map_or(0, |(at, _)| *at);
        self.declared.push(Declared { name, id, at, defined: defines });
        id
    }

    fn new_id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id - 1
    }

    fn define(&mut self, id: Id, name: Cow<'static, str>, kind: Kind) -> Result<()> {
        self.types.define(id, Type { name, kind })
    }

    /// Any type.
    fn ty(&mut self, depth: u32) -> Result<Ref> {
        match self.kind(depth)? {
            Parsed::Known(ty) => Ok(ty),
            Parsed::Kind(kind) => {
                let id = self.new_id();
                self.define(id, "".into(), kind)?;
                Ok(Ref::Id(id))
            }
        }
    }

    fn kind(&mut self, depth: u32) -> Result<Parsed> {
        if depth >= self.limits.depth {
            return Err(self.fault(format!("no more than {} types within one another", self.limits.depth)));
        }
        let at = self.next;
        match self.peek() {
            Token::Mark('*') => {
                self.next += 1;
                self.kind(depth + 1)
            }
            Token::Mark('[') => self.list(depth).map(Parsed::Kind).map(bytes_or_list),
            Token::Name("map") => self.map(depth).map(Parsed::Kind),
            Token::Name("struct") => self.structure(depth).map(Parsed::Kind),
            Token::Name("interface") => {
                self.next += 1;
                self.expect('{')?;
                self.expect('}')?;
                Ok(Parsed::Known(Ref::Static(|| &INTERFACE)))
            }
            Token::Name("time") if self.after() == Token::Mark('.') => {
                self.next += 2;
                match self.take(Token::Name("Time")) {
                    true => Ok(Parsed::Known(Ref::Static(Time::gob_type))),
                    false => Err(self.fault("\"Time\"")),
                }
            }
            Token::Name(name) if !is_keyword(name) && self.after() != Token::Mark('.') => {
                self.next += 1;
                Ok(Parsed::Known(scalar(name).unwrap_or_else(|| Ref::Id(self.declared(name, at, false)))))
            }
            _ => Err(self.fault("a type")),
        }
    }

    /// `[]T` or `[N]T`
    fn list(&mut self, depth: u32) -> Result<Kind> {
        self.next += 1;
        let len = match self.peek() {
            Token::Number(number) => match number.parse::<i64>().ok().and_then(|len| usize::try_from(len).ok()) {
                Some(len) => Some(len),
                None => return Err(self.fault("the length of an array in decimal digits")),
            },
            _ => None,
        };
        self.next += usize::from(len.is_some());
        if !self.take(Token::Mark(']')) {
            return Err(self.fault(if len.is_some() { "\"]\"" } else { "\"]\" or the length of an array" }));
        }
        // Not `[]*byte`, which is a list.
        if len.is_none() && matches!(self.peek(), Token::Name("byte" | "uint8")) {
            self.next += 1;
            return Ok(Kind::Bytes);
        }
        let elem = self.ty(depth + 1)?;
        Ok(len.map_or(Kind::Slice { elem }, |len| Kind::Array { elem, len }))
    }

    fn map(&mut self, depth: u32) -> Result<Kind> {
        self.next += 1;
        self.expect('[')?;
        let at = self.next;
        let key = self.ty(depth + 1)?;
        // A name that is yet to be declared is not looked into: values of it fail.
        if matches!(self.types.resolve(key).map(|ty| &ty.kind), Ok(Kind::Bytes | Kind::Slice { .. } | Kind::Map { .. }))
        {
            self.next = at;
            return Err(self.fault("the type of a key, which is no list and no map"));
        }
        self.expect(']')?;
        Ok(Kind::Map { key, elem: self.ty(depth + 1)? })
    }

    fn structure(&mut self, depth: u32) -> Result<Kind> {
        self.next += 1;
        self.expect('{')?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            while self.take(Token::Semicolon) {}
            if self.take(Token::Mark('}')) {
                return Ok(Kind::Struct(fields.into()));
            }
            let first = fields.len();
            loop {
                let at = self.next;
                let name = self.name("the name of a field or \"}\"")?;
                let wanted = match is_exported(name) {
                    false => "an exported field, which begins with an upper-case letter",
                    true if fields.iter().any(|field| field.name == name) => "a field of another name",
                    true => "",
                };
                if !wanted.is_empty() {
                    self.next = at;
                    return Err(self.fault(wanted));
                }
                fields.push(Field { name: name.to_owned().into(), ty: Ref::Static(bool::gob_type), local: None });
                if !self.take(Token::Mark(',')) {
                    break;
                }
            }
            let ty = self.ty(depth + 1)?;
            fields.iter_mut().skip(first).for_each(|field| field.ty = ty);
            self.take(Token::Tag);
            if !matches!(self.peek(), Token::Semicolon | Token::Mark('}')) {
                return Err(self.fault("\";\", the end of the line or \"}\""));
            }
        }
    }
}

/// A type that is there, or what a new one is made of.
enum Parsed {
    Known(Ref),
    Kind(Kind),
}

/// Bytes are a type that is there.
fn bytes_or_list(parsed: Parsed) -> Parsed {
    match parsed {
        Parsed::Kind(Kind::Bytes) => Parsed::Known(Ref::Static(Bytes::gob_type)),
        other => other,
    }
}

/// Go's predeclared types.
fn scalar(name: &str) -> Option<Ref> {
    Some(Ref::Static(match name {
        "bool" => bool::gob_type,
        "int" | "int8" | "int16" | "int32" | "int64" | "rune" => i64::gob_type,
        "uint" | "uint8" | "uint16" | "uint32" | "uint64" | "uintptr" | "byte" => u64::gob_type,
        "float32" | "float64" => f64::gob_type,
        "complex64" | "complex128" => Complex::gob_type,
        "string" => str::gob_type,
        "any" | "error" => || &INTERFACE,
        _ => return None,
    }))
}

/// Whether a field can have that name.
pub(crate) fn is_field(name: &str) -> bool {
    matches!(tokens(name).as_deref(), Ok([(_, Token::Name(whole)), _]) if *whole == name)
        && name.len() <= Limits::default().name
        && is_exported(name)
}

fn is_exported(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

/// Whether Go knows a type of that name without a declaration.
fn is_known(name: &str) -> bool {
    scalar(name).is_some()
}

/// Words of Go that cannot be names; of `chan` and `func` there are no values to send.
fn is_keyword(name: &str) -> bool {
    matches!(name, "type" | "struct" | "map" | "interface" | "chan" | "func")
}
