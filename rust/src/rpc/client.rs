// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calling side. Requests can be sent ahead and their replies taken later, in any order.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::link::Link;
use super::wire::{Request, Response};
use crate::error::{Error, ErrorKind, Result};
use crate::gob::{self, Decoder, Encoder, Id, Limits, Names, Raw, Typed};

/// A connection to a server of net/rpc.
pub struct Client {
    decoder: Decoder<Link>,
    encoder: Encoder,
    service: String,
    limit: Option<Duration>,
    next_seq: u64,
    awaited: BTreeSet<u64>,
    /// Replies that came before they were asked for.
    early: HashMap<u64, Answer>,
    /// The connection ended, or its stream cannot be followed any more.
    ended: bool,
    limits: Limits,
    names: Names,
    scratch: Vec<u8>,
}

enum Answer {
    Value(Id, Vec<u8>),
    Failed(String),
}

impl Client {
    /// A client of the service `service` at the other end of `stream`, with default limits and without a time limit.
    pub fn new(stream: UnixStream, service: &str) -> Client {
        let limits = Limits::default();
        Client {
            decoder: Decoder::new(Link::new(stream, usize::MAX), limits.clone()),
            encoder: Encoder::new(),
            service: service.to_owned(),
            limit: None,
            next_seq: 0,
            awaited: BTreeSet::new(),
            early: HashMap::new(),
            ended: false,
            limits,
            names: Names::new(),
            scratch: Vec::new(),
        }
    }

    /// The longest wait for one reply; for ever without. A reply that comes too late ends the connection.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Option<Duration>) -> Client {
        self.limit = limit;
        self
    }

    /// The registered types of interface values in arguments and replies. To be set before the first call.
    #[must_use]
    pub fn with_names(mut self, names: Names) -> Client {
        self.encoder = Encoder::with_names(names.clone());
        self.decoder.set_names(names.clone());
        self.names = names;
        self
    }

    /// Prepares a request; it goes out with the next [`flush`](Self::flush) or [`receive`](Self::receive), together
    /// with all prepared before. Returns its number. If the argument cannot be encoded nothing is sent.
    pub fn send<A: Typed + Serialize + ?Sized>(&mut self, method: &str, args: &A) -> Result<u64> {
        let service_method = format!("{}.{method}", self.service);
        if self.ended {
            return Err(shut_down(&service_method));
        }
        self.scratch.clear();
        let encoded = self.encoder.encode(args, &mut self.scratch);
        let seq = self.next_seq;
        let out = self.decoder.reader_mut().out();
        if encoded.is_ok() {
            let request = Request { service_method: service_method.clone().into(), seq };
            self.encoder.encode(&request, out).map_err(|error| cannot_send(&service_method, &error))?;
        }
        // Without the argument these are definitions alone, which later values may rely on.
        out.append(&mut self.scratch);
        encoded.map_err(|error| cannot_send(&service_method, &error))?;
        self.next_seq += 1;
        self.awaited.insert(seq);
        Ok(seq)
    }

    /// Sends what was prepared, taking in replies that arrive meanwhile.
    pub fn flush(&mut self) -> Result<()> {
        self.decoder.reader_mut().set_limit(self.limit);
        self.flush_all().map_err(|error| self.broken("send requests", gob::Error::Io(error)))
    }

    fn flush_all(&mut self) -> io::Result<()> {
        while self.decoder.reader_mut().push()? {
            if self.decoder.reader_mut().wait(true)? && self.decoder.receive_more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Waits for the reply to the request `seq`. The server's own error has kind [`ErrorKind::Rpc`] and its very
    /// text; its death is [`ErrorKind::PeerDied`], a wait too long [`ErrorKind::Timeout`].
    pub fn receive<R: DeserializeOwned>(&mut self, seq: u64) -> Result<R> {
        let what = format!("receive reply {seq} of {}", self.service);
        if let Some(answer) = self.early.remove(&seq) {
            return match answer {
                Answer::Failed(text) => Err(Error::new(ErrorKind::Rpc, text)),
                Answer::Value(id, bytes) => {
                    let raw = Raw::own(self.decoder.types(), &self.names, &self.limits, id, &bytes);
                    raw.to().map_err(|error| bad_reply(&what, &error))
                }
            };
        }
        if !self.awaited.contains(&seq) {
            return Err(Error::invalid(format!("{what}: not awaited")));
        }
        if self.ended {
            return Err(shut_down(&what));
        }
        self.decoder.reader_mut().set_limit(self.limit);
        loop {
            let header = self.header(&what)?;
            let body = match self.decoder.next_value() {
                Ok(body) => body,
                Err(error) => return Err(self.broken(&what, error)),
            };
            if !header.error.is_empty() {
                let text = header.error.to_string_lossy().into_owned();
                if header.seq == seq {
                    return Err(Error::new(ErrorKind::Rpc, text));
                }
                self.early.insert(header.seq, Answer::Failed(text));
            } else if header.seq == seq {
                return body.to().map_err(|error| bad_reply(&what, &error));
            } else {
                self.early.insert(header.seq, Answer::Value(body.id(), body.bytes().to_vec()));
            }
        }
    }

    /// Sends one request and waits for its reply.
    pub fn call<A: Typed + Serialize + ?Sized, R: DeserializeOwned>(&mut self, method: &str, args: &A) -> Result<R> {
        let seq = self.send(method, args)?;
        self.receive(seq)
    }

    fn header(&mut self, what: &str) -> Result<Response> {
        let header: Response = match self.decoder.decode() {
            Ok(header) => header,
            Err(error) => return Err(self.broken(what, error)),
        };
        if self.awaited.remove(&header.seq) {
            return Ok(header);
        }
        self.ended = true;
        Err(Error::new(ErrorKind::Protocol, format!("{what}: reply {} was not asked for", header.seq)))
    }

    /// The connection is of no more use.
    fn broken(&mut self, what: &str, error: gob::Error) -> Error {
        self.ended = true;
        match error {
            gob::Error::Eof | gob::Error::UnexpectedEof => died(what),
            gob::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => died(what),
            gob::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                let limit = self.limit.unwrap_or_default().as_millis();
                Error::new(ErrorKind::Timeout, format!("{what}: nothing came within {limit} ms"))
            }
            gob::Error::Io(error) => Error::io(what, &error),
            gob::Error::Data(text) => Error::new(ErrorKind::Protocol, format!("{what}: {text}")),
        }
    }
}

fn died(what: &str) -> Error {
    Error::new(ErrorKind::PeerDied, format!("{what}: unexpected EOF"))
}

fn shut_down(what: &str) -> Error {
    Error::new(ErrorKind::PeerDied, format!("{what}: connection is shut down"))
}

fn cannot_send(service_method: &str, error: &gob::Error) -> Error {
    Error::invalid(format!("call {service_method}: {error}"))
}

fn bad_reply(what: &str, error: &gob::Error) -> Error {
    Error::new(ErrorKind::Protocol, format!("{what}: {error}"))
}
