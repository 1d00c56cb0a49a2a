// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing a Rust value as a gob type says: the type guides, what the value offers must agree with it.

mod compound;

use std::fmt::Display;

use serde::ser::{self, Serialize};

use crate::gob::announce::Announcer;
use crate::gob::bytes::{Complex, from_base64};
use crate::gob::number::{put_counted, put_float, put_int, put_uint};
use crate::gob::schema::{self, Handle, Kind, Type, Types};
use crate::gob::time::{Time, is_time};
use crate::gob::{Error, Result};
use compound::{Compound, Parts, Structure, concrete};

/// How deep a value may be nested that this side sends: what the default limits let a peer read.
const DEPTH: u32 = 64;

/// Where a value goes: definitions in front, the value itself in `body`.
pub(crate) struct State<'s> {
    pub announcer: &'s mut Announcer,
    pub body: &'s mut Vec<u8>,
    pub definitions: &'s mut Vec<u8>,
}

/// What surrounds a value decides whether a zero is sent and what comes first.
enum Slot<'a> {
    /// The start of a message or an interface value: a zero precedes what is no struct.
    Top,
    /// An element is always sent.
    Element,
    /// The key of a map: as an element, and JSON has only text for it.
    Key,
    /// A field: its number, counted from the last one sent, precedes it; a zero is left out.
    Field { next: &'a mut usize, index: usize },
    /// A field that gets its number later; tells whether it was sent.
    Loose(&'a mut bool),
}

/// Writes one value of the type `ty`, whose components are in `types`.
pub(crate) struct ValueWriter<'a, 's> {
    types: &'a Types,
    ty: &'a Type,
    state: &'a mut State<'s>,
    slot: Slot<'a>,
    depth: u32,
}

impl<'a, 's> ValueWriter<'a, 's> {
    /// A writer for a value at the start of a message.
    pub fn top(types: &'a Types, ty: &'a Type, state: &'a mut State<'s>) -> Self {
        ValueWriter { types, ty, state, slot: Slot::Top, depth: 0 }
    }

    /// Writes what precedes the value; false if the value is left out.
    #[inline]
    fn begin(&mut self, zero: bool) -> bool {
        match &mut self.slot {
            Slot::Top => {
                if !matches!(self.ty.kind, Kind::Struct(_)) {
                    self.state.body.push(0);
                }
                true
            }
            Slot::Element | Slot::Key => true,
            Slot::Field { next, index } => {
                if !zero {
                    put_uint(self.state.body, (*index + 1 - **next) as u64);
                    **next = *index + 1;
                }
                !zero
            }
            Slot::Loose(sent) => {
                **sent = !zero;
                !zero
            }
        }
    }

    #[cold]
    fn mismatch(&self, what: &str) -> Error {
        Error::data(format!("gob: cannot send {what} as {}", self.types.describe(self.ty)))
    }

    #[inline]
    fn scalar(mut self, zero: bool, put: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        if self.begin(zero) {
            put(self.state.body);
        }
        Ok(())
    }

    #[inline]
    fn counted(mut self, bytes: &[u8]) -> Result<()> {
        if let Slot::Field { next, index } = &mut self.slot
            && let (delta @ 0..0x80, len @ 1..0x80) = (*index + 1 - **next, bytes.len())
        {
            // What most fields are: both numbers in one step, as each step waits for the one before.
            self.state.body.extend_from_slice(&[delta as u8, len as u8]);
            self.state.body.extend_from_slice(bytes);
            **next = *index + 1;
            return Ok(());
        }
        self.scalar(bytes.is_empty(), |out| put_counted(out, bytes))
    }

    /// A nil pointer, slice, map or interface.
    pub fn nil(mut self) -> Result<()> {
        match self.slot {
            Slot::Field { .. } | Slot::Loose(_) => Ok(()),
            _ if matches!(self.ty.kind, Kind::Interface | Kind::Slice { .. } | Kind::Map { .. } | Kind::Bytes) => {
                self.begin(false);
                self.state.body.push(0);
                Ok(())
            }
            _ if is_time(self.ty) => self.scalar(false, |out| put_counted(out, &Time::default().to_bytes())),
            _ => Err(Error::data("gob: encodeArray: nil element")),
        }
    }

    /// A complex number; a field leaves out zero of any sign.
    pub fn complex(self, real: f64, imaginary: f64) -> Result<()> {
        if !matches!(self.ty.kind, Kind::Complex) {
            return Err(self.mismatch("a complex number"));
        }
        self.scalar(real == 0.0 && imaginary == 0.0, |out| {
            put_float(out, real);
            put_float(out, imaginary);
        })
    }

    /// An interface value of the concrete type `ty`, written by `write`.
    pub fn interface(
        mut self,
        name: &[u8],
        types: &Types,
        ty: &Handle,
        write: impl FnOnce(ValueWriter<'_, 's>) -> Result<()>,
    ) -> Result<()> {
        if !matches!(self.ty.kind, Kind::Interface) {
            return Err(self.mismatch("an interface value"));
        }
        self.begin(false);
        concrete(self.state, deeper(self.depth)?, (name, types, ty), write)
    }

    fn sequence(mut self, count: usize) -> Result<Compound<'a, 's>> {
        let parts = match &self.ty.kind {
            Kind::Array { elem, len } if *len == count => {
                self.begin(false);
                put_uint(self.state.body, count as u64);
                Parts::Elements { elem: self.types.resolve(*elem)? }
            }
            Kind::Slice { elem } => {
                if self.begin(count == 0) {
                    put_uint(self.state.body, count as u64);
                }
                Parts::Elements { elem: self.types.resolve(*elem)? }
            }
            Kind::Bytes => {
                if self.begin(count == 0) {
                    put_uint(self.state.body, count as u64);
                }
                Parts::Bytes
            }
            Kind::Complex if count == 2 => {
                self.begin(false);
                Parts::Elements { elem: &schema::FLOAT }
            }
            _ => return Err(self.mismatch(&format!("{count} elements"))),
        };
        self.compound(parts, count)
    }

    #[inline]
    fn structure(mut self) -> Result<Structure<'a, 's>> {
        let Kind::Struct(fields) = &self.ty.kind else { return Err(self.mismatch("a struct")) };
        self.begin(false);
        let depth = deeper(self.depth)?;
        Ok(Structure { types: self.types, state: self.state, depth, fields, next: 0, hint: 0 })
    }

    fn entries(mut self, count: usize) -> Result<Compound<'a, 's>> {
        match &self.ty.kind {
            Kind::Struct(fields) => {
                self.begin(false);
                let start = self.state.body.len();
                self.compound(Parts::Loose { fields, start, sent: Vec::new(), index: 0 }, count)
            }
            Kind::Map { key, elem } => {
                self.begin(false);
                put_uint(self.state.body, count as u64);
                let (key, elem) = (self.types.resolve(*key)?, self.types.resolve(*elem)?);
                self.compound(Parts::Entries { key, elem }, count)
            }
            Kind::Interface if count == 2 => {
                self.begin(false);
                self.compound(Parts::Interface { name: None, value: false }, count)
            }
            _ => Err(self.mismatch("a map")),
        }
    }

    fn compound(self, parts: Parts<'a>, left: usize) -> Result<Compound<'a, 's>> {
        Ok(Compound { types: self.types, state: self.state, depth: deeper(self.depth)?, left, parts })
    }
}

fn deeper(depth: u32) -> Result<u32> {
    if depth >= DEPTH { Err(Error::data("gob: invalid nesting depth")) } else { Ok(depth + 1) }
}

fn unsized_sequence() -> Error {
    Error::data("gob: a sequence must know its length beforehand")
}

macro_rules! widened {
    ($($serialize:ident $ty:ident $wide:ident $as:ident;)*) => {
        $(fn $serialize(self, number: $ty) -> Result<()> {
            self.$wide($as::from(number))
        })*
    };
}

impl<'a, 's> ser::Serializer for ValueWriter<'a, 's> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a, 's>;
    type SerializeTuple = Compound<'a, 's>;
    type SerializeTupleStruct = Compound<'a, 's>;
    type SerializeTupleVariant = ser::Impossible<(), Error>;
    type SerializeMap = Compound<'a, 's>;
    type SerializeStruct = Structure<'a, 's>;
    type SerializeStructVariant = ser::Impossible<(), Error>;

    widened! {
        serialize_i8 i8 serialize_i64 i64;
        serialize_i16 i16 serialize_i64 i64;
        serialize_i32 i32 serialize_i64 i64;
        serialize_u8 u8 serialize_u64 u64;
        serialize_u16 u16 serialize_u64 u64;
        serialize_u32 u32 serialize_u64 u64;
        serialize_f32 f32 serialize_f64 f64;
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        match self.ty.kind {
            Kind::Bool => self.scalar(!value, |out| out.push(value.into())),
            _ => Err(self.mismatch("a bool")),
        }
    }

    #[inline]
    fn serialize_i64(self, number: i64) -> Result<()> {
        match self.ty.kind {
            Kind::Int => self.scalar(number == 0, |out| put_int(out, number)),
            Kind::Uint if number >= 0 => self.scalar(number == 0, |out| put_uint(out, number.cast_unsigned())),
            Kind::Float => self.serialize_f64(number as f64),
            _ => Err(self.mismatch(&format!("the number {number}"))),
        }
    }

    #[inline]
    fn serialize_u64(self, number: u64) -> Result<()> {
        match self.ty.kind {
            Kind::Uint => self.scalar(number == 0, |out| put_uint(out, number)),
            Kind::Int if i64::try_from(number).is_ok() => {
                self.scalar(number == 0, |out| put_int(out, number.cast_signed()))
            }
            Kind::Float => self.serialize_f64(number as f64),
            _ => Err(self.mismatch(&format!("the number {number}"))),
        }
    }

    fn serialize_f64(self, number: f64) -> Result<()> {
        match self.ty.kind {
            Kind::Float => self.scalar(number == 0.0, |out| put_float(out, number)),
            _ => Err(self.mismatch(&format!("the number {number}"))),
        }
    }

    fn serialize_char(self, letter: char) -> Result<()> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<()> {
        let not_a = |what| Error::data(format!("gob: {text:?} is not {what}"));
        match (&self.ty.kind, &self.slot) {
            (Kind::String, _) => self.scalar(text.is_empty(), |out| put_counted(out, text.as_bytes())),
            (Kind::Opaque(_), _) if is_time(self.ty) && text.contains(':') => text.parse::<Time>()?.serialize(self),
            (Kind::Bytes | Kind::Opaque(_), _) => {
                self.serialize_bytes(&from_base64(text).ok_or_else(|| not_a("valid base64"))?)
            }
            (Kind::Int, Slot::Key) => self.serialize_i64(text.parse().map_err(|_| not_a("a number"))?),
            (Kind::Bool, Slot::Key) => self.serialize_bool(text.parse().map_err(|_| not_a("a bool"))?),
            (Kind::Float, Slot::Key) => self.serialize_f64(text.parse().map_err(|_| not_a("a number"))?),
            (Kind::Uint, Slot::Key) => self.serialize_u64(text.parse().map_err(|_| not_a("a number"))?),
            _ => Err(self.mismatch("text")),
        }
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        match self.ty.kind {
            Kind::String | Kind::Bytes => self.counted(bytes),
            Kind::Opaque(_) => self.scalar(false, |out| put_counted(out, bytes)),
            Kind::Complex => {
                let (real, imaginary) = Complex::from_parts(bytes).ok_or_else(|| self.mismatch("bytes"))?;
                self.complex(real, imaginary)
            }
            _ => Err(self.mismatch("bytes")),
        }
    }

    fn serialize_none(self) -> Result<()> {
        self.nil()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        match (&self.ty.kind, &self.slot) {
            (Kind::Struct(_), Slot::Top | Slot::Element | Slot::Key) => self.structure()?.finish(),
            _ => self.nil(),
        }
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        let names = self.state.announcer.names.clone();
        let (name, types, ty) = names.outgoing(variant)?;
        self.interface(name.as_bytes(), types, ty, |writer| value.serialize(writer))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'a, 's>> {
        self.sequence(len.ok_or_else(unsized_sequence)?)
    }

    fn serialize_tuple(self, len: usize) -> Result<Compound<'a, 's>> {
        self.sequence(len)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'a, 's>> {
        self.sequence(len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(self.mismatch(&format!("the variant {variant}")))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'a, 's>> {
        self.entries(len.ok_or_else(unsized_sequence)?)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Structure<'a, 's>> {
        self.structure()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Err(self.mismatch(&format!("the variant {variant}")))
    }

    fn collect_str<T: Display + ?Sized>(self, text: &T) -> Result<()> {
        self.serialize_str(&text.to_string())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
