// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a type of the stream can be read as a Rust type. Go finds out when it compiles its decoder, before it looks
//! at a value: a field of the wrong type is an error even where it is not sent. Texts are Go's.

use std::borrow::Cow;

use super::schema::{Field, Id, Kind, Ref, Type, Types};
use super::{Error, Result};

/// What a Rust type is called in Go.
type GoName = fn() -> Cow<'static, str>;

/// Checks a whole value's type. `name` is the Rust type's in Go.
pub(crate) fn check(types: &Types, id: Id, local: &Type, name: GoName) -> Result<()> {
    let mut check = Check { types, structs: Vec::new() };
    let remote = types.get(id)?;
    if let Kind::Struct(fields) = &local.kind {
        if fields.is_empty() && local.name.is_empty() {
            // The unit type takes anything.
            return Ok(());
        }
        let matched = check.structure(local, fields, remote, Some(name))?;
        let there = matches!(&remote.kind, Kind::Struct(fields) if !fields.is_empty());
        if !matched && there && !fields.is_empty() {
            return Err(no_common_field(&local.name));
        }
        return Ok(());
    }
    if check.compatible(local, remote, &mut Vec::new())? {
        return check.components(local, remote, Some(name));
    }
    let remote_name = types.describe(remote);
    Err(Error::data(match local.kind {
        Kind::Interface => format!(
            "gob: local interface type *{} can only be decoded from remote interface type; received concrete type \
             {remote_name}",
            name()
        ),
        _ => format!("gob: decoding into local type *{}, received remote type {remote_name}", name()),
    }))
}

/// Two structs, both with fields, that have no name in common.
pub(crate) fn no_common_field(name: &str) -> Error {
    Error::data(format!("gob: type mismatch: no fields matched compiling decoder for {name}"))
}

struct Check<'a> {
    types: &'a Types,
    /// Pairs of structs that were looked at or are being looked at.
    structs: Vec<(*const Type, *const Type)>,
}

impl Check<'_> {
    /// The fields of a struct, and what they are made of. Tells whether any field is there on both sides. `name` is the
    /// local type's in Go, where that is known.
    fn structure(&mut self, local: &Type, fields: &[Field], remote: &Type, name: Option<GoName>) -> Result<bool> {
        let pair = (std::ptr::from_ref(local), std::ptr::from_ref(remote));
        if self.structs.contains(&pair) {
            return Ok(true);
        }
        self.structs.push(pair);
        let Kind::Struct(sent) = &remote.kind else {
            let name = name.map_or_else(|| format!("rpc.{}", local.name).into(), |name| name());
            let name = name.trim_start_matches('*');
            let text = format!("gob: type mismatch in decoder: want struct type {name}; got non-struct");
            return Err(Error::data(text));
        };
        let mut matched = false;
        for there in sent.iter() {
            if there.name.is_empty() {
                return Err(Error::data(format!("gob: empty name for remote field of type {}", remote.name)));
            }
            let Some(here) = fields.iter().find(|here| here.name == there.name) else { continue };
            let (here_ty, there_ty) = (self.types.resolve(here.ty)?, self.types.resolve(there.ty)?);
            if !self.compatible(here_ty, there_ty, &mut Vec::new())? {
                let local = here.local.map_or_else(|| here_ty.name.clone(), |local| local());
                let text = format!("gob: wrong type ({local}) for received field {}.{}", remote.name, there.name);
                return Err(Error::data(text));
            }
            self.components(here_ty, there_ty, here.local)?;
            matched = true;
        }
        Ok(matched)
    }

    /// The structs inside a type that is compatible.
    fn components(&mut self, local: &Type, remote: &Type, name: Option<GoName>) -> Result<()> {
        match (&local.kind, &remote.kind) {
            (Kind::Struct(fields), _) => self.structure(local, fields, remote, name).map(drop),
            (Kind::Array { elem: here, .. }, Kind::Array { elem: there, .. })
            | (Kind::Slice { elem: here }, Kind::Slice { elem: there }) => self.component(*here, *there),
            (Kind::Map { key, elem }, Kind::Map { key: there_key, elem: there }) => {
                self.component(*key, *there_key)?;
                self.component(*elem, *there)
            }
            _ => Ok(()),
        }
    }

    fn component(&mut self, here: Ref, there: Ref) -> Result<()> {
        self.components(self.types.resolve(here)?, self.types.resolve(there)?, None)
    }

    /// Whether two types are of one kind, through lists and maps; what a struct has is seen to later.
    fn compatible(&self, local: &Type, remote: &Type, open: &mut Vec<(*const Type, *const Type)>) -> Result<bool> {
        let pair = (std::ptr::from_ref(local), std::ptr::from_ref(remote));
        if let Some((_, other)) = open.iter().find(|(here, _)| *here == pair.0) {
            return Ok(*other == pair.1);
        }
        if matches!(local.kind, Kind::Array { .. } | Kind::Slice { .. } | Kind::Map { .. }) {
            open.push(pair);
        }
        let mut both =
            |here: Ref, there: Ref| self.compatible(self.types.resolve(here)?, self.types.resolve(there)?, open);
        Ok(match (&local.kind, &remote.kind) {
            (Kind::Opaque(here), Kind::Opaque(there)) => here == there,
            (Kind::Opaque(_), _) | (_, Kind::Opaque(_)) => false,
            (Kind::Struct(_), _) => true,
            (Kind::Array { elem: here, len }, Kind::Array { elem: there, len: there_len }) => {
                len == there_len && both(*here, *there)?
            }
            (Kind::Slice { elem: here }, Kind::Slice { elem: there }) => both(*here, *there)?,
            (Kind::Map { key, elem }, Kind::Map { key: there_key, elem: there }) => {
                both(*key, *there_key)? && both(*elem, *there)?
            }
            (here, there) => here.builtin_id().is_some() && here.builtin_id() == there.builtin_id(),
        })
    }
}
