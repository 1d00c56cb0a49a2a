// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a peer may make this side hold.

/// Bounds on what a stream may send. Going beyond one is an error of the value, or of the stream where its length
/// cannot be trusted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message. Default 16 MiB; Go allows 8 GiB.
    pub message: usize,
    /// Bytes of one value, which may span several messages. Default 64 MiB.
    pub value: usize,
    /// How deep values and types may be nested. Default 64.
    pub depth: u32,
    /// Type definitions of one stream. Default 4096.
    pub definitions: usize,
    /// Bytes of all type definitions of one stream together. Default 4 MiB.
    pub definition_bytes: usize,
    /// Bytes of one name: of a field or a registered type. Default 1024. That of a type may be its whole text.
    pub name: usize,
    /// Elements and fields of one value that is read without its Rust type, where a byte on the wire takes many in
    /// memory. Default 1,048,576.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message: 16 << 20,
            value: 64 << 20,
            depth: 64,
            definitions: 4096,
            definition_bytes: 4 << 20,
            name: 1024,
            elements: 1 << 20,
        }
    }
}
