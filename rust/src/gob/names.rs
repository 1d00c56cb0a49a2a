// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registered names: what Go's `gob.Register` knows. An interface value travels with the name of its concrete type;
//! Go uses `full/path.Type` for value types and `*pkg.Type`, with the last path element only, for pointers.

use std::sync::Arc;

use super::schema::{Handle, Types};
use super::serde::Typed;
use super::{Error, Id, Result};

/// Which concrete types may be sent in an interface value, and under which name.
#[derive(Clone, Debug, Default)]
pub struct Names {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    local: String,
    wire: String,
    types: Arc<Types>,
    ty: Handle,
}

impl Names {
    /// No names.
    pub fn new() -> Self {
        Names::default()
    }

    /// Registers a Rust type: an enum's newtype variant called `name` that holds a `T` is then sent as an interface
    /// value of that name.
    #[must_use]
    pub fn with<T: Typed>(mut self, name: &str) -> Self {
        self.put(name, Arc::default(), Handle::Static(T::gob_type()));
        self
    }

    /// Registers a type that is described at run time.
    pub fn declare(&mut self, name: &str, types: &Arc<Types>, id: Id) -> Result<()> {
        self.put(name, types.clone(), types.handle(id)?);
        Ok(())
    }

    /// Makes what is registered here as `local` travel as `wire`, both ways: the name follows the package of the Go
    /// program.
    pub fn rename(&mut self, local: &str, wire: &str) -> Result<()> {
        let entry = self.entries.iter_mut().find(|entry| entry.local == local);
        entry.ok_or_else(|| not_registered(local.as_bytes()))?.wire = wire.to_owned();
        Ok(())
    }

    /// Adds the names of `others`; they replace those registered here already.
    pub fn extend(&mut self, others: &Names) {
        for entry in &others.entries {
            self.entries.retain(|own| own.local != entry.local);
            self.entries.push(entry.clone());
        }
    }

    /// The name to send and the type for a value that is called `local` here.
    pub(crate) fn outgoing(&self, local: &str) -> Result<(&str, &Arc<Types>, &Handle)> {
        let entry = self.entries.iter().find(|entry| entry.local == local);
        let entry = entry.ok_or_else(|| not_registered(local.as_bytes()))?;
        Ok((&entry.wire, &entry.types, &entry.ty))
    }

    fn put(&mut self, name: &str, types: Arc<Types>, ty: Handle) {
        self.entries.retain(|entry| entry.local != name);
        self.entries.push(Entry { local: name.to_owned(), wire: name.to_owned(), types, ty });
    }

    /// What a name on the wire is called here. Unregistered names stay as they are: whoever decodes the value
    /// decides whether it knows them.
    pub fn incoming<'a>(&'a self, wire: &'a str) -> &'a str {
        self.entries.iter().find(|entry| entry.wire == wire).map_or(wire, |entry| &entry.local)
    }
}

fn not_registered(name: &[u8]) -> Error {
    Error::data(format!("gob: name not registered for interface: {:?}", String::from_utf8_lossy(name)))
}
