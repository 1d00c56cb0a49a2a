// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `encoding/gob`: the self-describing format that `net/rpc` speaks.
//!
//! A stream is a list of length-prefixed messages. A message either defines a type, or holds a value of a type
//! defined before. Bottom up: [`number`] reads and writes integers, [`schema`] describes types, [`names`] holds what
//! Go calls registered types, [`notation`] reads types as Go writes them, [`decode`] and [`encode`] are the two ends of a stream, [`serde`](mod@self::serde) maps
//! values to Rust types by Go's rules, [`value`] holds a value whose Go type nobody here knows.
//!
//! Go's rules: fields are matched by name; a field that one side lacks is skipped or keeps its value; zero values are
//! not sent; pointers are flattened. Structures to be decoded therefore need `#[serde(default)]`, which
//! [`gob_struct!`](crate::gob_struct) adds.

mod announce;
pub mod big_int;
pub mod bytes;
mod compile;
pub mod decode;
mod definition;
pub mod encode;
mod gather;
mod known;
pub mod limits;
pub(crate) mod messages;
pub mod names;
pub mod notation;
pub mod number;
pub mod schema;
pub mod serde;
pub mod string;
pub mod time;
pub mod value;

#[cfg(test)]
mod tests;

pub use big_int::BigInt;
pub use bytes::{Array, Bytes, Complex};
pub use decode::{Decoder, Raw};
pub use encode::Encoder;
pub use limits::Limits;
pub use names::Names;
pub use schema::{Id, Type, Types};
pub use serde::Typed;
pub use string::ByteString;
pub use time::Time;
pub use value::{Dynamic, Value};

use std::borrow::Cow;
use std::{fmt, io};

/// What can be wrong with a gob stream. The texts of [`Data`](Error::Data) are Go's where Go has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream ended between two values.
    #[error("EOF")]
    Eof,
    /// The stream ended inside a value.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// The bytes are no gob, do not fit the type asked for, or go beyond a limit. The stream can be read on at
    /// the next message.
    #[error("{0}")]
    Data(Cow<'static, str>),
    /// The stream could not be read.
    #[error("{0}")]
    Io(io::Error),
}

/// A result of the codec.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Bytes or values that cannot be used, in words.
    pub fn data(text: impl Into<Cow<'static, str>>) -> Self {
        Error::Data(text.into())
    }

    /// A type id without a definition.
    pub(crate) fn unknown_type() -> Self {
        Error::data("gob: unknown type id or corrupted data")
    }
}

impl ::serde::de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Error::data(text.to_string())
    }
}

impl ::serde::ser::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Error::data(text.to_string())
    }
}
