// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A value that spans messages as one piece: without the definitions inside it, and with the byte counts of its interface
//! values put right.

use std::io::Read;

use super::known::Known;
use super::limits::Limits;
use super::messages::{Input, unexpected};
use super::number::{Reader, put_int, set_count};
use super::schema::{Handle, Id, Kind, Ref, Type};
use super::serde::walk::{next_field, singleton};
use super::{Error, Result};

/// Copies a value that may span messages.
pub(crate) struct Gatherer<'d, R> {
    pub input: &'d mut Input<R>,
    pub known: &'d mut Known,
    pub limits: &'d Limits,
    pub out: &'d mut Vec<u8>,
    /// What is left of the present message in the input.
    pub start: usize,
    pub end: usize,
}

impl<R: Read> Gatherer<'_, R> {
    /// Reads at the cursor, and copies what was read if asked to.
    fn read<T>(&mut self, copy: bool, read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        let bytes = &self.input.bytes[self.start..self.end];
        let mut reader = Reader::new(bytes);
        let result = read(&mut reader)?;
        let used = bytes.len() - reader.left();
        self.start += used;
        if copy {
            if self.out.len() + used > self.limits.value {
                return Err(Error::data(format!("gob: a value is beyond the limit of {} bytes", self.limits.value)));
            }
            self.out.extend_from_slice(&bytes[..used]);
        }
        Ok(result)
    }

    /// A value at the start of a message or of an interface value.
    pub fn top(&mut self, ty: &Type, depth: u32) -> Result<()> {
        self.read(true, |reader| singleton(ty, reader))?;
        self.value(ty, depth)
    }

    fn component(&self, component: Ref) -> Result<Handle> {
        self.known.types.resolve_handle(component)
    }

    fn value(&mut self, ty: &Type, depth: u32) -> Result<()> {
        if depth >= self.limits.depth {
            return Err(Error::data("gob: invalid nesting depth"));
        }
        let depth = depth + 1;
        match &ty.kind {
            Kind::Bool | Kind::Int | Kind::Uint | Kind::Float => self.read(true, |reader| reader.uint().map(drop)),
            Kind::Complex => self.read(true, |reader| super::bytes::complex(reader).map(drop)),
            Kind::Bytes | Kind::String | Kind::Opaque(_) => self.read(true, |reader| reader.counted("data").map(drop)),
            // The rest of a list may follow in later messages, so its count cannot be held against this one.
            Kind::Array { elem, .. } | Kind::Slice { elem } => {
                let elem = self.component(*elem)?;
                let count = self.read(true, |reader| reader.uint())?;
                (0..count).try_for_each(|_| self.element(&elem, depth))
            }
            Kind::Map { key, elem } => {
                let (key, elem) = (self.component(*key)?, self.component(*elem)?);
                let count = self.read(true, |reader| reader.uint())?;
                (0..count).try_for_each(|_| {
                    self.element(&key, depth)?;
                    self.element(&elem, depth)
                })
            }
            Kind::Struct(fields) => {
                let mut next = 0;
                loop {
                    // A struct may end with its message; inside a longer value it then needs its terminator.
                    if self.start == self.end {
                        self.out.push(0);
                        return Ok(());
                    }
                    let Some(field) = self.read(true, |reader| next_field(reader, fields, &mut next))? else {
                        return Ok(());
                    };
                    let ty = self.component(field.ty)?;
                    self.value(&ty, depth)?;
                }
            }
            Kind::Interface => self.interface(depth),
        }
    }

    fn element(&mut self, ty: &Type, depth: u32) -> Result<()> {
        if self.start == self.end {
            return Err(Error::data("gob: decoding array or slice: length exceeds input size"));
        }
        self.value(ty, depth)
    }

    fn interface(&mut self, depth: u32) -> Result<()> {
        let limit = self.limits.name;
        let named = self.read(true, |reader| match reader.counted("type name")?.len() {
            len if len > limit => Err(Error::data(format!("gob: name too long ({len} bytes)"))),
            len => Ok(len > 0),
        })?;
        if !named {
            return Ok(());
        }
        let id = self.concrete()?;
        self.known.holds_interface(id)?;
        put_int(self.out, id.into());
        self.read(false, |reader| reader.uint())?;
        let place = self.out.len();
        self.out.push(0);
        let ty = self.known.types.handle(id)?;
        self.top(&ty, depth)?;
        set_count(self.out, place);
        Ok(())
    }

    /// The type id of an interface value, after the definitions that come first, here or in messages of their own.
    fn concrete(&mut self) -> Result<Id> {
        loop {
            if self.start == self.end {
                (self.start, self.end) = self.input.message(self.limits.message).map_err(unexpected)?;
            }
            let id = self.read(false, |reader| reader.int())?;
            if id >= 0 {
                return Id::try_from(id).map_err(|_| Error::unknown_type());
            }
            let mut reader = Reader::new(&self.input.bytes[self.start..self.end]);
            self.known.define(self.limits, id, &mut reader)?;
            self.start = self.end - reader.left();
            if self.start < self.end {
                // What follows is counted like a message; its count says nothing that is needed.
                self.read(false, |reader| reader.uint())?;
            }
        }
    }
}
