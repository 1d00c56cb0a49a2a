// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The numbers of the types that this end of a stream sends, and when their definitions go out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::definition::put_definition;
use super::schema::{FIRST_OWN_ID, Field, Handle, Id, Kind, Ref, Type, Types};
use super::{Error, Names, Result};

/// The number of a type whose components are being numbered.
const UNNUMBERED: Id = 0;

/// How many types may be numbered within one another, each for the first time: a peer may define a chain of thousands,
/// of which a value sent back to it needs none but the first.
const DEPTH: u32 = 128;

/// What Go calls a component in its definition, which depends on where it meets it first.
enum Naming {
    /// By its name.
    Own,
    /// Not at all.
    None,
    /// By its name, or by its whole text if it has none.
    Field(Option<fn() -> Cow<'static, str>>),
}

impl Naming {
    fn name(&self, component: Ref, ty: &Type) -> Cow<'static, str> {
        match (self, component) {
            (Naming::None, Ref::Static(_)) => Cow::Borrowed(""),
            (Naming::Field(Some(local)), _) if ty.name.is_empty() => local().trim_start_matches('*').to_owned().into(),
            _ => ty.name.clone(),
        }
    }
}

/// Numbers types and sends their definitions.
pub(crate) struct Announcer {
    /// By the address of the description, which [`kept`](Self::kept) keeps from being used again; sorted.
    ids: Vec<(usize, Id)>,
    kept: Vec<Handle>,
    own: Arc<Types>,
    next: Id,
    /// How many types are being numbered.
    depth: u32,
    pub names: Arc<Names>,
}

impl Announcer {
    /// No type is numbered yet.
    pub fn new(names: Names) -> Self {
        let (own, names) = (Arc::default(), Arc::new(names));
        Announcer { ids: Vec::new(), kept: Vec::new(), own, next: FIRST_OWN_ID, depth: 0, names }
    }

    /// The types that were defined.
    pub fn types(&self) -> &Arc<Types> {
        &self.own
    }

    /// The number of a type in this stream. If it is new, its definition and those of its components are appended
    /// to `out`.
    #[inline]
    pub fn announce(&mut self, types: &Types, ty: &Handle, out: &mut Vec<u8>) -> Result<Id> {
        match self.place(std::ptr::from_ref::<Type>(ty).addr()) {
            Ok(place) => Ok(self.ids[place].1),
            Err(_) => self.announce_new(types, ty, out),
        }
    }

    #[inline(never)]
    fn announce_new(&mut self, types: &Types, ty: &Handle, out: &mut Vec<u8>) -> Result<Id> {
        let first = self.next;
        match self.number(types, ty, ty.name.clone()) {
            Ok(id) => {
                self.define_all(id, &mut (first..self.next).collect(), out)?;
                Ok(id)
            }
            Err(error) => {
                // None of it was sent: forget all of it.
                self.ids.retain(|(_, id)| *id < first && *id != UNNUMBERED);
                Arc::make_mut(&mut self.own).forget_from(first);
                self.next = first;
                Err(error)
            }
        }
    }

    /// Numbers a type in Go's order: a struct before its fields, others after their components. A type that is made of
    /// itself gets its number when the first that needs it has one.
    fn number(&mut self, types: &Types, ty: &Handle, name: Cow<'static, str>) -> Result<Id> {
        if let Some(id) = ty.kind.builtin_id() {
            return Ok(id);
        }
        let address = std::ptr::from_ref::<Type>(ty).addr();
        match self.place(address) {
            Ok(place) => return Ok(self.ids[place].1),
            Err(_) if self.depth == DEPTH => return Err(Error::data("gob: invalid nesting depth")),
            Err(place) => self.ids.insert(place, (address, UNNUMBERED)),
        }
        self.kept.push(ty.clone());
        self.depth += 1;
        let id = self.number_new(types, ty, address, name);
        self.depth -= 1;
        id
    }

    fn number_new(&mut self, types: &Types, ty: &Type, address: usize, name: Cow<'static, str>) -> Result<Id> {
        let kind = match &ty.kind {
            Kind::Array { elem, len } => {
                let [elem] = self.components(types, address, [(*elem, Naming::None)])?;
                Kind::Array { elem, len: *len }
            }
            Kind::Slice { elem } => {
                let [elem] = self.components(types, address, [(*elem, Naming::Own)])?;
                Kind::Slice { elem }
            }
            Kind::Map { key, elem } => {
                let [key, elem] = self.components(types, address, [(*key, Naming::None), (*elem, Naming::None)])?;
                Kind::Map { key, elem }
            }
            Kind::Struct(fields) => {
                self.assign(address)?;
                let mut numbered = Vec::with_capacity(fields.len());
                for field in fields.iter() {
                    let [ty] = self.components(types, address, [(field.ty, Naming::Field(field.local))])?;
                    numbered.push(Field { name: field.name.clone(), ty, local: None });
                }
                Kind::Struct(numbered.into())
            }
            Kind::Opaque(marshaler) => {
                self.assign(address)?;
                Kind::Opaque(*marshaler)
            }
            _ => return Err(Error::unknown_type()),
        };
        let id = self.assign(address)?;
        Arc::make_mut(&mut self.own).define(id, Type { name, kind })?;
        Ok(id)
    }

    /// Numbers the components of the type at `owner`, and that type at the latest then.
    fn components<const N: usize>(
        &mut self,
        types: &Types,
        owner: usize,
        components: [(Ref, Naming); N],
    ) -> Result<[Ref; N]> {
        let mut numbers = [(UNNUMBERED, 0); N];
        for (number, (component, naming)) in numbers.iter_mut().zip(components) {
            let ty = types.resolve_handle(component)?;
            *number = (self.number(types, &ty, naming.name(component, &ty))?, std::ptr::from_ref::<Type>(&ty).addr());
        }
        self.assign(owner)?;
        let mut refs = [Ref::Id(UNNUMBERED); N];
        for (component, (id, address)) in refs.iter_mut().zip(numbers) {
            *component = Ref::Id(if id == UNNUMBERED { self.assign(address)? } else { id });
        }
        Ok(refs)
    }

    /// The number of the type at `address`, which gets the next one if it has none.
    fn assign(&mut self, address: usize) -> Result<Id> {
        let place = self.place(address).unwrap_or_else(|place| {
            self.ids.insert(place, (address, UNNUMBERED));
            place
        });
        let id = &mut self.ids[place].1;
        if *id == UNNUMBERED {
            *id = self.next;
            self.next = self.next.checked_add(1).ok_or_else(|| Error::data("gob: too many types"))?;
        }
        Ok(*id)
    }

    /// Where the type at `address` stands among those that were met, or where it belongs.
    fn place(&self, address: usize) -> std::result::Result<usize, usize> {
        self.ids.binary_search_by_key(&address, |(address, _)| *address)
    }

    /// Defines a type and then its components, as far as they are among the `new` ones.
    fn define_all(&mut self, id: Id, new: &mut BTreeSet<Id>, out: &mut Vec<u8>) -> Result<()> {
        if !new.remove(&id) {
            return Ok(());
        }
        put_definition(out, id, self.own.get(id)?)?;
        let components: Vec<Ref> = match &self.own.get(id)?.kind {
            Kind::Array { elem, .. } | Kind::Slice { elem } => vec![*elem],
            Kind::Map { key, elem } => vec![*key, *elem],
            Kind::Struct(fields) => fields.iter().map(|field| field.ty).collect(),
            _ => Vec::new(),
        };
        for component in components {
            if let Ref::Id(id) = component {
                self.define_all(id, new, out)?;
            }
        }
        Ok(())
    }
}
