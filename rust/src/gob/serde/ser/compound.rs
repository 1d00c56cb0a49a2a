// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing the parts of a value: elements, entries, fields.

use std::ops::Range;

use serde::ser::{self, Serialize};

use super::{Slot, State, ValueWriter};
use crate::gob::number::{Reader, put_counted, put_int, put_uint, set_count};
use crate::gob::schema::{self, Field, Handle, Type, Types};
use crate::gob::{Error, Result};

/// Writes the parts of a value one by one.
pub(crate) struct Compound<'a, 's> {
    pub(super) types: &'a Types,
    pub(super) state: &'a mut State<'s>,
    pub(super) depth: u32,
    /// Elements or entries still to come.
    pub(super) left: usize,
    pub(super) parts: Parts<'a>,
}

/// What the parts are and how far they are.
pub(super) enum Parts<'a> {
    Elements {
        elem: &'a Type,
    },
    Entries {
        key: &'a Type,
        elem: &'a Type,
    },
    Bytes,
    /// An interface value as JSON shows it: the registered name under "type", then the value under "value".
    Interface {
        name: Option<Vec<u8>>,
        value: bool,
    },
    Loose {
        fields: &'a [Field],
        start: usize,
        sent: Vec<(usize, Range<usize>)>,
        index: usize,
    },
}

impl<'s> Compound<'_, 's> {
    fn one<'b>(&'b mut self, ty: &'b Type, slot: Slot<'b>) -> ValueWriter<'b, 's> {
        ValueWriter { types: self.types, ty, state: self.state, slot, depth: self.depth }
    }

    /// The next element of a sequence.
    pub fn element(&mut self, write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(wrong_count)?;
        match self.parts {
            Parts::Elements { elem } => write(self.one(elem, Slot::Element)),
            _ => {
                let mark = self.state.body.len();
                write(self.one(&schema::UINT, Slot::Element))?;
                let byte = Reader::new(&self.state.body[mark..]).uint()?;
                self.state.body.truncate(mark);
                self.state.body.push(u8::try_from(byte).map_err(|_| Error::data("gob: a byte is out of range"))?);
                Ok(())
            }
        }
    }

    /// The key of the next entry: of a map, or a field's name.
    pub fn key(&mut self, write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(wrong_count)?;
        if let Parts::Entries { key, .. } = self.parts {
            return write(self.one(key, Slot::Key));
        }
        let mark = self.state.body.len();
        write(self.one(&schema::STRING, Slot::Element))?;
        let name = Reader::new(&self.state.body[mark..]).counted("field name")?;
        match &mut self.parts {
            Parts::Loose { fields, index, .. } => {
                *index = fields.iter().position(|field| field.name.as_bytes() == name).ok_or_else(|| {
                    Error::data(format!("gob: no field {:?} in the struct to send", String::from_utf8_lossy(name)))
                })?;
            }
            Parts::Interface { name: None, .. } if name == b"type" => {}
            Parts::Interface { name: Some(_), value } if name == b"value" => *value = true,
            _ => return Err(no_interface()),
        }
        self.state.body.truncate(mark);
        Ok(())
    }

    /// The value of the entry whose key was written last.
    pub fn value(&mut self, write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>) -> Result<()> {
        let (fields, index) = match &self.parts {
            Parts::Entries { elem, .. } => return write(self.one(elem, Slot::Element)),
            Parts::Interface { .. } => return self.interface(write),
            Parts::Loose { fields, index, .. } => (*fields, *index),
            _ => return Err(wrong_count()),
        };
        let mark = self.state.body.len();
        let mut was_sent = false;
        let ty = self.types.resolve(fields[index].ty)?;
        write(self.one(ty, Slot::Loose(&mut was_sent)))?;
        if let (true, Parts::Loose { sent, .. }) = (was_sent, &mut self.parts) {
            sent.push((index, mark..self.state.body.len()));
        }
        Ok(())
    }

    /// The registered name of an interface value, or the value.
    fn interface(&mut self, write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>) -> Result<()> {
        let mark = self.state.body.len();
        let Parts::Interface { name: Some(name), value: true } = &self.parts else {
            write(self.one(&schema::STRING, Slot::Element))?;
            let name = Reader::new(&self.state.body[mark..]).counted("type name")?.to_vec();
            self.state.body.truncate(mark);
            self.parts = Parts::Interface { name: Some(name), value: false };
            return Ok(());
        };
        let names = self.state.announcer.names.clone();
        let local = names.incoming(std::str::from_utf8(name).map_err(|_| no_interface())?);
        let (wire, types, ty) = names.outgoing(local)?;
        concrete(self.state, self.depth, (wire.as_bytes(), types, ty), write)
    }

    /// Ends the value.
    pub fn finish(self) -> Result<()> {
        if self.left > 0 {
            return Err(wrong_count());
        }
        if let Parts::Loose { start, mut sent, .. } = self.parts {
            sent.sort_by_key(|(index, _)| *index);
            let mut ordered = Vec::with_capacity(self.state.body.len() - start + sent.len() + 1);
            let mut next = 0;
            for (index, bytes) in sent {
                let delta = (index + 1).checked_sub(next).filter(|delta| *delta > 0);
                let delta = delta.ok_or_else(|| Error::data("gob: a field is there twice"))?;
                put_uint(&mut ordered, delta as u64);
                ordered.extend_from_slice(&self.state.body[bytes]);
                next = index + 1;
            }
            ordered.push(0);
            self.state.body.truncate(start);
            self.state.body.append(&mut ordered);
        }
        Ok(())
    }
}

/// Writes the fields of a struct.
pub(crate) struct Structure<'a, 's> {
    pub(super) types: &'a Types,
    pub(super) state: &'a mut State<'s>,
    pub(super) depth: u32,
    pub(super) fields: &'a [Field],
    /// The field after the one sent last.
    pub(super) next: usize,
    /// The field after the one offered last.
    pub(super) hint: usize,
}

impl<'a, 's> Structure<'a, 's> {
    /// The field `name`; fields come in the order of the type.
    #[inline]
    pub fn field(&mut self, name: &str, write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>) -> Result<()> {
        // Nearly always the next one, and the very text of the description.
        let (index, field) = match self.fields.get(self.hint) {
            Some(field) if std::ptr::eq(&*field.name, name) => (self.hint, field),
            _ => self.search(name)?,
        };
        self.hint = index + 1;
        let ty = self.types.resolve(field.ty)?;
        write(ValueWriter {
            types: self.types,
            ty,
            state: self.state,
            slot: Slot::Field { next: &mut self.next, index },
            depth: self.depth,
        })
    }

    #[inline(never)]
    fn search(&self, name: &str) -> Result<(usize, &'a Field)> {
        let mut rest = self.fields.iter().enumerate().skip(self.hint);
        rest.find(|(_, field)| field.name == name)
            .ok_or_else(|| Error::data(format!("gob: field {name} is not in the struct to send, or out of order")))
    }

    /// Ends the struct.
    #[inline]
    pub fn finish(self) -> Result<()> {
        self.state.body.push(0);
        Ok(())
    }
}

/// Writes what an interface holds: the name, and the value of that type.
pub(super) fn concrete<'s>(
    state: &mut State<'s>,
    depth: u32,
    (name, types, ty): (&[u8], &Types, &Handle),
    write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>,
) -> Result<()> {
    put_counted(state.body, name);
    let id = state.announcer.announce(types, ty, state.definitions)?;
    put_int(state.body, id.into());
    let place = state.body.len();
    state.body.push(0);
    write(ValueWriter { types, ty, state, slot: Slot::Top, depth })?;
    set_count(state.body, place);
    Ok(())
}

fn no_interface() -> Error {
    Error::data("gob: an interface value is {\"type\": a registered name, \"value\": …}")
}

fn wrong_count() -> Error {
    Error::data("gob: the number of elements differs from the announced one")
}

macro_rules! sequences {
    ($($trait:ident $method:ident;)*) => {
        $(impl ser::$trait for Compound<'_, '_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(|writer| value.serialize(writer))
            }

            fn end(self) -> Result<()> {
                self.finish()
            }
        })*
    };
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key(|writer| key.serialize(writer))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.value(|writer| value.serialize(writer))
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}

impl ser::SerializeStruct for Structure<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.field(name, |writer| value.serialize(writer))
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}
