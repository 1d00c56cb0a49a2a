// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rust types by Go's rules: what a type looks like in gob, and serde in both directions.
//!
//! | Go | Rust |
//! | --- | --- |
//! | bool, integers, floats, complex | the same, [`Complex`](super::Complex) |
//! | string | [`ByteString`], `String` |
//! | []byte | [`Bytes`](super::Bytes), `Vec<u8>` |
//! | \[N\]T, []T, map | `[T; N]` up to 32 and [`Array`](super::Array), `Vec`, `BTreeMap` and `HashMap` |
//! | struct | [`gob_struct!`](crate::gob_struct) |
//! | pointer | `Option`, `Box`, or the value itself |
//! | interface | an enum of newtype variants renamed to the registered names, `Option` of it for nil |
//! | `GobEncoder`, `BinaryMarshaler` | a type of [`Kind::Opaque`], like [`Time`](super::Time) |

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::de::{Deserialize, DeserializeSeed, Deserializer};

use super::schema::{self, Kind, Ref, Type};
use super::string::ByteString;

pub(crate) mod de;
pub(crate) mod ser;
pub(crate) mod walk;

/// A Rust type that has a gob type. Its `Serialize` must agree with it; what does not is an error while encoding.
pub trait Typed {
    /// Whether it is a byte: a slice of it is a `[]byte` then.
    const IS_BYTE: bool = false;

    /// The type's description, one and the same at every call.
    fn gob_type() -> &'static Type;

    /// The type as Go writes it: `[]uint8`, `rpc.MkdirArgs`.
    fn go_name() -> Cow<'static, str> {
        Self::gob_type().name.clone()
    }
}

macro_rules! typed {
    ($($kind:ident: $($ty:ty = $go:literal),*;)*) => {
        $($(impl Typed for $ty {
            fn gob_type() -> &'static Type {
                &schema::$kind
            }

            fn go_name() -> Cow<'static, str> {
                Cow::Borrowed($go)
            }
        })*)*
    };
}

typed! {
    BOOL: bool = "bool";
    INT: i8 = "int8", i16 = "int16", i32 = "int32", i64 = "int64", isize = "int";
    UINT: u16 = "uint16", u32 = "uint32", u64 = "uint64", usize = "uint";
    FLOAT: f32 = "float32", f64 = "float64";
    STRING: String = "string", str = "string", ByteString = "string";
}

impl Typed for u8 {
    const IS_BYTE: bool = true;

    fn gob_type() -> &'static Type {
        &schema::UINT
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("uint8")
    }
}

impl Typed for () {
    /// Go's `struct{}`.
    fn gob_type() -> &'static Type {
        static EMPTY: Type = Type { name: Cow::Borrowed(""), kind: Kind::Struct(Cow::Borrowed(&[])) };
        &EMPTY
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("struct {}")
    }
}

impl<T: Typed> Typed for Vec<T> {
    fn gob_type() -> &'static Type {
        if T::IS_BYTE {
            return &schema::BYTES;
        }
        const { &Type { name: Cow::Borrowed(""), kind: Kind::Slice { elem: Ref::Static(T::gob_type) } } }
    }

    fn go_name() -> Cow<'static, str> {
        format!("[]{}", T::go_name()).into()
    }
}

macro_rules! transparent {
    ($($ty:ty),*) => {
        $(impl<T: Typed + ?Sized> Typed for $ty {
            fn gob_type() -> &'static Type {
                T::gob_type()
            }

            fn go_name() -> Cow<'static, str> {
                T::go_name()
            }
        })*
    };
}

transparent!(&T, Box<T>);

impl<T: Typed> Typed for Option<T> {
    fn gob_type() -> &'static Type {
        T::gob_type()
    }

    /// A pointer; `None` of an interface is nil.
    fn go_name() -> Cow<'static, str> {
        match T::gob_type().kind {
            Kind::Interface => T::go_name(),
            _ => format!("*{}", T::go_name()).into(),
        }
    }
}

macro_rules! maps {
    ($($map:ident),*) => {
        $(impl<K: Typed, V: Typed> Typed for $map<K, V> {
            fn gob_type() -> &'static Type {
                const {
                    &Type {
                        name: Cow::Borrowed(""),
                        kind: Kind::Map { key: Ref::Static(K::gob_type), elem: Ref::Static(V::gob_type) },
                    }
                }
            }

            fn go_name() -> Cow<'static, str> {
                format!("map[{}]{}", K::go_name(), V::go_name()).into()
            }
        })*
    };
}

maps!(BTreeMap, HashMap);

/// Declares a struct with its Go names: the Rust struct, serde for it, and its gob type from one list. In messages it
/// belongs to a Go package `rpc`, where engines have their arguments; the Go type of a field that Rust has no name for
/// stands behind the field's name.
///
/// ```
/// pinion::gob_struct! {
///     /// The arguments of Mkdir.
///     pub struct MkdirArgs as "MkdirArgs" {
///         /// The path to make.
///         pub path: pinion::gob::ByteString as "Path",
///         /// Permission bits.
///         pub perm: u32 as "Perm" ("fs.FileMode"),
///     }
/// }
/// ```
#[macro_export]
macro_rules! gob_struct {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident as $go:literal {
            $($(#[$field_attribute:meta])* $field_visible:vis $field:ident: $ty:ty as $field_go:literal $(($local:literal))?,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize)]
        #[serde(rename = $go)]
        $visible struct $name {
            $($(#[$field_attribute])* #[serde(rename = $field_go)] $field_visible $field: $ty,)*
        }

        $crate::gob_struct_fields! { $name as $go { $($field as $field_go,)* } }

        impl $crate::gob::Typed for $name {
            fn gob_type() -> &'static $crate::gob::Type {
                use ::std::borrow::Cow;
                use $crate::gob::schema::{Field, Kind, Ref};
                static FIELDS: &[Field] = &[
                    $(Field {
                        name: Cow::Borrowed($field_go),
                        ty: Ref::Static(<$ty as $crate::gob::Typed>::gob_type),
                        local: Some($crate::gob_local!($ty $(, $local)?)),
                    },)*
                ];
                static TYPE: $crate::gob::Type =
                    $crate::gob::Type { name: Cow::Borrowed($go), kind: Kind::Struct(Cow::Borrowed(FIELDS)) };
                &TYPE
            }

            fn go_name() -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed(concat!("rpc.", $go))
            }
        }
    };
}

/// What Go calls the type of a field: what it calls the Rust type, unless told otherwise.
#[doc(hidden)]
#[macro_export]
macro_rules! gob_local {
    ($ty:ty) => {
        <$ty as $crate::gob::Typed>::go_name
    };
    ($ty:ty, $local:literal) => {
        || ::std::borrow::Cow::Borrowed($local)
    };
}

/// Reading a struct of [`gob_struct!`](crate::gob_struct): what the derived form does, but each field is written where
/// it belongs as it comes, with its zero there before.
#[doc(hidden)]
#[macro_export]
macro_rules! gob_struct_fields {
    ($name:ident as $go:literal { $($field:ident as $field_go:literal,)* }) => {
        const _: () = {
            use ::serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

            #[allow(non_camel_case_types)]
            enum Field {
                $($field,)*
            }

            struct Key;

            impl<'de> DeserializeSeed<'de> for Key {
                type Value = Option<Field>;

                #[inline]
                fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
                    deserializer.deserialize_identifier(self)
                }
            }

            impl<'de> Visitor<'de> for Key {
                type Value = Option<Field>;

                fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.write_str("a field's name")
                }

                #[inline]
                fn visit_str<E: Error>(self, name: &str) -> Result<Option<Field>, E> {
                    Ok(match name {
                        $($field_go => Some(Field::$field),)*
                        _ => None,
                    })
                }
            }

            struct Fields<'a>(&'a mut $name);

            impl<'de> Visitor<'de> for Fields<'_> {
                type Value = ();

                fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.write_str(concat!("struct ", $go))
                }

                #[inline]
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                    while let Some(key) = map.next_key_seed(Key)? {
                        match key {
                            $(Some(Field::$field) => {
                                map.next_value_seed($crate::gob::serde::Place(&mut self.0.$field))?;
                            })*
                            None => {
                                map.next_value::<IgnoredAny>()?;
                            }
                        }
                    }
                    Ok(())
                }
            }

            impl<'de> Deserialize<'de> for $name {
                #[inline]
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let mut value = Self::default();
                    Self::deserialize_in_place(deserializer, &mut value)?;
                    Ok(value)
                }

                #[inline]
                fn deserialize_in_place<D: Deserializer<'de>>(
                    deserializer: D,
                    place: &mut Self,
                ) -> Result<(), D::Error> {
                    deserializer.deserialize_struct($go, &[$($field_go),*], Fields(place))
                }
            }
        };
    };
}

/// Where a value is to be read to.
#[doc(hidden)]
pub struct Place<'a, T>(pub &'a mut T);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Place<'_, T> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        T::deserialize_in_place(deserializer, self.0)
    }
}
