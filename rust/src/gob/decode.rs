// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reading end of a stream: messages, definitions, and whole values.
//!
//! A value without interfaces is one message. An interface value may bring definitions: Go's encoder then ends the
//! message in the middle of the value, sends further definitions, and goes on. Such a value is gathered first, with the
//! definitions taken out and the byte counts (which Go gets wrong there, golang/go#34879) put right.

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::compile::check;
use super::encode::Encoder;
use super::gather::Gatherer;
use super::known::Known;
use super::limits::Limits;
use super::messages::{Input, empty, unexpected};
use super::number::Reader;
use super::schema::{Id, Types};
use super::serde::Typed;
use super::serde::de::{ValueReader, read_value};
use super::serde::walk::{Scope, singleton};
use super::value::{Dynamic, ValueParser};
use super::{Error, Names, Result};

/// Reads the values of one stream.
pub struct Decoder<R> {
    input: Input<R>,
    known: Known,
    names: Arc<Names>,
    limits: Limits,
    /// A gathered value.
    gathered: Vec<u8>,
    checked: Checked,
}

/// Types of the stream and Rust types, by their addresses, of which the one can be read as the other.
type Checked = RefCell<Vec<(Id, usize)>>;

impl<R: Read> Decoder<R> {
    /// A decoder for a new stream.
    pub fn new(reader: R, limits: Limits) -> Self {
        let input = Input::new(reader);
        Decoder {
            input,
            known: Known::default(),
            names: Arc::default(),
            limits,
            gathered: Vec::new(),
            checked: Checked::default(),
        }
    }

    /// Translates the names of interface values.
    pub fn set_names(&mut self, names: Names) {
        self.names = Arc::new(names);
    }

    /// What the stream is read from.
    pub fn reader_mut(&mut self) -> &mut R {
        &mut self.input.reader
    }

    /// Whether bytes were received that no value used yet.
    pub fn has_more(&self) -> bool {
        self.input.has_more()
    }

    /// Gives back what the stream is read from; bytes received and not used are lost.
    pub fn into_reader(self) -> R {
        self.input.reader
    }

    /// The types that the stream has defined so far.
    pub fn types(&self) -> &Arc<Types> {
        &self.known.types
    }

    /// Receives once more, whether or not it is needed yet. Returns how many bytes came; 0 at the end.
    pub fn receive_more(&mut self) -> io::Result<usize> {
        self.input.fill(self.limits.value)
    }

    /// The next value, whole, after taking in the definitions before it. [`Error::Eof`] where the stream ends
    /// between two values. After [`Error::Data`] the next message may be a value again.
    pub fn next_value(&mut self) -> Result<Raw<'_>> {
        let mut first = true;
        loop {
            let (start, end) = self
                .input
                .message(self.limits.message)
                .map_err(|error| if first { error } else { unexpected(error) })?;
            let mut reader = Reader::new(&self.input.bytes[start..end]);
            let id = reader.int()?;
            if id >= 0 {
                let id = Id::try_from(id).map_err(|_| Error::unknown_type())?;
                return self.whole(id, end - reader.left(), end);
            }
            self.known.define(&self.limits, id, &mut reader)?;
            if reader.left() > 0 {
                return Err(Error::data("gob: extra data in buffer"));
            }
            first = false;
        }
    }

    /// The next value as a Rust type.
    pub fn decode<T: Typed + DeserializeOwned>(&mut self) -> Result<T> {
        self.next_value()?.to()
    }

    /// The next value, put where one of its type is. As in Go, what is not sent keeps the value that is there.
    pub fn decode_into<T: Typed + DeserializeOwned>(&mut self, place: &mut T) -> Result<()> {
        self.next_value()?.put_into(place)
    }

    fn whole(&mut self, id: Id, start: usize, end: usize) -> Result<Raw<'_>> {
        if self.known.holds_interface(id)? {
            return self.gather(id, start, end);
        }
        Ok(Raw {
            types: &self.known.types,
            names: &self.names,
            limits: &self.limits,
            id,
            bytes: &self.input.bytes[start..end],
            checked: Some(&self.checked),
        })
    }

    fn gather(&mut self, id: Id, start: usize, end: usize) -> Result<Raw<'_>> {
        empty(&mut self.gathered);
        let mut gatherer = Gatherer {
            input: &mut self.input,
            known: &mut self.known,
            limits: &self.limits,
            out: &mut self.gathered,
            start,
            end,
        };
        let ty = gatherer.known.types.handle(id)?;
        gatherer.top(&ty, 0)?;
        Ok(Raw {
            types: &self.known.types,
            names: &self.names,
            limits: &self.limits,
            id,
            bytes: &self.gathered,
            checked: Some(&self.checked),
        })
    }
}

/// One whole value as it was sent, without the definitions.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    types: &'a Arc<Types>,
    names: &'a Names,
    limits: &'a Limits,
    id: Id,
    bytes: &'a [u8],
    /// None: every time anew.
    checked: Option<&'a Checked>,
}

impl<'a> Raw<'a> {
    /// A value in the form that [`bytes`](Self::bytes) returns. Names are taken as they are.
    pub(crate) fn own(types: &'a Arc<Types>, names: &'a Names, limits: &'a Limits, id: Id, bytes: &'a [u8]) -> Self {
        Raw { types, names, limits, id, bytes, checked: None }
    }

    /// The number of its type.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The types of its stream.
    pub fn types(&self) -> &'a Arc<Types> {
        self.types
    }

    /// The value's bytes, as they stand after the type id in a message that needs no further definitions.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The value as a Rust type, by Go's rules.
    pub fn to<T: Typed + Deserialize<'a>>(&self) -> Result<T> {
        self.check::<T>()?;
        read_value(self.scope(), self.types.get(self.id)?, &mut Reader::new(self.bytes))
    }

    /// The same, put where one of that type is. As in Go, what was not sent keeps the value that is there.
    #[inline]
    pub fn put_into<T: Typed + Deserialize<'a>>(&self, place: &mut T) -> Result<()> {
        self.check::<T>()?;
        let mut reader = Reader::new(self.bytes);
        let ty = self.types.get(self.id)?;
        singleton(ty, &mut reader)?;
        T::deserialize_in_place(ValueReader::whole::<T>(self.scope(), ty, &mut reader), place)
    }

    /// Once for a type of the stream and a Rust type, before a value is looked at.
    fn check<T: Typed>(&self) -> Result<()> {
        let pair = (self.id, std::ptr::from_ref(T::gob_type()).addr());
        if self.checked.is_some_and(|checked| checked.borrow().contains(&pair)) {
            return Ok(());
        }
        check(self.types, self.id, T::gob_type(), T::go_name)?;
        if let Some(checked) = self.checked {
            checked.borrow_mut().push(pair);
        }
        Ok(())
    }

    /// The value without any Rust type.
    pub fn value(&self) -> Result<Dynamic> {
        let mut reader = Reader::new(self.bytes);
        let ty = self.types.handle(self.id)?;
        singleton(&ty, &mut reader)?;
        let mut parser = ValueParser { scope: self.scope(), types: self.types, budget: self.limits.elements };
        let value = parser.value(&ty, &mut reader, 0)?;
        Ok(Dynamic { types: self.types.clone(), id: self.id, value })
    }

    /// The value as a stream of its own, with the definitions that it needs.
    pub fn stream(&self) -> Result<Vec<u8>> {
        let mut stream = Vec::new();
        Encoder::new().encode_value(&self.value()?, &mut stream)?;
        Ok(stream)
    }

    /// The value as JSON; see [`Value`](super::Value).
    pub fn json(&self) -> Result<serde_json::Value> {
        Ok(self.value()?.to_json())
    }

    fn scope(&self) -> Scope<'a> {
        Scope { types: self.types, names: self.names, limits: self.limits }
    }
}
