// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Integers, floats and counted bytes, and the cursor they are read with.

use super::{Error, Result};

/// A cursor over the bytes that are there. Every length is checked against them.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Passes over bytes, at most over those that are there.
    pub fn skip(&mut self, count: usize) {
        self.bytes = self.bytes.get(count..).unwrap_or_default();
    }

    /// An unsigned integer: one byte below 128, or the negated count of the big-endian bytes that follow.
    #[inline]
    pub fn uint(&mut self) -> Result<u64> {
        let (&first, rest) = self.bytes.split_first().ok_or(Error::Eof)?;
        self.bytes = rest;
        if first < 0x80 { Ok(u64::from(first)) } else { self.digits(first) }
    }

    /// What follows a first byte of 128 or more. Apart, so that the common case is small enough to be put in place.
    #[inline(never)]
    fn digits(&mut self, first: u8) -> Result<u64> {
        let count = width(first)?;
        let digits = self.take(count).map_err(|_| Error::UnexpectedEof)?;
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)))
    }

    /// A signed integer: bit 0 says that the others are complemented.
    #[inline]
    pub fn int(&mut self) -> Result<i64> {
        let number = self.uint()?;
        let magnitude = (number >> 1).cast_signed();
        Ok(if number & 1 == 1 { !magnitude } else { magnitude })
    }

    /// A float: its bits with the bytes reversed, as an unsigned integer.
    pub fn float(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.uint()?.swap_bytes()))
    }

    /// A boolean: 0 or not.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.uint()? != 0)
    }

    /// A length and as many bytes.
    #[inline]
    pub fn counted(&mut self, what: &str) -> Result<&'a [u8]> {
        let count = self.uint()?;
        match usize::try_from(count).ok().and_then(|count| self.bytes.split_at_checked(count)) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(self.beyond(what, count)),
        }
    }

    /// A number of elements, each of which takes at least one byte.
    pub fn count(&mut self, what: &str) -> Result<usize> {
        let count = self.uint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() => Ok(count),
            _ => Err(self.beyond(what, count)),
        }
    }

    #[cold]
    fn beyond(&self, what: &str, count: u64) -> Error {
        Error::data(format!("gob: invalid {what} length {count}: exceeds input size {}", self.left()))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Error::UnexpectedEof)?;
        self.bytes = rest;
        Ok(taken)
    }
}

/// How many bytes follow a first byte of 128 or more.
pub fn width(first: u8) -> Result<usize> {
    match first.wrapping_neg() {
        count @ 1..=8 => Ok(usize::from(count)),
        _ => Err(Error::data("gob: encoded unsigned integer out of range")),
    }
}

/// Appends an unsigned integer in its shortest form.
#[inline]
pub fn put_uint(out: &mut Vec<u8>, number: u64) {
    if number < 0x80 { out.push(number as u8) } else { put_digits(out, number) }
}

#[inline(never)]
fn put_digits(out: &mut Vec<u8>, number: u64) {
    let (width, digits) = shortest(number);
    out.push(width.wrapping_neg());
    out.extend_from_slice(&digits[digits.len() - usize::from(width)..]);
}

/// Appends a signed integer.
#[inline]
pub fn put_int(out: &mut Vec<u8>, number: i64) {
    let bits = number.cast_unsigned();
    put_uint(out, if number < 0 { !bits << 1 | 1 } else { bits << 1 });
}

/// Appends a float.
pub fn put_float(out: &mut Vec<u8>, number: f64) {
    put_uint(out, number.to_bits().swap_bytes());
}

/// Appends a length and the bytes.
#[inline]
pub fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Sets the byte at `place` to the number of the bytes behind it, which makes room where one byte is not enough.
#[inline]
pub fn set_count(out: &mut Vec<u8>, place: usize) {
    match out.len() - place - 1 {
        count @ 0..0x80 => out[place] = count as u8,
        count => set_long_count(out, place, count as u64),
    }
}

#[inline(never)]
fn set_long_count(out: &mut Vec<u8>, place: usize, count: u64) {
    let (width, digits) = shortest(count);
    out[place] = width.wrapping_neg();
    out.splice(place + 1..place + 1, digits.into_iter().skip(digits.len() - usize::from(width)));
}

/// How many big-endian digits a number needs, and all eight.
fn shortest(number: u64) -> (u8, [u8; 8]) {
    (8 - (number.leading_zeros() / 8) as u8, number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_format() {
        let mut out = Vec::new();
        put_uint(&mut out, 7);
        put_uint(&mut out, 256);
        put_int(&mut out, -129);
        put_float(&mut out, 17.0);
        assert_eq!(out, [7, 0xfe, 1, 0, 0xfe, 1, 1, 0xfe, 0x31, 0x40]);
    }

    #[test]
    fn longer_forms_are_read_and_too_long_ones_refused() {
        assert_eq!(Reader::new(&[0xfd, 0, 0, 5]).uint().unwrap(), 5);
        let error = Reader::new(&[0xf7, 0, 0, 0, 0, 0, 0, 0, 0, 5]).uint().unwrap_err();
        assert_eq!(error.to_string(), "gob: encoded unsigned integer out of range");
        assert!(matches!(Reader::new(&[0xfe, 1]).uint(), Err(Error::UnexpectedEof)));
    }

    #[test]
    fn a_length_beyond_the_bytes_is_refused() {
        let mut bytes = Vec::new();
        put_uint(&mut bytes, u64::MAX);
        bytes.push(1);
        assert!(Reader::new(&bytes).counted("string").unwrap_err().to_string().contains("exceeds input size 1"));
        assert!(Reader::new(&bytes).count("slice").is_err());
    }

    proptest! {
        #[test]
        fn numbers_survive(signed: i64, unsigned: u64, float: f64) {
            let mut out = Vec::new();
            put_int(&mut out, signed);
            put_uint(&mut out, unsigned);
            put_float(&mut out, float);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.int().unwrap(), signed);
            prop_assert_eq!(reader.uint().unwrap(), unsigned);
            prop_assert_eq!(reader.float().unwrap().to_bits(), float.to_bits());
            prop_assert_eq!(reader.left(), 0);
        }
    }
}
