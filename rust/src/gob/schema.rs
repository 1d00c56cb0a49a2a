// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types as a stream describes them.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use super::{Error, Result};

/// The number of a type in one stream. Below 64 are built-in types.
pub type Id = i32;

/// The first id of this side's own definitions: that of the first type in a Go process.
pub const FIRST_OWN_ID: Id = FIRST_USER_ID;
/// The first id that Go accepts a definition for.
pub const FIRST_USER_ID: Id = 64;

/// A type: its Go name, which only informs, and what it is made of.
#[derive(Debug)]
pub struct Type {
    /// The name without its package; empty for types like `[]int`.
    pub name: Cow<'static, str>,
    /// What values of the type are made of.
    pub kind: Kind,
}

/// What values of a type are made of.
#[derive(Debug)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `int` to `int64`
    Int,
    /// `uint` to `uint64`, `uintptr`
    Uint,
    /// `float32`, `float64`
    Float,
    /// `[]byte`
    Bytes,
    /// `string`: any bytes
    String,
    /// `complex64`, `complex128`
    Complex,
    /// Any interface: a value that brings its registered name and type.
    Interface,
    /// `[len]elem`
    Array {
        /// The type of the elements.
        elem: Ref,
        /// Their number.
        len: usize,
    },
    /// `[]elem`
    Slice {
        /// The type of the elements.
        elem: Ref,
    },
    /// `map[key]elem`
    Map {
        /// The type of the keys.
        key: Ref,
        /// The type of the elements.
        elem: Ref,
    },
    /// The exported fields in the order of their declaration.
    Struct(Cow<'static, [Field]>),
    /// Bytes that the type makes and reads itself.
    Opaque(Marshaler),
}

/// Which pair of Go methods makes and reads the bytes of an opaque type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marshaler {
    /// `GobEncode` and `GobDecode`
    Gob,
    /// `MarshalBinary` and `UnmarshalBinary`
    Binary,
    /// `MarshalText` and `UnmarshalText`: reserved by the format, not sent by Go.
    Text,
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// The Go name.
    pub name: Cow<'static, str>,
    /// The type of the field.
    pub ty: Ref,
    /// The type as the Go program writes it that the Rust type stands for. Streams do not say.
    pub local: Option<fn() -> Cow<'static, str>>,
}

/// Names the type of a component, which may be the very type that holds it.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// The description of a Rust type.
    Static(fn() -> &'static Type),
    /// A type of the [`Types`] at hand.
    Id(Id),
}

/// Holds a type, be it of a Rust type or of a stream.
#[derive(Clone, Debug)]
pub enum Handle {
    /// The description of a Rust type.
    Static(&'static Type),
    /// A type of some [`Types`].
    Shared(Arc<Type>),
}

impl Deref for Handle {
    type Target = Type;

    fn deref(&self) -> &Type {
        match self {
            Handle::Static(ty) => ty,
            Handle::Shared(ty) => ty,
        }
    }
}

/// The types that one stream has defined, or that a caller declares at run time.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// Sorted by id; ids arrive nearly in order.
    defined: Vec<(Id, Arc<Type>)>,
}

impl Types {
    /// How many types are defined.
    pub fn len(&self) -> usize {
        self.defined.len()
    }

    /// Whether no type is defined.
    pub fn is_empty(&self) -> bool {
        self.defined.is_empty()
    }

    /// Defines the type `id`. A second definition is an error, as it is in Go.
    pub fn define(&mut self, id: Id, ty: Type) -> Result<()> {
        match self.defined.binary_search_by_key(&id, |(id, _)| *id) {
            Err(place) if id >= FIRST_USER_ID => {
                self.defined.insert(place, (id, Arc::new(ty)));
                Ok(())
            }
            _ => Err(Error::data("gob: duplicate type received")),
        }
    }

    /// Whether both have defined the same types under the same numbers, as two streams of one program do.
    pub(crate) fn same(&self, other: &Types) -> bool {
        self.len() == other.len()
            && self.defined.iter().zip(&other.defined).all(|((id, ty), (other_id, other))| {
                id == other_id && (Arc::ptr_eq(ty, other) || ty.name == other.name && ty.kind.same(&other.kind))
            })
    }

    /// Takes back the definitions from `id` on.
    pub(crate) fn forget_from(&mut self, id: Id) {
        self.defined.retain(|(defined, _)| *defined < id);
    }

    /// The type `id`, built-in or defined.
    #[inline]
    pub fn get(&self, id: Id) -> Result<&Type> {
        if id < FIRST_USER_ID {
            return builtin(id);
        }
        let place = self.defined.binary_search_by_key(&id, |(id, _)| *id).map_err(|_| Error::unknown_type())?;
        Ok(&self.defined[place].1)
    }

    /// The type `id` to keep.
    pub fn handle(&self, id: Id) -> Result<Handle> {
        if id < FIRST_USER_ID {
            return builtin(id).map(Handle::Static);
        }
        let place = self.defined.binary_search_by_key(&id, |(id, _)| *id).map_err(|_| Error::unknown_type())?;
        Ok(Handle::Shared(self.defined[place].1.clone()))
    }

    /// The type that a component has.
    #[inline]
    pub fn resolve(&self, component: Ref) -> Result<&Type> {
        match component {
            Ref::Static(ty) => Ok(ty()),
            Ref::Id(id) => self.get(id),
        }
    }

    /// The type that a component has, to keep.
    pub fn resolve_handle(&self, component: Ref) -> Result<Handle> {
        match component {
            Ref::Static(ty) => Ok(Handle::Static(ty())),
            Ref::Id(id) => self.handle(id),
        }
    }

    /// Whether a value of the type may hold an interface value, and so may span messages. Every component must be
    /// defined.
    pub fn holds_interface(&self, id: Id) -> Result<bool> {
        let mut seen = Vec::new();
        let mut open = vec![id];
        let mut found = false;
        while let Some(id) = open.pop() {
            let kind = &self.get(id)?.kind;
            found |= matches!(kind, Kind::Interface);
            let mut visit = |component: Ref| {
                if let Ref::Id(id) = component
                    && (id >= FIRST_USER_ID || id == INTERFACE_ID || builtin(id).is_err())
                    && !seen.contains(&id)
                {
                    seen.push(id);
                    open.push(id);
                }
            };
            match kind {
                Kind::Array { elem, .. } | Kind::Slice { elem } => visit(*elem),
                Kind::Map { key, elem } => {
                    visit(*key);
                    visit(*elem);
                }
                Kind::Struct(fields) => fields.iter().for_each(|field| visit(field.ty)),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The type in Go's notation, for messages.
    pub fn describe(&self, ty: &Type) -> String {
        self.describe_to(ty, 4)
    }

    fn describe_to(&self, ty: &Type, depth: u32) -> String {
        let component = |component: Ref| match self.resolve(component) {
            Ok(ty) if depth > 0 => self.describe_to(ty, depth - 1),
            _ => "...".to_owned(),
        };
        match &ty.kind {
            _ if !ty.name.is_empty() => ty.name.clone().into_owned(),
            Kind::Array { elem, len } => format!("[{len}]{}", component(*elem)),
            Kind::Slice { elem } => format!("[]{}", component(*elem)),
            Kind::Map { key, elem } => format!("map[{}]{}", component(*key), component(*elem)),
            Kind::Struct(_) => "struct".to_owned(),
            _ => "opaque".to_owned(),
        }
    }
}

impl Kind {
    fn same(&self, other: &Kind) -> bool {
        let both = |one: &Ref, other: &Ref| matches!((one, other), (Ref::Id(one), Ref::Id(other)) if one == other);
        match (self, other) {
            (Kind::Array { elem, len }, Kind::Array { elem: there, len: count }) => both(elem, there) && len == count,
            (Kind::Slice { elem }, Kind::Slice { elem: there }) => both(elem, there),
            (Kind::Map { key, elem }, Kind::Map { key: other, elem: there }) => both(key, other) && both(elem, there),
            (Kind::Struct(fields), Kind::Struct(others)) => {
                let mut pairs = fields.iter().zip(others.iter());
                fields.len() == others.len()
                    && pairs.all(|(one, there)| one.name == there.name && both(&one.ty, &there.ty))
            }
            (Kind::Opaque(one), Kind::Opaque(there)) => one == there,
            (one, there) => one.builtin_id().is_some() && one.builtin_id() == there.builtin_id(),
        }
    }
}

const INTERFACE_ID: Id = 8;

macro_rules! builtins {
    ($($id:literal $constant:ident $name:literal $kind:ident;)*) => {
        $(#[doc = concat!("The built-in type `", $name, "`.")]
        pub static $constant: Type = Type { name: Cow::Borrowed($name), kind: Kind::$kind };)*

        fn scalar(id: Id) -> Option<&'static Type> {
            match id {
                $($id => Some(&$constant),)*
                _ => None,
            }
        }

        impl Kind {
            /// The id that every stream knows the type by, if it is a built-in one.
            pub fn builtin_id(&self) -> Option<Id> {
                match self {
                    $(Kind::$kind => Some($id),)*
                    _ => None,
                }
            }
        }
    };
}

builtins! {
    1 BOOL "bool" Bool;
    2 INT "int" Int;
    3 UINT "uint" Uint;
    4 FLOAT "float" Float;
    5 BYTES "bytes" Bytes;
    6 STRING "string" String;
    7 COMPLEX "complex" Complex;
    8 INTERFACE "interface" Interface;
}

fn builtin(id: Id) -> Result<&'static Type> {
    scalar(id).ok_or_else(Error::unknown_type)
}
