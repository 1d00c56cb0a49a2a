// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values whose Go type is known from the stream alone: to be shown as JSON, passed on, or sent again.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::bytes::{Bytes, complex};
use super::number::Reader;
use super::schema::{Field, Handle, Id, Kind, Ref, Type, Types};
use super::serde::ser::ValueWriter;
use super::serde::walk::{Scope, deeper, interface, next_field};
use super::string::ByteString;
use super::time::{Time, is_time};
use super::{Error, Result};

/// A value and its type.
#[derive(Clone, Debug)]
pub struct Dynamic {
    /// The types of the stream it came from.
    pub types: Arc<Types>,
    /// Its own type among them.
    pub id: Id,
    /// The value.
    pub value: Value,
}

impl Dynamic {
    /// The value as JSON, the way Go's `encoding/json` shows it: see [`Value`].
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.value).unwrap_or_default()
    }
}

/// A value of any gob type. As JSON, `[]byte` and opaque bytes are base64, times RFC 3339, complex numbers `[real, imaginary]`,
/// interface values `{"type": name, "value": …}`, map keys text, numbers that JSON lacks `null`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// Nothing: a nil pointer, slice, map or interface, or an opaque zero value.
    Nil,
    /// `bool`
    Bool(bool),
    /// Any signed integer
    Int(i64),
    /// Any unsigned integer
    Uint(u64),
    /// Any float
    Float(f64),
    /// Any complex number: real, imaginary
    Complex(f64, f64),
    /// `string`
    String(ByteString),
    /// `[]byte`
    Bytes(Vec<u8>),
    /// An array or a slice
    List(Vec<Value>),
    /// A map in the order of the stream
    Map(Vec<(Value, Value)>),
    /// A struct: its type, and by their place there the fields that were sent. Others are zero, and cost nothing
    Struct(Handle, Vec<(usize, Value)>),
    /// An interface value: registered name and value
    Interface(ByteString, Box<Dynamic>),
    /// Bytes that the type reads itself
    Opaque(Vec<u8>),
    /// A `time.Time`: an opaque type of that name with such bytes
    Time(Time),
}

impl Value {
    /// What a field holds that was not sent; what is made of other types has nothing in it.
    fn zero(field: &Field) -> Value {
        match Types::default().resolve(field.ty).map(|ty| &ty.kind) {
            Ok(Kind::Bool) => Value::Bool(false),
            Ok(Kind::Int) => Value::Int(0),
            Ok(Kind::Uint) => Value::Uint(0),
            Ok(Kind::Float) => Value::Float(0.0),
            Ok(Kind::Complex) => Value::Complex(0.0, 0.0),
            Ok(Kind::String) => Value::String(ByteString::default()),
            _ => Value::Nil,
        }
    }

    pub(crate) fn write(&self, writer: ValueWriter<'_, '_>) -> Result<()> {
        match self {
            Value::Nil => writer.nil(),
            Value::Bool(value) => writer.serialize_bool(*value),
            Value::Int(number) => writer.serialize_i64(*number),
            Value::Uint(number) => writer.serialize_u64(*number),
            Value::Float(number) => writer.serialize_f64(*number),
            Value::Complex(real, imaginary) => writer.complex(*real, *imaginary),
            Value::String(text) => writer.serialize_bytes(text),
            Value::Bytes(bytes) | Value::Opaque(bytes) => writer.serialize_bytes(bytes),
            Value::Time(time) => writer.serialize_bytes(&time.to_bytes()),
            Value::List(elements) => {
                let mut list = writer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|element| list.element(|writer| element.write(writer)))?;
                list.finish()
            }
            Value::Map(entries) => {
                let mut map = writer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| {
                    map.key(|writer| key.write(writer))?;
                    map.value(|writer| value.write(writer))
                })?;
                map.finish()
            }
            Value::Struct(ty, sent) => {
                let mut structure = writer.serialize_struct("", sent.len())?;
                for (place, value) in sent {
                    let field = fields_of(ty).get(*place).ok_or_else(Error::unknown_type)?;
                    structure.field(&field.name, |writer| value.write(writer))?;
                }
                structure.finish()
            }
            Value::Interface(name, inner) => {
                let ty = inner.types.handle(inner.id)?;
                writer.interface(name, &inner.types, &ty, |writer| inner.value.write(writer))
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Uint(number) => serializer.serialize_u64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Complex(real, imaginary) => (real, imaginary).serialize(serializer),
            Value::String(text) => text.serialize(serializer),
            Value::Bytes(bytes) | Value::Opaque(bytes) => Bytes(bytes.clone()).serialize(serializer),
            Value::Time(time) => time.serialize(serializer),
            Value::List(elements) => serializer.collect_seq(elements),
            Value::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (Key(key).to_string(), value)))
            }
            Value::Struct(ty, sent) => {
                let mut sent = sent.iter().peekable();
                serializer.collect_map(fields_of(ty).iter().enumerate().map(|(place, field)| {
                    let value = sent.next_if(|(sent, _)| *sent == place).map(|(_, value)| Cow::Borrowed(value));
                    (&field.name, value.unwrap_or_else(|| Cow::Owned(Value::zero(field))))
                }))
            }
            Value::Interface(name, inner) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", &name.to_string_lossy())?;
                map.serialize_entry("value", &inner.value)?;
                map.end()
            }
        }
    }
}

/// The fields of a struct's type.
fn fields_of(ty: &Type) -> &[Field] {
    match &ty.kind {
        Kind::Struct(fields) => fields,
        _ => &[],
    }
}

/// The key of a map as text.
struct Key<'a>(&'a Value);

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::String(text) => text.fmt(f),
            Value::Bool(value) => value.fmt(f),
            Value::Int(number) => number.fmt(f),
            Value::Uint(number) => number.fmt(f),
            Value::Float(number) => number.fmt(f),
            other => f.write_str(&serde_json::to_string(other).unwrap_or_default()),
        }
    }
}

/// Reads values of any type, at most as many elements as the limits allow.
pub(crate) struct ValueParser<'a> {
    pub scope: Scope<'a>,
    pub types: &'a Arc<Types>,
    /// How many elements are left to read.
    pub budget: usize,
}

impl ValueParser<'_> {
    /// The value of type `ty` at the cursor.
    pub fn value(&mut self, ty: &Handle, reader: &mut Reader<'_>, depth: u32) -> Result<Value> {
        Ok(match &ty.kind {
            Kind::Bool => Value::Bool(reader.bool()?),
            Kind::Int => Value::Int(reader.int()?),
            Kind::Uint => Value::Uint(reader.uint()?),
            Kind::Float => Value::Float(reader.float()?),
            Kind::Complex => {
                let (real, imaginary) = complex(reader)?;
                Value::Complex(real, imaginary)
            }
            Kind::Bytes => Value::Bytes(reader.counted("data")?.to_vec()),
            Kind::String => Value::String(reader.counted("string")?.to_vec().into()),
            Kind::Opaque(_) => {
                let bytes = reader.counted("data")?;
                let time = Time::from_bytes(bytes).filter(|time| is_time(ty) && time.to_bytes() == bytes);
                time.map_or_else(|| Value::Opaque(bytes.to_vec()), Value::Time)
            }
            Kind::Array { elem, len } => {
                let count = reader.count("array")?;
                if count != *len {
                    return Err(Error::data("gob: length mismatch in decodeArray"));
                }
                self.list(*elem, count, reader, deeper(self.scope, depth)?)?
            }
            Kind::Slice { elem } => {
                let count = reader.count("slice")?;
                self.list(*elem, count, reader, deeper(self.scope, depth)?)?
            }
            Kind::Map { key, elem } => {
                let depth = deeper(self.scope, depth)?;
                let (key, elem) = (self.types.resolve_handle(*key)?, self.types.resolve_handle(*elem)?);
                let count = reader.count("map")?;
                let entry = |_| Ok((self.element(&key, reader, depth)?, self.element(&elem, reader, depth)?));
                Value::Map((0..count).map(entry).collect::<Result<_>>()?)
            }
            Kind::Struct(_) => self.structure(ty, reader, deeper(self.scope, depth)?)?,
            Kind::Interface => match interface(self.scope, reader)? {
                None => Value::Nil,
                Some((name, id, _)) => {
                    let ty = self.types.handle(id)?;
                    let value = self.value(&ty, reader, deeper(self.scope, depth)?)?;
                    let inner = Dynamic { types: self.types.clone(), id, value };
                    Value::Interface(name.to_vec().into(), Box::new(inner))
                }
            },
        })
    }

    fn list(&mut self, elem: Ref, count: usize, reader: &mut Reader<'_>, depth: u32) -> Result<Value> {
        let elem = self.types.resolve_handle(elem)?;
        Ok(Value::List((0..count).map(|_| self.element(&elem, reader, depth)).collect::<Result<_>>()?))
    }

    fn element(&mut self, ty: &Handle, reader: &mut Reader<'_>, depth: u32) -> Result<Value> {
        if reader.left() == 0 {
            return Err(Error::data("gob: decoding array or slice: length exceeds input size"));
        }
        self.spend(1)?;
        self.value(ty, reader, depth)
    }

    fn structure(&mut self, ty: &Handle, reader: &mut Reader<'_>, depth: u32) -> Result<Value> {
        let fields = fields_of(ty);
        self.spend(fields.len())?;
        let mut values = Vec::new();
        let mut next = 0;
        while let Some(field) = next_field(reader, fields, &mut next)? {
            let ty = self.types.resolve_handle(field.ty)?;
            values.push((next - 1, self.value(&ty, reader, depth)?));
        }
        Ok(Value::Struct(ty.clone(), values))
    }

    fn spend(&mut self, elements: usize) -> Result<()> {
        self.budget =
            self.budget.checked_sub(elements).ok_or_else(|| Error::data("gob: the value has too many elements"))?;
        Ok(())
    }
}
