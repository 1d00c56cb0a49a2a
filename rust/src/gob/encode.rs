// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The writing end of a stream. Definitions go out as messages of their own before the value that needs them, so
//! that a peer can pass over any value; each goes out once.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::definition::WireType;
use super::number::{Reader, put_int, put_uint};
use super::schema::{FIRST_OWN_ID, Field, Handle, Id, Kind, Ref, Type, Types};
use super::serde::Typed;
use super::serde::ser::{State, ValueWriter};
use super::value::Dynamic;
use super::{Error, Names, Result};

/// Turns values into messages of one stream. Types keep their numbers for its life, so it must see every value of
/// the stream.
pub struct Encoder {
    announcer: Announcer,
    body: Vec<u8>,
}

impl Encoder {
    /// An encoder for a new stream.
    pub fn new() -> Self {
        Self::with_names(Names::new())
    }

    /// An encoder that can send interface values of registered types.
    pub fn with_names(names: Names) -> Self {
        let announcer = Announcer {
            ids: HashMap::new(),
            kept: Vec::new(),
            own: Arc::default(),
            next: FIRST_OWN_ID,
            names: Arc::new(names),
        };
        Encoder { announcer, body: Vec::new() }
    }

    /// Appends a value to `out`, after the definitions that the stream lacks. On an error nothing of the value is
    /// there; the stream goes on.
    pub fn encode<T: Typed + Serialize + ?Sized>(&mut self, value: &T, out: &mut Vec<u8>) -> Result<()> {
        let ty = Handle::Static(T::gob_type());
        self.put(&Types::default(), &ty, out, |writer| value.serialize(writer))
    }

    /// Appends a value as the type `id` of `types`: JSON for example, with Go's field names.
    pub fn encode_as<T: Serialize + ?Sized>(
        &mut self,
        types: &Types,
        id: Id,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.put(types, &types.handle(id)?, out, |writer| value.serialize(writer))
    }

    /// Appends a value that brings its type.
    pub fn encode_value(&mut self, value: &Dynamic, out: &mut Vec<u8>) -> Result<()> {
        self.put(&value.types, &value.types.handle(value.id)?, out, |writer| value.value.write(writer))
    }

    /// The types that this end of the stream has defined.
    pub fn types(&self) -> &Arc<Types> {
        &self.announcer.own
    }

    /// Type and bytes of the value encoded last, as they stand in its message.
    pub(crate) fn last(&self) -> (Id, &[u8]) {
        let mut reader = Reader::new(&self.body);
        let id = reader.int().ok().and_then(|id| Id::try_from(id).ok()).unwrap_or_default();
        (id, reader.rest())
    }

    fn put(
        &mut self,
        types: &Types,
        ty: &Handle,
        out: &mut Vec<u8>,
        write: impl FnOnce(ValueWriter<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let id = self.announcer.announce(types, ty, out)?;
        self.body.clear();
        put_int(&mut self.body, id.into());
        let mut state = State { announcer: &mut self.announcer, body: &mut self.body, definitions: out };
        write(ValueWriter::top(types, ty, &mut state))?;
        put_uint(out, self.body.len() as u64);
        out.extend_from_slice(&self.body);
        Ok(())
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// How many of the bytes that this side encoded are definitions before the first value.
pub(crate) fn definitions_of(messages: &[u8]) -> Result<usize> {
    let mut reader = Reader::new(messages);
    loop {
        let before = messages.len() - reader.left();
        if reader.left() == 0 {
            return Ok(before);
        }
        let message = reader.counted("message")?;
        if Reader::new(message).int()? >= 0 {
            return Ok(before);
        }
    }
}

/// Numbers types and sends their definitions.
pub(crate) struct Announcer {
    /// By the address of the description, which [`kept`](Self::kept) keeps from being used again.
    ids: HashMap<usize, Id>,
    kept: Vec<Handle>,
    own: Arc<Types>,
    next: Id,
    pub names: Arc<Names>,
}

impl Announcer {
    /// The number of a type in this stream. If it is new, its definition and those of its components are appended
    /// to `out`.
    pub fn announce(&mut self, types: &Types, ty: &Handle, out: &mut Vec<u8>) -> Result<Id> {
        let first = self.next;
        match self.number(types, ty) {
            Ok(id) => {
                for new in first..self.next {
                    self.define(new, out)?;
                }
                Ok(id)
            }
            Err(error) => {
                // None of it was sent: forget all of it.
                self.ids.retain(|_, id| *id < first);
                Arc::make_mut(&mut self.own).forget_from(first);
                self.next = first;
                Err(error)
            }
        }
    }

    /// Numbers a type before its components, as Go does.
    fn number(&mut self, types: &Types, ty: &Handle) -> Result<Id> {
        if let Some(id) = ty.kind.builtin_id() {
            return Ok(id);
        }
        let address = std::ptr::from_ref::<Type>(ty).addr();
        if let Some(id) = self.ids.get(&address) {
            return Ok(*id);
        }
        let id = self.next;
        self.next = id.checked_add(1).ok_or_else(|| Error::data("gob: too many types"))?;
        self.ids.insert(address, id);
        self.kept.push(ty.clone());
        let mut number = |component: Ref| {
            let ty = types.resolve_handle(component)?;
            self.number(types, &ty).map(Ref::Id)
        };
        let kind = match &ty.kind {
            Kind::Array { elem, len } => Kind::Array { elem: number(*elem)?, len: *len },
            Kind::Slice { elem } => Kind::Slice { elem: number(*elem)? },
            Kind::Map { key, elem } => Kind::Map { key: number(*key)?, elem: number(*elem)? },
            Kind::Struct(fields) => {
                let field = |field: &Field| Ok(Field { name: field.name.clone(), ty: number(field.ty)? });
                Kind::Struct(fields.iter().map(field).collect::<Result<Vec<_>>>()?.into())
            }
            Kind::Opaque(marshaler) => Kind::Opaque(*marshaler),
            _ => return Err(Error::unknown_type()),
        };
        Arc::make_mut(&mut self.own).define(id, Type { name: ty.name.clone(), kind })?;
        Ok(id)
    }

    fn define(&mut self, id: Id, out: &mut Vec<u8>) -> Result<()> {
        let wire = WireType::of(id, self.own.get(id)?)?;
        let mut body = Vec::new();
        put_int(&mut body, -i64::from(id));
        let mut state = State { announcer: self, body: &mut body, definitions: &mut Vec::new() };
        wire.serialize(ValueWriter::top(&Types::default(), WireType::gob_type(), &mut state))?;
        put_uint(out, body.len() as u64);
        out.append(&mut body);
        Ok(())
    }
}
