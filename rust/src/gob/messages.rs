// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bytes as they arrive, cut into messages. Memory is taken as bytes come, not as a length promises them.

use std::io::{self, Read};

use super::number::{Reader, width};
use super::{Error, Result};

/// Bytes received and not used yet.
pub(crate) struct Input<R> {
    pub reader: R,
    /// What was received; messages are given as places in it.
    pub bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// How much memory is taken at a time before the bytes for it are there.
const CHUNK: usize = 4 << 10;
/// What had to be larger than this is given back once it is empty.
const KEPT: usize = 64 << 10;

impl<R: Read> Input<R> {
    /// Nothing received yet.
    pub fn new(reader: R) -> Self {
        Input { reader, bytes: Vec::new(), start: 0, end: 0 }
    }

    /// Whether bytes were received that no message used yet.
    pub fn has_more(&self) -> bool {
        self.start < self.end
    }

    /// Where the next message lies, received completely.
    #[inline]
    pub fn message(&mut self, limit: usize) -> Result<(usize, usize)> {
        // Nearly all are short, and there already.
        if let Some((&count @ 0..0x80, rest)) = self.bytes[self.start..self.end].split_first()
            && usize::from(count) <= rest.len().min(limit)
        {
            let message = (self.start + 1, self.start + 1 + usize::from(count));
            self.start = message.1;
            return Ok(message);
        }
        self.received(limit)
    }

    #[inline(never)]
    fn received(&mut self, limit: usize) -> Result<(usize, usize)> {
        self.need(1).map_err(|error| if self.start == self.end { error } else { Error::UnexpectedEof })?;
        let first = self.bytes[self.start];
        let head = 1 + if first < 0x80 { 0 } else { width(first)? };
        self.need(head).map_err(unexpected)?;
        let count = Reader::new(&self.bytes[self.start..self.start + head]).uint()?;
        let Some(count) = usize::try_from(count).ok().filter(|count| *count <= limit) else {
            return Err(Error::data(format!("gob: invalid message length {count}: the limit is {limit}")));
        };
        self.start += head;
        self.need(count).map_err(unexpected)?;
        let message = (self.start, self.start + count);
        self.start += count;
        Ok(message)
    }

    /// Receives until `count` bytes are there.
    fn need(&mut self, count: usize) -> Result<()> {
        while self.end - self.start < count {
            match self.fill(usize::MAX) {
                Ok(0) => return Err(Error::Eof),
                Ok(_) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(())
    }

    /// Receives once, unless `limit` bytes wait already. Returns how many bytes came; 0 at the end.
    pub fn fill(&mut self, limit: usize) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > KEPT {
                self.bytes = Vec::new();
            }
        }
        if self.bytes.len() - self.end < CHUNK / 4 && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end >= limit {
            return Err(io::Error::other(format!("more than {limit} bytes wait to be read")));
        }
        if self.bytes.len() - self.end < CHUNK / 4 {
            // Grow as bytes arrive: by as much as is there already, at least by one chunk.
            self.bytes.resize(self.end + self.end.max(CHUNK), 0);
        }
        loop {
            match self.reader.read(&mut self.bytes[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Empties a buffer, and gives it back if it is large.
pub(crate) fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT {
        *buffer = Vec::new();
    }
}

/// The end of the stream where it must not end.
pub(crate) fn unexpected(error: Error) -> Error {
    match error {
        Error::Eof => Error::UnexpectedEof,
        other => other,
    }
}
