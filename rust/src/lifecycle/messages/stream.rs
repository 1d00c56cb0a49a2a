// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The core's own bytes on the stream between master and the container process.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys::event;
use crate::trace;

/// The core's own bytes on the stream between master and the container process (`spec`: line 8 of what engines rely
/// on). What follows them belongs to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// To the container: the id maps are written.
    MapsWritten,
    /// To master: the namespaces are ready.
    NamespacesReady,
    /// To the container: master has joined the shared mount namespace.
    Joined,
    /// To master: StartProcess failed.
    StartFailed,
}

impl Handshake {
    /// Its byte.
    pub const fn byte(self) -> u8 {
        match self {
            Handshake::MapsWritten | Handshake::NamespacesReady | Handshake::Joined => 1,
            Handshake::StartFailed => b'f',
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Handshake::MapsWritten => "maps written",
            Handshake::NamespacesReady => "namespaces ready",
            Handshake::Joined => "joined",
            Handshake::StartFailed => "start failed",
        }
    }

    /// Sends it.
    pub fn send(self, mut stream: &UnixStream) -> Result<()> {
        trace::message("send", self.name());
        stream.write_all(&[self.byte()]).map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => {
                Error::new(ErrorKind::PeerDied, format!("say '{}': the other process is gone", self.name()))
            }
            _ => Error::io(format!("say '{}'", self.name()), &error),
        })
    }

    /// Expects it within `limit`. End-of-file is an error of kind [`PeerDied`](ErrorKind::PeerDied).
    pub fn expect(self, stream: &UnixStream, limit: Duration) -> Result<()> {
        let ready = event::wait_readable(&[stream.as_fd()], Some(limit))?;
        if !ready[0] {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("wait for '{}': nothing came within {} ms", self.name(), limit.as_millis()),
            ));
        }
        self.take(stream)
    }

    /// Reads it where it is known to be readable.
    pub fn take(self, stream: &UnixStream) -> Result<()> {
        match read_byte(stream)? {
            Some(byte) if byte == self.byte() => {
                trace::message("receive", self.name());
                Ok(())
            }
            Some(byte) => Err(Error::new(
                ErrorKind::Protocol,
                format!("wait for '{}': byte {byte:#04x} came instead", self.name()),
            )),
            None => {
                Err(Error::new(ErrorKind::PeerDied, format!("wait for '{}': the other process ended", self.name())))
            }
        }
    }
}

/// One byte of the stream; `None` at its end.
pub fn read_byte(mut stream: &UnixStream) -> Result<Option<u8>> {
    let mut byte = [0u8; 1];
    loop {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(Error::io("read from the master socket", &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_peer_is_an_answer_and_not_a_hang() {
        let (stream, peer) = UnixStream::pair().expect("pair");
        drop(peer);
        let error = Handshake::NamespacesReady.expect(&stream, Duration::from_secs(60)).expect_err("no peer");
        assert_eq!(error.kind(), ErrorKind::PeerDied);
    }

    #[test]
    fn another_message_than_the_expected_one_is_named() {
        let (stream, peer) = UnixStream::pair().expect("pair");
        Handshake::StartFailed.send(&peer).expect("send");
        let error = Handshake::NamespacesReady.expect(&stream, Duration::from_secs(60)).expect_err("wrong byte");
        assert_eq!(error.to_string(), "wait for 'namespaces ready': byte 0x66 came instead");
    }

    #[test]
    fn a_silent_peer_ends_the_wait() {
        let (stream, _peer) = UnixStream::pair().expect("pair");
        let error = Handshake::Joined.expect(&stream, Duration::from_millis(1)).expect_err("silence");
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
}
