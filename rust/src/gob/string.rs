// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's `string`, which may hold any bytes.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A Go `string`: text by convention, but any bytes, since paths are. Up to 30 bytes take no memory elsewhere.
#[derive(Clone)]
pub struct ByteString(Content);

/// Most strings of a call are short, and a call should not have to ask for memory.
#[derive(Clone)]
enum Content {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Vec<u8>),
}

/// As many bytes as fit beside the length in the room of four words.
const SHORT: usize = 30;

impl ByteString {
    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Content::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Content::Long(bytes) => bytes,
        }
    }

    /// Empties it; memory to hold `kept` bytes stays.
    pub(crate) fn clear(&mut self, kept: usize) {
        match &mut self.0 {
            Content::Long(bytes) if bytes.capacity() <= kept => bytes.clear(),
            _ => *self = ByteString::default(),
        }
    }

    /// Takes other bytes, into the memory that is there if they fit.
    #[inline]
    pub(crate) fn set(&mut self, new: &[u8]) {
        match &mut self.0 {
            Content::Short { len, bytes } if new.len() <= SHORT => {
                *len = new.len() as u8;
                bytes[..new.len()].copy_from_slice(new);
            }
            Content::Short { .. } => self.0 = Content::Long(new.to_vec()),
            Content::Long(bytes) => {
                bytes.clear();
                bytes.extend_from_slice(new);
            }
        }
    }

    /// The bytes as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self))
    }

    /// The bytes as text, with a replacement character for what is none.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self)
    }

    /// The bytes themselves.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Content::Short { .. } => self.to_vec(),
            Content::Long(bytes) => bytes,
        }
    }
}

impl Default for ByteString {
    #[inline]
    fn default() -> Self {
        ByteString(Content::Short { len: 0, bytes: [0; SHORT] })
    }
}

impl PartialEq for ByteString {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ByteString {}

impl PartialOrd for ByteString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteString {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other)
    }
}

impl Hash for ByteString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Deref for ByteString {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string_lossy().fmt(f)
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(OsStr::from_bytes(self), f)
    }
}

impl From<&[u8]> for ByteString {
    fn from(bytes: &[u8]) -> Self {
        let mut value = ByteString::default();
        value.set(bytes);
        value
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for ByteString {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        ByteString(Content::Long(bytes))
    }
}

impl From<OsString> for ByteString {
    fn from(text: OsString) -> Self {
        text.into_vec().into()
    }
}

impl From<&Path> for ByteString {
    fn from(path: &Path) -> Self {
        path.as_os_str().as_bytes().into()
    }
}

impl AsRef<[u8]> for ByteString {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsRef<OsStr> for ByteString {
    fn as_ref(&self) -> &OsStr {
        OsStr::from_bytes(self)
    }
}

impl AsRef<Path> for ByteString {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl Serialize for ByteString {
    /// Bytes in gob; in JSON text, with U+FFFD for what is none, as Go's `encoding/json` does.
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_string_lossy())
        } else {
            serializer.serialize_bytes(self)
        }
    }
}

/// Asks this crate's deserializer for a string of any bytes; others take it for the newtype that it is.
pub(crate) static BYTE_STRING: &str = "ByteString";

struct ByteStringVisitor<'a>(&'a mut ByteString);

impl<'de> Visitor<'de> for ByteStringVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.visit_bytes(text.as_bytes())
    }

    #[inline]
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<(), E> {
        self.0.set(bytes);
        Ok(())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_string(self)
    }
}

impl<'de> Deserialize<'de> for ByteString {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = ByteString::default();
        Self::deserialize_in_place(deserializer, &mut value)?;
        Ok(value)
    }

    #[inline]
    fn deserialize_in_place<D: Deserializer<'de>>(deserializer: D, place: &mut Self) -> Result<(), D::Error> {
        deserializer.deserialize_newtype_struct(BYTE_STRING, ByteStringVisitor(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn short_and_long_are_the_same_to_a_reader() {
        for length in [0, 1, 29, 30, 31, 32, 300] {
            let bytes: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let (copied, moved) = (ByteString::from(&bytes[..]), ByteString::from(bytes.clone()));
            assert_eq!(copied.as_bytes(), bytes);
            assert_eq!((&copied, copied.cmp(&moved)), (&moved, Ordering::Equal));
            assert_eq!(HashSet::from([copied.clone(), moved.clone()]).len(), 1);
            assert_eq!((copied.into_vec(), moved.into_vec()), (bytes.clone(), bytes));
        }
    }

    #[test]
    fn other_bytes_take_the_place_of_those_before() {
        let mut value = ByteString::default();
        for length in [5usize, 30, 31, 3, 0, 200, 30] {
            value.set(&vec![length as u8; length]);
            assert_eq!(value.as_bytes(), vec![length as u8; length]);
        }
        value.clear(0);
        assert_eq!(value, ByteString::default());
    }

    #[test]
    fn json_has_it_as_text() {
        let value: ByteString = serde_json::from_str(r#""a\u00e9""#).unwrap();
        assert_eq!(value, "a\u{e9}".into());
        assert_eq!(serde_json::to_string(&ByteString::from(vec![b'a', 0xff])).unwrap(), "\"a\u{fffd}\"");
        assert!(serde_json::from_str::<ByteString>("3").is_err());
    }
}
