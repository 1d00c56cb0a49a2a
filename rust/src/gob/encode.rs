// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The writing end of a stream. Definitions go out as messages of their own before the value that needs them, so
//! that a peer can pass over any value; each goes out once.

use std::sync::Arc;

use serde::Serialize;

use super::announce::Announcer;
use super::number::{Reader, put_int, set_count};
use super::schema::{Handle, Id, Ref, Types};
use super::serde::Typed;
use super::serde::ser::{State, ValueWriter};
use super::value::Dynamic;
use super::{Error, Names, Result};

/// Turns values into messages of one stream. Types keep their numbers for its life, so it must see every value of
/// the stream.
pub struct Encoder {
    announcer: Announcer,
    /// Definitions that turn up inside a value, until they are put in front of it.
    definitions: Vec<u8>,
}

impl Encoder {
    /// An encoder for a new stream.
    pub fn new() -> Self {
        Self::with_names(Names::new())
    }

    /// An encoder that can send interface values of registered types.
    pub fn with_names(names: Names) -> Self {
        Encoder { announcer: Announcer::new(names), definitions: Vec::new() }
    }

    /// Appends a value to `out`, after the definitions that the stream lacks. On an error nothing of the value is
    /// there; the stream goes on.
    pub fn encode<T: Typed + Serialize + ?Sized>(&mut self, value: &T, out: &mut Vec<u8>) -> Result<()> {
        let ty = Handle::Static(T::gob_type());
        self.put(&Types::default(), &ty, out, |writer| value.serialize(writer))
    }

    /// Appends a value as the type `ty` of `types`: JSON for example, with Go's field names.
    pub fn encode_as<T: Serialize + ?Sized>(
        &mut self,
        types: &Types,
        ty: Ref,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.put(types, &types.resolve_handle(ty)?, out, |writer| value.serialize(writer))
    }

    /// Appends a value that brings its type.
    pub fn encode_value(&mut self, value: &Dynamic, out: &mut Vec<u8>) -> Result<()> {
        self.put(&value.types, &value.types.handle(value.id)?, out, |writer| value.value.write(writer))
    }

    /// The types that this end of the stream has defined.
    pub fn types(&self) -> &Arc<Types> {
        self.announcer.types()
    }

    fn put(
        &mut self,
        types: &Types,
        ty: &Handle,
        out: &mut Vec<u8>,
        write: impl FnOnce(ValueWriter<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let id = self.announcer.announce(types, ty, out)?;
        let start = out.len();
        // In place of the count.
        out.push(0);
        put_int(out, id.into());
        let mut state = State { announcer: &mut self.announcer, body: out, definitions: &mut self.definitions };
        let written = write(ValueWriter::top(types, ty, &mut state));
        match &written {
            Ok(()) => set_count(out, start),
            Err(_) => out.truncate(start),
        }
        if !self.definitions.is_empty() {
            out.splice(start..start, self.definitions.drain(..));
        }
        written
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// How many of the bytes that this side encoded are definitions before the first value; type and bytes of that, if
/// there is one.
pub(crate) fn first_value(messages: &[u8]) -> Result<(usize, Id, &[u8])> {
    let mut reader = Reader::new(messages);
    loop {
        let before = messages.len() - reader.left();
        if reader.left() == 0 {
            return Ok((before, Id::default(), &[]));
        }
        let mut message = Reader::new(reader.counted("message")?);
        let id = message.int()?;
        if id >= 0 {
            let id = Id::try_from(id).map_err(|_| Error::unknown_type())?;
            return Ok((before, id, message.rest()));
        }
    }
}
