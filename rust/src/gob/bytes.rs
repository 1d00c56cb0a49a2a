// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rust types for what Go can send and serde has no type for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::number::Reader;
use super::schema::{self, Kind, Ref, Type};
use super::serde::Typed;

/// A Go `[]byte`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

/// A Go `[N]T` of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<T, const N: usize>(pub [T; N]);

/// A Go `complex128`: real and imaginary part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex(pub f64, pub f64);

impl Serialize for Bytes {
    /// Bytes in gob; base64 in JSON, as Go's `encoding/json` does.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&to_base64(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return from_base64(&text).map(Bytes).ok_or_else(|| de::Error::custom("not valid base64"));
        }
        deserializer.deserialize_byte_buf(BytesVisitor).map(Bytes)
    }
}

impl<T: Default + Copy, const N: usize> Default for Array<T, N> {
    fn default() -> Self {
        Array([T::default(); N])
    }
}

impl<T: Serialize, const N: usize> Serialize for Array<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        self.0.iter().try_for_each(|element| tuple.serialize_element(element))?;
        tuple.end()
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Array<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const N: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
            type Value = Array<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of {N} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut array = Vec::with_capacity(N);
                while let Some(element) = elements.next_element()? {
                    array.push(element);
                }
                let count = array.len();
                array.try_into().map(Array).map_err(|_| de::Error::invalid_length(count, &self))
            }
        }

        deserializer.deserialize_tuple(N, Elements(std::marker::PhantomData))
    }
}

impl Complex {
    /// The parts from their bytes, as [`Serialize`] hands them to the encoder: whether a number is zero must be known
    /// before any of it is written.
    pub(crate) fn from_parts(bytes: &[u8]) -> Option<(f64, f64)> {
        let (real, imaginary) = bytes.split_first_chunk()?;
        Some((f64::from_be_bytes(*real), f64::from_be_bytes(imaginary.try_into().ok()?)))
    }
}

impl Serialize for Complex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return (self.0, self.1).serialize(serializer);
        }
        let mut parts = [0; 16];
        parts[..8].copy_from_slice(&self.0.to_be_bytes());
        parts[8..].copy_from_slice(&self.1.to_be_bytes());
        serializer.serialize_bytes(&parts)
    }
}

impl<'de> Deserialize<'de> for Complex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(f64, f64)>::deserialize(deserializer).map(|(real, imaginary)| Complex(real, imaginary))
    }
}

impl Typed for Bytes {
    fn gob_type() -> &'static Type {
        &schema::BYTES
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("[]uint8")
    }
}

impl Typed for Complex {
    fn gob_type() -> &'static Type {
        &schema::COMPLEX
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("complex128")
    }
}

impl<T: Typed, const N: usize> Typed for [T; N] {
    fn gob_type() -> &'static Type {
        Array::<T, N>::gob_type()
    }

    fn go_name() -> Cow<'static, str> {
        Array::<T, N>::go_name()
    }
}

impl<T: Typed, const N: usize> Typed for Array<T, N> {
    fn gob_type() -> &'static Type {
        const { &Type { name: Cow::Borrowed(""), kind: Kind::Array { elem: Ref::Static(T::gob_type), len: N } } }
    }

    fn go_name() -> Cow<'static, str> {
        format!("[{N}]{}", T::go_name()).into()
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as JSON shows them.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().enumerate().fold(0u32, |bits, (place, byte)| bits | u32::from(*byte) << (16 - 8 * place));
        for digit in 0..4 {
            let shown = digit <= group.len();
            text.push(if shown { char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]) } else { '=' });
        }
    }
    text
}

/// Reads bytes as JSON shows them.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let complete = text.len().is_multiple_of(4) && text.len() - digits.len() <= 2;
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for (place, digit) in group.iter().enumerate() {
            bits |= (DIGITS.iter().position(|known| known == digit)? as u32) << (18 - 6 * place);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    complete.then_some(bytes)
}

/// Reads the parts of a complex number.
pub(crate) fn complex(reader: &mut Reader<'_>) -> super::Result<(f64, f64)> {
    Ok((reader.float()?, reader.float()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn base64_survives(bytes: Vec<u8>) {
            prop_assert_eq!(from_base64(&to_base64(&bytes)), Some(bytes));
        }
    }
}
