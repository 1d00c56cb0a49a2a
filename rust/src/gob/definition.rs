// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Type definitions, which are gob values themselves.

use std::borrow::Cow;

use super::limits::Limits;
use super::number::{put_counted, put_int, put_uint, set_count};
use super::schema::{Field, Id, Kind, Marshaler, Ref, Type};
use super::string::ByteString;
use super::{Error, Result};
use crate::gob_struct;

gob_struct! {
    /// What every definition begins with.
    pub struct CommonType as "CommonType" {
        /// The type's name.
        pub name: ByteString as "Name",
        /// Its id, which differs from the message's for methods on pointers and is not used.
        pub id: Id as "Id",
    }
}

gob_struct! {
    /// The definition of an array type.
    pub struct ArrayType as "arrayType" {
        /// Name and id.
        pub common: CommonType as "CommonType",
        /// The type of the elements.
        pub elem: Id as "Elem",
        /// Their number.
        pub len: i64 as "Len",
    }
}

gob_struct! {
    /// The definition of a slice type.
    pub struct SliceType as "sliceType" {
        /// Name and id.
        pub common: CommonType as "CommonType",
        /// The type of the elements.
        pub elem: Id as "Elem",
    }
}

gob_struct! {
    /// The definition of a field.
    pub struct FieldType as "fieldType" {
        /// The field's name.
        pub name: ByteString as "Name",
        /// Its type.
        pub id: Id as "Id",
    }
}

gob_struct! {
    /// The definition of a struct type.
    pub struct StructType as "structType" {
        /// Name and id.
        pub common: CommonType as "CommonType",
        /// The fields.
        pub fields: Vec<FieldType> as "Field",
    }
}

gob_struct! {
    /// The definition of a map type.
    pub struct MapType as "mapType" {
        /// Name and id.
        pub common: CommonType as "CommonType",
        /// The type of the keys.
        pub key: Id as "Key",
        /// The type of the elements.
        pub elem: Id as "Elem",
    }
}

gob_struct! {
    /// The definition of an opaque type.
    pub struct OpaqueType as "gobEncoderType" {
        /// Name and id.
        pub common: CommonType as "CommonType",
    }
}

gob_struct! {
    /// A definition on the wire: exactly one of the fields is there.
    pub struct WireType as "wireType" {
        /// An array type.
        pub array: Option<ArrayType> as "ArrayT",
        /// A slice type.
        pub slice: Option<SliceType> as "SliceT",
        /// A struct type.
        pub structure: Option<StructType> as "StructT",
        /// A map type.
        pub map: Option<MapType> as "MapT",
        /// A type with `GobEncode`.
        pub gob: Option<OpaqueType> as "GobEncoderT",
        /// A type with `MarshalBinary`.
        pub binary: Option<OpaqueType> as "BinaryMarshalerT",
        /// A type with `MarshalText`.
        pub text: Option<OpaqueType> as "TextMarshalerT",
    }
}

/// Appends the message that defines `ty` under the number `id`; its components must be numbered already.
pub fn put_definition(out: &mut Vec<u8>, id: Id, ty: &Type) -> Result<()> {
    // The number of the field in WireType that says what it is, from 1 on.
    let field = match &ty.kind {
        Kind::Array { .. } => 1,
        Kind::Slice { .. } => 2,
        Kind::Struct(_) => 3,
        Kind::Map { .. } => 4,
        Kind::Opaque(Marshaler::Gob) => 5,
        Kind::Opaque(Marshaler::Binary) => 6,
        Kind::Opaque(Marshaler::Text) => 7,
        _ => return Err(Error::data("gob: a built-in type has no definition")),
    };
    let start = out.len();
    // In place of the count.
    out.push(0);
    put_int(out, -i64::from(id));
    out.extend_from_slice(&[field, NEXT]);
    put_named(out, &ty.name, id);
    match &ty.kind {
        Kind::Array { elem, len } => {
            put_component(out, *elem)?;
            if *len > 0 {
                out.push(NEXT);
                put_int(out, i64::try_from(*len).map_err(|_| Error::data("gob: array too long"))?);
            }
        }
        Kind::Slice { elem } => put_component(out, *elem)?,
        Kind::Map { key, elem } => {
            put_component(out, *key)?;
            put_component(out, *elem)?;
        }
        Kind::Struct(fields) if !fields.is_empty() => {
            out.push(NEXT);
            put_uint(out, fields.len() as u64);
            for field in fields.iter() {
                put_named(out, &field.name, number(field.ty)?);
            }
        }
        _ => {}
    }
    out.extend_from_slice(&[END, END]);
    set_count(out, start);
    Ok(())
}

/// The field after the one before.
const NEXT: u8 = 1;
/// The end of a struct.
const END: u8 = 0;

/// A struct of a name, which is left out if it is empty, and a number: what both a type and a field are.
fn put_named(out: &mut Vec<u8>, name: &str, id: Id) {
    if name.is_empty() {
        out.push(2 * NEXT);
    } else {
        out.push(NEXT);
        put_counted(out, name.as_bytes());
        out.push(NEXT);
    }
    put_int(out, id.into());
    out.push(END);
}

fn put_component(out: &mut Vec<u8>, component: Ref) -> Result<()> {
    out.push(NEXT);
    put_int(out, number(component)?.into());
    Ok(())
}

fn number(component: Ref) -> Result<Id> {
    match component {
        Ref::Id(id) => Ok(id),
        Ref::Static(ty) => ty().kind.builtin_id().ok_or_else(Error::unknown_type),
    }
}

impl WireType {
    /// The type that a peer defined.
    pub fn into_type(self, limits: &Limits) -> Result<Type> {
        // Go names a field's type that has no name by its whole text, however long; and takes any bytes.
        let text = |name: ByteString| Cow::Owned(name.to_string_lossy().into_owned());
        let name = |name: ByteString| match name.len() {
            len if len > limits.name => Err(Error::data(format!("gob: a name of {len} bytes is beyond the limit"))),
            _ => Ok(text(name)),
        };
        let mut kinds = Vec::new();
        if let Some(array) = self.array {
            let len = usize::try_from(array.len).map_err(|_| Error::data("gob: bad data: negative array length"))?;
            kinds.push((array.common, Kind::Array { elem: Ref::Id(array.elem), len }));
        }
        if let Some(slice) = self.slice {
            kinds.push((slice.common, Kind::Slice { elem: Ref::Id(slice.elem) }));
        }
        if let Some(map) = self.map {
            kinds.push((map.common, Kind::Map { key: Ref::Id(map.key), elem: Ref::Id(map.elem) }));
        }
        if let Some(structure) = self.structure {
            let field = |field: FieldType| Ok(Field { name: name(field.name)?, ty: Ref::Id(field.id), local: None });
            let fields = structure.fields.into_iter().map(field).collect::<Result<_>>()?;
            kinds.push((structure.common, Kind::Struct(Cow::Owned(fields))));
        }
        let opaque = [(self.gob, Marshaler::Gob), (self.binary, Marshaler::Binary), (self.text, Marshaler::Text)];
        kinds.extend(
            opaque.into_iter().filter_map(|(opaque, marshaler)| Some((opaque?.common, Kind::Opaque(marshaler)))),
        );
        // Go takes several kinds or none, and wonders when it needs one of them.
        let (1, Some((common, kind))) = (kinds.len(), kinds.pop()) else {
            return Err(Error::data("gob: bad data: a type definition must have exactly one kind"));
        };
        Ok(Type { name: text(common.name), kind })
    }
}
