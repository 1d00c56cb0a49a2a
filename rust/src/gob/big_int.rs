// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `big.Int`, which reads and writes its own bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::bytes::Bytes;
use super::schema::{Kind, Marshaler, Type};
use super::serde::Typed;

/// A Go `big.Int`. Shown in hexadecimal; in JSON as its bytes, in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BigInt {
    negative: bool,
    magnitude: Vec<u8>,
}

/// The version of the format, above the bit for the sign.
const VERSION: u8 = 1;

impl BigInt {
    /// A number from its sign and the big-endian bytes of its magnitude. Zero has no sign.
    pub fn new(negative: bool, magnitude: &[u8]) -> BigInt {
        let first = magnitude.iter().position(|byte| *byte != 0).unwrap_or(magnitude.len());
        BigInt { negative: negative && first < magnitude.len(), magnitude: magnitude[first..].to_vec() }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The big-endian bytes of its magnitude, the first of which is not zero; none for zero.
    pub fn magnitude(&self) -> &[u8] {
        &self.magnitude
    }

    /// The bytes that Go's `GobEncode` makes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION << 1 | u8::from(self.negative)];
        bytes.extend_from_slice(&self.magnitude);
        bytes
    }

    /// Reads what Go's `GobEncode` made; no bytes at all are zero.
    pub fn from_bytes(bytes: &[u8]) -> Option<BigInt> {
        match bytes.split_first() {
            None => Some(BigInt::default()),
            Some((head, magnitude)) if head >> 1 == VERSION => Some(BigInt::new(head & 1 == 1, magnitude)),
            _ => None,
        }
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.magnitude.split_first() else { return f.write_str("0x0") };
        write!(f, "{}0x{first:x}", if self.negative { "-" } else { "" })?;
        rest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for BigInt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(self.to_bytes()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BigInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        BigInt::from_bytes(&bytes.0).ok_or_else(|| de::Error::custom("Int.GobDecode: encoding version not supported"))
    }
}

impl Typed for BigInt {
    fn gob_type() -> &'static Type {
        static INT: Type = Type { name: Cow::Borrowed("Int"), kind: Kind::Opaque(Marshaler::Gob) };
        &INT
    }

    fn go_name() -> Cow<'static, str> {
        Cow::Borrowed("big.Int")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_leading_zeros() {
        let number = BigInt::new(true, &[0, 1, 2]);
        assert_eq!(
            (number.is_negative(), number.magnitude(), number.to_string().as_str()),
            (true, &[1u8, 2][..], "-0x102")
        );
        assert_eq!(number.to_bytes(), [3, 1, 2]);
        assert_eq!(BigInt::from_bytes(&[3, 1, 2]), Some(number));
        assert_eq!(BigInt::new(true, &[0]), BigInt::default());
        assert_eq!(BigInt::default().to_string(), "0x0");
        assert_eq!(BigInt::from_bytes(&[4, 1]), None);
    }
}
