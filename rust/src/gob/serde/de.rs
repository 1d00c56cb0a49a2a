// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading a value into a Rust type. The stream's type drives; what the Rust type asks for must agree with it.

mod access;

use std::borrow::Cow;

use serde::de::{self, Visitor};

use crate::gob::bytes::complex;
use crate::gob::compile::no_common_field;
use crate::gob::number::Reader;
use crate::gob::schema::{Field, Kind, Ref, Type};
use crate::gob::serde::Typed;
use crate::gob::serde::walk::{Scope, deeper, interface, singleton, skip};
use crate::gob::string::BYTE_STRING;
use crate::gob::{Error, Result};
use access::{Concrete, Elements, Fields};

/// Which field is being read, for messages.
#[derive(Clone, Copy)]
struct Place<'a> {
    owner: &'a Type,
    field: &'a Field,
}

/// A value at the cursor, of a type of the stream.
pub(crate) struct ValueReader<'a, 'de> {
    scope: Scope<'a>,
    ty: &'a Type,
    reader: &'a mut Reader<'de>,
    depth: u32,
    place: Option<Place<'a>>,
    /// The Rust type of the whole value, as Go calls it.
    whole: Option<fn() -> Cow<'static, str>>,
    /// What an interface holds: no check has looked at its type before.
    concrete: bool,
    /// In how many lists the value is, counted from its field.
    within: usize,
}

/// Reads a struct, or after its leading zero any other value, as they stand at the start of a message.
pub(crate) fn read_value<'de, T: Typed + de::Deserialize<'de>>(
    scope: Scope<'_>,
    ty: &Type,
    reader: &mut Reader<'de>,
) -> Result<T> {
    singleton(ty, reader)?;
    T::deserialize(ValueReader::whole::<T>(scope, ty, reader))
}

impl<'a, 'de> ValueReader<'a, 'de> {
    /// A reader of the value at the cursor.
    pub fn new(scope: Scope<'a>, ty: &'a Type, reader: &'a mut Reader<'de>) -> Self {
        ValueReader { scope, ty, reader, depth: 0, place: None, whole: None, concrete: false, within: 0 }
    }

    /// A reader of a whole value to be read as a `T`.
    pub fn whole<T: Typed>(scope: Scope<'a>, ty: &'a Type, reader: &'a mut Reader<'de>) -> Self {
        ValueReader { whole: Some(T::go_name), ..ValueReader::new(scope, ty, reader) }
    }

    /// What the Rust type wants is not what the stream has.
    #[cold]
    fn wrong<T>(&self, local: &str) -> Result<T> {
        Err(Error::data(match self.place {
            Some(Place { owner, field }) => {
                format!("gob: wrong type ({local}) for received field {}.{}", owner.name, field.name)
            }
            None => {
                let remote = self.scope.types.describe(self.ty);
                format!("gob: decoding into local type {local}, received remote type {remote}")
            }
        }))
    }

    #[cold]
    fn overflow(&self, local: &str) -> Error {
        let name = match (self.place, self.whole) {
            (Some(place), _) => place.field.name.clone().into_owned(),
            (None, Some(whole)) => format!("*{}", whole()),
            (None, None) => local.to_owned(),
        };
        Error::data(format!("value for \"{}{name}\" out of range", "element of ".repeat(self.within)))
    }

    #[inline]
    fn inner(&mut self, ty: &'a Type) -> ValueReader<'_, 'de> {
        ValueReader {
            scope: self.scope,
            ty,
            reader: self.reader,
            depth: self.depth,
            place: self.place,
            whole: self.whole,
            concrete: false,
            within: self.within,
        }
    }

    fn elements<V: Visitor<'de>>(mut self, elem: Ref, visitor: V) -> Result<V::Value> {
        self.depth = deeper(self.scope, self.depth)?;
        let left = self.reader.count("slice")?;
        if matches!(self.ty.kind, Kind::Array { len, .. } if len != left) {
            return Err(Error::data("gob: length mismatch in decodeArray"));
        }
        let elem = self.scope.types.resolve(elem)?;
        visitor.visit_seq(Elements { left, key: elem, elem, parent: self })
    }

    fn entries<V: Visitor<'de>>(mut self, key: Ref, elem: Ref, visitor: V) -> Result<V::Value> {
        self.depth = deeper(self.scope, self.depth)?;
        let left = self.reader.count("map")?;
        let (key, elem) = (self.scope.types.resolve(key)?, self.scope.types.resolve(elem)?);
        visitor.visit_map(Elements { left, key, elem, parent: self })
    }

    #[inline]
    fn fields<V: Visitor<'de>>(mut self, fields: &'a [Field], visitor: V) -> Result<V::Value> {
        self.depth = deeper(self.scope, self.depth)?;
        visitor.visit_map(Fields { fields, next: 0, current: None, parent: self })
    }

    #[inline]
    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let bytes = self.reader.counted("string")?;
        match std::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(bytes),
        }
    }
}

macro_rules! integers {
    ($($deserialize:ident $visit:ident $kind:ident $read:ident $ty:ident $go:literal;)*) => {
        $(#[inline]
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            if !matches!(self.ty.kind, Kind::$kind) {
                return self.wrong($go);
            }
            let number = self.reader.$read()?;
            visitor.$visit($ty::try_from(number).map_err(|_| self.overflow($go))?)
        })*
    };
}

impl<'de> de::Deserializer<'de> for ValueReader<'_, 'de> {
    type Error = Error;

    integers! {
        deserialize_i8 visit_i8 Int int i8 "int8";
        deserialize_i16 visit_i16 Int int i16 "int16";
        deserialize_i32 visit_i32 Int int i32 "int32";
        deserialize_i64 visit_i64 Int int i64 "int64";
        deserialize_u8 visit_u8 Uint uint u8 "uint8";
        deserialize_u16 visit_u16 Uint uint u16 "uint16";
        deserialize_u32 visit_u32 Uint uint u32 "uint32";
        deserialize_u64 visit_u64 Uint uint u64 "uint64";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.ty.kind {
            Kind::Bool => visitor.visit_bool(self.reader.bool()?),
            Kind::Int => visitor.visit_i64(self.reader.int()?),
            Kind::Uint => visitor.visit_u64(self.reader.uint()?),
            Kind::Float => visitor.visit_f64(self.reader.float()?),
            Kind::Bytes | Kind::Opaque(_) => visitor.visit_borrowed_bytes(self.reader.counted("data")?),
            Kind::String => self.text(visitor),
            Kind::Complex => self.deserialize_tuple(2, visitor),
            Kind::Array { elem, .. } | Kind::Slice { elem } => self.elements(*elem, visitor),
            Kind::Map { key, elem } => self.entries(*key, *elem, visitor),
            Kind::Struct(fields) => self.fields(fields, visitor),
            Kind::Interface => self.deserialize_enum("interface", &[], visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.ty.kind {
            Kind::Bool => visitor.visit_bool(self.reader.bool()?),
            _ => self.wrong("bool"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.ty.kind {
            Kind::Float => {
                let number = self.reader.float()?;
                if number.is_finite() && number.abs() > f64::from(f32::MAX) {
                    return Err(self.overflow("float32"));
                }
                visitor.visit_f32(number as f32)
            }
            _ => self.wrong("float32"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.ty.kind {
            Kind::Float => visitor.visit_f64(self.reader.float()?),
            _ => self.wrong("float64"),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.ty.kind {
            Kind::String => self.text(visitor),
            _ => self.wrong("string"),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.ty.kind {
            Kind::Bytes | Kind::Opaque(_) => visitor.visit_borrowed_bytes(self.reader.counted("data")?),
            _ => self.wrong("[]uint8"),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // Only an interface can be sent as nil; other pointers are left out.
        if matches!(self.ty.kind, Kind::Interface) && self.reader.rest().first() == Some(&0) {
            self.reader.uint()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        skip(self.scope, self.ty, self.reader, self.depth)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if std::ptr::eq(name, BYTE_STRING) {
            return match self.ty.kind {
                Kind::String => visitor.visit_borrowed_bytes(self.reader.counted("string")?),
                _ => self.wrong("string"),
            };
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.ty.kind {
            Kind::Slice { elem } | Kind::Array { elem, .. } => self.elements(*elem, visitor),
            Kind::Bytes => {
                let bytes = self.reader.counted("slice")?;
                visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => self.wrong("slice"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        match &self.ty.kind {
            Kind::Array { elem, len: there } if *there == len => self.elements(*elem, visitor),
            Kind::Complex if len == 2 => {
                let (real, imaginary) = complex(self.reader)?;
                visitor.visit_seq(de::value::SeqDeserializer::new([real, imaginary].into_iter()))
            }
            _ => self.wrong(&format!("[{len}] array")),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.ty.kind {
            Kind::Map { key, elem } => self.entries(*key, *elem, visitor),
            Kind::Struct(fields) => self.fields(fields, visitor),
            _ => self.wrong("map"),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match &self.ty.kind {
            Kind::Struct(fields) => {
                let common = !self.concrete || fields.iter().any(|field| known.contains(&&*field.name));
                if !common && !fields.is_empty() && !known.is_empty() {
                    return Err(no_common_field(name));
                }
                self.fields(fields, visitor)
            }
            _ if self.place.is_some() => self.wrong(name),
            _ => {
                Err(Error::data(format!("gob: type mismatch in decoder: want struct type rpc.{name}; got non-struct")))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if !matches!(self.ty.kind, Kind::Interface) {
            let remote = self.scope.types.describe(self.ty);
            return Err(Error::data(format!(
                "gob: local interface type {name} can only be decoded from remote interface type; received \
                 concrete type {remote}"
            )));
        }
        self.depth = deeper(self.scope, self.depth)?;
        let Some((registered, _, ty)) = interface(self.scope, self.reader)? else {
            return Err(Error::data(format!("gob: nil for the interface {name}")));
        };
        let registered = std::str::from_utf8(registered)
            .map_err(|_| Error::data("gob: name not registered for interface: not valid UTF-8"))?;
        self.ty = ty;
        (self.place, self.whole, self.concrete, self.within) = (None, None, true, 0);
        visitor.visit_enum(Concrete { name: self.scope.names.incoming(registered), value: self })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! { char i128 u128 }
}
