// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The types that the other end of a stream has defined.

use std::sync::Arc;

use serde::Deserialize;

use super::definition::WireType;
use super::limits::Limits;
use super::number::Reader;
use super::schema::{Id, Types};
use super::serde::Typed;
use super::serde::de::ValueReader;
use super::serde::walk::Scope;
use super::{Error, Names, Result};

/// What the stream has defined so far.
#[derive(Default)]
pub(crate) struct Known {
    pub types: Arc<Types>,
    /// Bytes of all definitions.
    spent: usize,
    /// Types of values so far, and whether they may hold interfaces.
    seen: Vec<(Id, bool)>,
}

impl Known {
    /// Whether values of the type may span messages. An error if a type is not defined that it is made of, even where
    /// the value at hand would not need it: as in Go.
    pub fn holds_interface(&mut self, id: Id) -> Result<bool> {
        if let Some((_, known)) = self.seen.iter().find(|(seen, _)| *seen == id) {
            return Ok(*known);
        }
        let holds_interface = self.types.holds_interface(id)?;
        self.seen.push((id, holds_interface));
        Ok(holds_interface)
    }

    /// Takes in the definition of the type `-id` at the cursor.
    pub fn define(&mut self, limits: &Limits, id: i64, reader: &mut Reader<'_>) -> Result<()> {
        let id = id.checked_neg().and_then(|id| Id::try_from(id).ok()).ok_or_else(Error::unknown_type)?;
        // A definition nests a few levels by its nature, whatever values are allowed to.
        let (builtin, names, nature) = (Types::default(), Names::default(), Limits::default());
        let scope = Scope { types: &builtin, names: &names, limits: &nature };
        let mut definition =
            Reader::new(&reader.rest()[..reader.left().min(limits.definition_bytes.saturating_sub(self.spent))]);
        let there = definition.left();
        let wire = WireType::deserialize(ValueReader::new(scope, WireType::gob_type(), &mut definition))?;
        let used = there - definition.left();
        reader.skip(used);
        self.spent += used;
        if self.types.len() >= limits.definitions || self.spent >= limits.definition_bytes {
            return Err(Error::data("gob: too many or too large type definitions"));
        }
        Arc::make_mut(&mut self.types).define(id, wire.into_type(limits)?)
    }
}
