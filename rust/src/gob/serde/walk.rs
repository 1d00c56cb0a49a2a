// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The steps through a value's bytes that every reader takes.

use crate::gob::bytes::complex;
use crate::gob::limits::Limits;
use crate::gob::names::Names;
use crate::gob::number::Reader;
use crate::gob::schema::{Field, Id, Kind, Ref, Type, Types};
use crate::gob::{Error, Result};

/// What stays the same through one value.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub types: &'a Types,
    pub names: &'a Names,
    pub limits: &'a Limits,
}

/// Takes in the zero that precedes a value that is no struct.
#[inline]
pub(crate) fn singleton(ty: &Type, reader: &mut Reader<'_>) -> Result<()> {
    if !matches!(ty.kind, Kind::Struct(_)) && reader.uint()? != 0 {
        return Err(Error::data("gob: decode: corrupted data: non-zero delta for singleton"));
    }
    Ok(())
}

/// The next field of a struct: none at its terminator or where the value's bytes end.
#[inline]
pub(crate) fn next_field<'a>(
    reader: &mut Reader<'_>,
    fields: &'a [Field],
    next: &mut usize,
) -> Result<Option<&'a Field>> {
    if reader.left() == 0 {
        return Ok(None);
    }
    let delta = reader.uint()?;
    if delta == 0 {
        return Ok(None);
    }
    // `next` counts from 0, a delta from the field before.
    let index = usize::try_from(delta - 1).ok().and_then(|delta| next.checked_add(delta));
    let field = index.and_then(|index| fields.get(index));
    *next = index.unwrap_or_default().saturating_add(1);
    field.map(Some).ok_or_else(|| Error::data("gob: bad data: field numbers out of bounds"))
}

/// The head of an interface value whose definitions have been taken out: name, id and byte count. `None` is nil.
pub(crate) fn interface<'a, 'de>(
    scope: Scope<'a>,
    reader: &mut Reader<'de>,
) -> Result<Option<(&'de [u8], Id, &'a Type)>> {
    let name = reader.counted("type name")?;
    if name.is_empty() {
        return Ok(None);
    }
    if name.len() > scope.limits.name {
        return Err(Error::data(format!("gob: name too long ({} bytes)", name.len())));
    }
    let id = Id::try_from(reader.int()?).map_err(|_| Error::unknown_type())?;
    let ty = scope.types.get(id)?;
    reader.uint()?;
    singleton(ty, reader)?;
    Ok(Some((name, id, ty)))
}

/// Passes over a value.
pub(crate) fn skip(scope: Scope<'_>, ty: &Type, reader: &mut Reader<'_>, depth: u32) -> Result<()> {
    let depth = deeper(scope, depth)?;
    let component = |component: Ref| scope.types.resolve(component);
    match &ty.kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Float => reader.uint().map(drop),
        Kind::Complex => complex(reader).map(drop),
        Kind::Bytes | Kind::String | Kind::Opaque(_) => reader.counted("data").map(drop),
        Kind::Array { elem, .. } | Kind::Slice { elem } => {
            let elem = component(*elem)?;
            (0..reader.count("slice")?).try_for_each(|_| element(reader, |reader| skip(scope, elem, reader, depth)))
        }
        Kind::Map { key, elem } => {
            let (key, elem) = (component(*key)?, component(*elem)?);
            (0..reader.count("map")?).try_for_each(|_| {
                element(reader, |reader| skip(scope, key, reader, depth))?;
                element(reader, |reader| skip(scope, elem, reader, depth))
            })
        }
        Kind::Struct(fields) => {
            let mut next = 0;
            while let Some(field) = next_field(reader, fields, &mut next)? {
                skip(scope, component(field.ty)?, reader, depth)?;
            }
            Ok(())
        }
        Kind::Interface => match interface(scope, reader)? {
            Some((_, _, ty)) => skip(scope, ty, reader, depth),
            None => Ok(()),
        },
    }
}

/// Reads an element, which needs bytes to be there: a struct may otherwise be empty without end.
fn element<'de, T>(reader: &mut Reader<'de>, read: impl FnOnce(&mut Reader<'de>) -> Result<T>) -> Result<T> {
    if reader.left() == 0 {
        return Err(Error::data("gob: decoding array or slice: length exceeds input size"));
    }
    read(reader)
}

/// One level further in.
#[inline]
pub(crate) fn deeper(scope: Scope<'_>, depth: u32) -> Result<u32> {
    if depth >= scope.limits.depth {
        return Err(Error::data("gob: invalid nesting depth"));
    }
    Ok(depth + 1)
}
