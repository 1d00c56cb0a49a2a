// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calling side. Requests can be sent ahead and their replies taken later, in any order.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::argument::{Chosen, parse_type};
use super::link::Link;
use super::wire::{Request, Response};
use crate::error::{Error, ErrorKind, Result};
use crate::gob::messages::empty;
use crate::gob::schema::Ref;
use crate::gob::{self, Decoder, Dynamic, Encoder, Id, Limits, Names, Raw, Typed, Types};

/// A connection to a server of net/rpc.
pub struct Client {
    decoder: Decoder<Link>,
    encoder: Encoder,
    service: String,
    limit: Option<Duration>,
    next_seq: u64,
    /// The numbers of the requests without reply, in their order.
    awaited: VecDeque<u64>,
    /// Replies that came before they were asked for.
    early: BTreeMap<u64, Answer>,
    /// The connection ended, or its stream cannot be followed any more.
    ended: bool,
    limits: Limits,
    names: Names,
    /// Types of arguments by their notation, which the server has been told.
    declared: BTreeMap<String, (Arc<Types>, Ref)>,
    request: Request,
    response: Response,
    /// An argument until its header is written.
    argument: Vec<u8>,
    /// `NAME.Method` until it is in the header.
    service_method: Vec<u8>,
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
            awaited: VecDeque::new(),
            early: BTreeMap::new(),
            ended: false,
            limits,
            names: Names::new(),
            declared: BTreeMap::new(),
            request: Request::default(),
            response: Response::default(),
            argument: Vec::new(),
            service_method: Vec::new(),
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
        self.send_encoded(method, |encoder, out| encoder.encode(args, out))
    }

    /// The same with an argument, JSON for example, that has the type `ty` of `types`.
    pub fn send_as<A: Serialize + ?Sized>(&mut self, method: &str, types: &Types, ty: Ref, args: &A) -> Result<u64> {
        self.send_encoded(method, |encoder, out| encoder.encode_as(types, ty, args, out))
    }

    /// The types of an argument, one and the same each time.
    pub(super) fn declared(&mut self, method: &str, chosen: Result<Chosen>) -> Result<(Arc<Types>, Ref)> {
        let during = |error: Error| error.during(format!("call {}.{method}", self.service));
        let notation = match chosen.map_err(during)? {
            Chosen::Builtin(ty) => return Ok((Arc::default(), Ref::Static(ty))),
            Chosen::Notation(notation) => notation,
        };
        if let Some(declared) = self.declared.get(&notation) {
            return Ok(declared.clone());
        }
        let (types, ty) = parse_type(&notation).map_err(during)?;
        Ok(self.declared.entry(notation).or_insert((Arc::new(types), ty)).clone())
    }

    pub(super) fn send_encoded(
        &mut self,
        method: &str,
        encode: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> gob::Result<()>,
    ) -> Result<u64> {
        if self.ended {
            return Err(shut_down(&format!("{}.{method}", self.service)));
        }
        empty(&mut self.argument);
        let encoded = encode(&mut self.encoder, &mut self.argument);
        let seq = self.next_seq;
        let out = self.decoder.reader_mut().out();
        if encoded.is_ok() {
            self.service_method.clear();
            [self.service.as_str(), ".", method].iter().for_each(|part| self.service_method.extend(part.bytes()));
            self.request.service_method.set(&self.service_method);
            self.request.seq = seq;
            let header = self.encoder.encode(&self.request, out);
            header.map_err(|error| cannot_send(&format!("{}.{method}", self.service), &error))?;
        }
        // Without the argument these are definitions alone, which later values may rely on.
        out.append(&mut self.argument);
        encoded.map_err(|error| cannot_send(&format!("{}.{method}", self.service), &error))?;
        self.next_seq += 1;
        self.awaited.push_back(seq);
        Ok(seq)
    }

    /// Sends what was prepared, taking in replies that arrive meanwhile.
    pub fn flush(&mut self) -> Result<()> {
        self.decoder.reader_mut().set_limit(self.limit);
        self.flush_all().map_err(|error| self.broken("send requests".to_owned(), gob::Error::Io(error)))
    }

    fn flush_all(&mut self) -> io::Result<()> {
        while self.decoder.reader_mut().push()? {
            if self.decoder.reader_mut().wait(true, None)? && self.decoder.receive_more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Waits for the reply to the request `seq`. The server's own error has kind [`ErrorKind::Rpc`] and its very
    /// text; its death is [`ErrorKind::PeerDied`], a wait too long [`ErrorKind::Timeout`].
    pub fn receive<R: Typed + DeserializeOwned>(&mut self, seq: u64) -> Result<R> {
        self.receive_read(seq, |reply| reply.to())
    }

    /// The same for a reply of any type.
    pub fn receive_value(&mut self, seq: u64) -> Result<Dynamic> {
        self.receive_read(seq, |reply| reply.value())
    }

    fn receive_read<R>(&mut self, seq: u64, read: impl FnOnce(&Raw<'_>) -> gob::Result<R>) -> Result<R> {
        if let Some(answer) = self.early.remove(&seq) {
            return match answer {
                Answer::Failed(text) => Err(Error::new(ErrorKind::Rpc, text)),
                Answer::Value(id, bytes) => {
                    let raw = Raw::own(self.decoder.types(), &self.names, &self.limits, id, &bytes);
                    read(&raw).map_err(|error| bad_reply(&self.receiving(seq), &error))
                }
            };
        }
        if self.awaited.binary_search(&seq).is_err() {
            return Err(Error::invalid(format!("{}: not awaited", self.receiving(seq))));
        }
        if self.ended {
            return Err(shut_down(&self.receiving(seq)));
        }
        self.decoder.reader_mut().set_limit(self.limit);
        loop {
            self.header(seq)?;
            let body = match self.decoder.next_value() {
                Ok(body) => body,
                Err(error) => return Err(self.broken(self.receiving(seq), error)),
            };
            let (got, error) = (self.response.seq, &self.response.error);
            if !error.is_empty() {
                let text = error.to_string_lossy().into_owned();
                if got == seq {
                    return Err(Error::new(ErrorKind::Rpc, text));
                }
                self.early.insert(got, Answer::Failed(text));
            } else if got == seq {
                return read(&body).map_err(|error| bad_reply(&self.receiving(seq), &error));
            } else {
                self.early.insert(got, Answer::Value(body.id(), body.bytes().to_vec()));
            }
        }
    }

    /// Sends one request and waits for its reply.
    pub fn call<A: Typed + Serialize + ?Sized, R: Typed + DeserializeOwned>(
        &mut self,
        method: &str,
        args: &A,
    ) -> Result<R> {
        let seq = self.send(method, args)?;
        self.receive(seq)
    }

    /// What is tried, for messages.
    fn receiving(&self, seq: u64) -> String {
        format!("receive reply {seq} of {}", self.service)
    }

    /// Takes in the next header while the reply to `seq` is waited for.
    fn header(&mut self, seq: u64) -> Result<()> {
        self.response.clear();
        if let Err(error) = self.decoder.decode_into(&mut self.response) {
            return Err(self.broken(self.receiving(seq), error));
        }
        if let Ok(place) = self.awaited.binary_search(&self.response.seq) {
            self.awaited.remove(place);
            return Ok(());
        }
        self.ended = true;
        let what = self.receiving(seq);
        Err(Error::new(ErrorKind::Protocol, format!("{what}: reply {} was not asked for", self.response.seq)))
    }

    /// The connection is of no more use.
    fn broken(&mut self, what: String, error: gob::Error) -> Error {
        self.ended = true;
        match error {
            // A message that says less than it has to is no end of the stream.
            gob::Error::UnexpectedEof if !self.decoder.reader_mut().has_ended() => {
                Error::new(ErrorKind::Protocol, format!("{what}: {error}"))
            }
            gob::Error::Eof | gob::Error::UnexpectedEof => died(&what),
            gob::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => died(&what),
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
