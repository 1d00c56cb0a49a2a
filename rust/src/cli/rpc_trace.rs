// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--rpc-trace`: the RPC calls of a run, a line each as they happen, out of the record of its life.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result, Tried};

/// Reads the record of a running life.
pub struct RpcTrace(JoinHandle<Result<()>>);

/// As much as one packet of the record may have: the default send buffer of a socket.
const PACKET: usize = 256 << 10;

impl RpcTrace {
    /// Starts to print calls to the file `to`, or to stderr for `-`, and to pass the record on. Returns what the record
    /// is to be written to: a socket with packets, so that lines of several processes do not mix.
    pub fn start(to: &OsStr, record: OwnedFd) -> Result<(RpcTrace, OwnedFd)> {
        let out: Box<dyn Write + Send> = match to == "-" {
            true => Box::new(io::stderr()),
            false => Box::new(File::create(to).tried(|| format!("--rpc-trace: open {to:?}"))?),
        };
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (source, sink) = pair.tried(|| "make a socket pair for the record")?;
        let reader = thread::Builder::new().name("rpc-trace".to_owned());
        let reader = reader.spawn(move || follow(&source, File::from(record), out));
        Ok((RpcTrace(reader.tried(|| "start a thread")?), sink))
    }

    /// Waits until the last process of the run has closed the record.
    pub fn finish(self) -> Result<()> {
        self.0.join().unwrap_or_else(|_| Err(Error::invalid("--rpc-trace: the reader of the record panicked")))
    }
}

fn follow(source: &OwnedFd, mut record: File, mut out: Box<dyn Write + Send>) -> Result<()> {
    let mut packet = vec![0; PACKET];
    loop {
        let length = match recv(source, &mut packet[..], RecvFlags::empty()) {
            Ok((0, _)) => return Ok(()),
            Ok((length, _)) => length,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno).tried(|| "read the record"),
        };
        record.write_all(&packet[..length]).tried(|| "write the record")?;
        if let Some(line) = line(&packet[..length]) {
            out.write_all(line.as_bytes()).tried(|| "--rpc-trace: write")?;
        }
    }
}

#[derive(Deserialize)]
struct Call {
    event: String,
    method: String,
    args: Value,
    reply: Value,
    error: Option<String>,
    /// Nanoseconds.
    duration: u64,
}

/// A call as one line; none for every other event.
fn line(record: &[u8]) -> Option<String> {
    let call: Call = serde_json::from_slice(record).ok().filter(|call: &Call| call.event == "rpc")?;
    let (method, args, reply) = (call.method, call.args, call.reply);
    let microseconds = call.duration / 1000;
    Some(match call.error {
        Some(error) => format!("{method}({args}) failed: {error} ({microseconds} µs)\n"),
        None => format!("{method}({args}) = {reply} ({microseconds} µs)\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_other_events() {
        let ok = br#"{"event":"rpc","method":"e.Chdir","args":{"Dir":"/x"},"reply":0,"ok":true,"error":null,"duration":12345}"#;
        assert_eq!(line(ok).unwrap(), "e.Chdir({\"Dir\":\"/x\"}) = 0 (12 µs)\n");
        let failed =
            br#"{"event":"rpc","method":"e.No","args":null,"reply":null,"ok":false,"error":"no","duration":1000}"#;
        assert_eq!(line(failed).unwrap(), "e.No(null) failed: no (1 µs)\n");
        assert!(line(br#"{"event":"step","step":1}"#).is_none());
        assert!(line(b"torn li").is_none());
    }
}
