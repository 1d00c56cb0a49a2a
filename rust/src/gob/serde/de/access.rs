// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of a value: elements, entries, fields, and what an interface holds.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{Place, ValueReader};
use crate::gob::schema::{Field, Kind, Type};
use crate::gob::serde::walk::{next_field, skip};
use crate::gob::{Error, Result};

/// The elements of an array, a slice or a map.
pub(super) struct Elements<'a, 'de> {
    pub left: usize,
    pub key: &'a Type,
    pub elem: &'a Type,
    pub parent: ValueReader<'a, 'de>,
}

impl<'a, 'de> Elements<'a, 'de> {
    fn read<S: DeserializeSeed<'de>>(&mut self, ty: &'a Type, seed: S) -> Result<S::Value> {
        let listed = matches!(self.parent.ty.kind, Kind::Array { .. } | Kind::Slice { .. });
        let mut inner = self.parent.inner(ty);
        // Go counts the entries of a map only where they are lists or maps themselves.
        let counted = listed || matches!(ty.kind, Kind::Array { .. } | Kind::Slice { .. } | Kind::Map { .. });
        inner.within += usize::from(counted);
        if inner.reader.left() == 0 {
            return Err(Error::data("gob: decoding array or slice: length exceeds input size"));
        }
        seed.deserialize(inner)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.read(self.elem, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.read(self.key, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.read(self.elem, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The fields of a struct that were sent.
pub(super) struct Fields<'a, 'de> {
    pub fields: &'a [Field],
    pub next: usize,
    pub current: Option<&'a Field>,
    pub parent: ValueReader<'a, 'de>,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.current = next_field(self.parent.reader, self.fields, &mut self.next)?;
        let Some(field) = self.current else { return Ok(None) };
        seed.deserialize(StrDeserializer::<Error>::new(&field.name)).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let field = self.current.take().ok_or_else(Error::unknown_type)?;
        let owner = self.parent.ty;
        let ty = self.parent.scope.types.resolve(field.ty)?;
        let mut inner = self.parent.inner(ty);
        (inner.place, inner.within) = (Some(Place { owner, field }), 0);
        seed.deserialize(inner)
    }
}

/// An interface value: the variant is its registered name.
pub(super) struct Concrete<'a, 'de> {
    pub name: &'a str,
    pub value: ValueReader<'a, 'de>,
}

impl<'a, 'de> EnumAccess<'de> for Concrete<'a, 'de> {
    type Error = Error;
    type Variant = ValueReader<'a, 'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant)> {
        let name = seed.deserialize(StrDeserializer::<Error>::new(self.name));
        let unknown = |_| Error::data(format!("gob: name not registered for interface: {:?}", self.name));
        Ok((name.map_err(unknown)?, self.value))
    }
}

impl<'de> VariantAccess<'de> for ValueReader<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        skip(self.scope, self.ty, self.reader, self.depth)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_struct(self, "struct", fields, visitor)
    }
}
