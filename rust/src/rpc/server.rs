// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The answering side: one connection, one call after the other, all on the calling thread. Root directory, umask,
//! credentials and capabilities that a method changes for its time are then never seen by another call. A method may give
//! its reply later, from a thread of its own.

use std::any::Any;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::builtin::raise;
use super::link::{Link, SERVER_UNSENT};
use super::owed::{self, Head, Ledger};
use super::service::{Given, Reply, Service};
use super::wire::{Request, Response};
use crate::error::{Error, ErrorKind, Result};
use crate::gob::messages::empty;
use crate::gob::{self, ByteString, Decoder, Encoder, Limits, Raw};

/// Answers wait for further requests that are buffered already, up to this many bytes.
const TOGETHER: usize = 64 << 10;

/// Sees every call, for a trace.
pub trait Observer {
    /// After a call was answered.
    fn called(&mut self, call: &Call<'_>);
}

/// One call that was answered.
pub struct Call<'a> {
    /// `NAME.Method` as the client said.
    pub service_method: &'a str,
    /// The client's number.
    pub seq: u64,
    /// The argument, if it could be read; [`Raw::json`] shows it.
    pub args: Option<Raw<'a>>,
    /// The reply, or the error's text.
    pub outcome: std::result::Result<Raw<'a>, &'a str>,
    /// How long the method took.
    pub duration: Duration,
}

/// Serves one connection until its end. An undecodable header ends it with an error; everything else that is wrong
/// is the error of one call.
pub fn serve(stream: UnixStream, service: &Service, limits: &Limits) -> Result<()> {
    serve_observed(stream, service, limits, None)
}

/// The same, with an observer of every call.
pub fn serve_observed(
    stream: UnixStream,
    service: &Service,
    limits: &Limits,
    mut observer: Option<&mut dyn Observer>,
) -> Result<()> {
    // A process that was cloned has the knowledge of its parent, and other privileges.
    raise::forget();
    let mut decoder = Decoder::new(Link::new(stream, SERVER_UNSENT), limits.clone());
    decoder.set_names(service.registered().clone());
    let mut answers = Answers::new(service);
    let ended = loop {
        if let Err(error) = answers.settle(&mut decoder, true, &mut observer) {
            break Err(error);
        }
        answers.request.clear();
        match decoder.decode_into(&mut answers.request) {
            Ok(()) => {}
            Err(gob::Error::Eof) => break Ok(()),
            Err(error) => break Err(failed(service, error)),
        }
        let args = match decoder.next_value() {
            Err(gob::Error::Io(error)) => break Err(failed(service, gob::Error::Io(error))),
            args => args,
        };
        if let Err(error) = answers.call(args, &mut observer) {
            break Err(failed(service, error));
        }
        if let Err(error) = answers.send(decoder.reader_mut()) {
            break Err(error);
        }
    };
    // As Go's server: what is running may end.
    let ended = ended.and(answers.settle(&mut decoder, false, &mut observer));
    let flushed = decoder.into_reader().finish();
    ended.and(flushed.map_err(|error| unsent(&error)))
}

/// Makes the answers of one connection. What one call needs stays for the next, so that a call needs no new memory.
struct Answers<'a> {
    service: &'a Service,
    encoder: Encoder,
    request: Request,
    response: Response,
    /// What the method replies.
    body: Vec<u8>,
    /// Definitions, header and reply.
    answer: Vec<u8>,
    /// The calls whose methods reply later.
    ledger: Ledger,
}

impl<'a> Answers<'a> {
    fn new(service: &'a Service) -> Self {
        Answers {
            service,
            encoder: Encoder::with_names(service.registered().clone()),
            request: Request::default(),
            response: Response::default(),
            body: Vec::new(),
            answer: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// Hands the answers over that methods gave meanwhile, until a request is there; where none is to be read, until no call
    /// is owed its answer.
    fn settle(
        &mut self,
        decoder: &mut Decoder<Link>,
        reading: bool,
        observer: &mut Option<&mut dyn Observer>,
    ) -> Result<()> {
        while !self.ledger.is_empty() {
            for (call, outcome) in self.ledger.take() {
                self.answer_later(call, outcome, observer).map_err(|error| failed(self.service, error))?;
                self.send(decoder.reader_mut())?;
            }
            if self.ledger.is_empty() || (reading && decoder.has_more()) {
                break;
            }
            let link = decoder.reader_mut();
            link.push().map_err(|error| unsent(&error))?;
            let reading = reading && link.takes_more();
            if link.wait(reading, self.ledger.event()).map_err(|error| unsent(&error))? {
                break;
            }
        }
        Ok(())
    }

    /// Puts an answer where it is sent from.
    fn send(&mut self, link: &mut Link) -> Result<()> {
        link.out().append(&mut self.answer);
        empty(&mut self.answer);
        if link.unsent() > TOGETHER {
            link.push().map_err(|error| unsent(&error))?;
        }
        Ok(())
    }

    /// Answers one call, or keeps it until its method does.
    fn call(&mut self, args: gob::Result<Raw<'_>>, observer: &mut Option<&mut dyn Observer>) -> gob::Result<()> {
        let Answers { service, encoder, request, body, ledger, .. } = self;
        let start = observer.is_some().then(Instant::now);
        empty(body);
        let (args, outcome) = match args {
            // An unknown method matters more to the client than an argument that nobody wanted.
            Err(error) => (None, service.find(&request.service_method).and(Err(error.to_string()))),
            Ok(args) => {
                let reply = &mut Reply::new(encoder, body, ledger);
                (Some(args), run(service, &request.service_method, &args, reply))
            }
        };
        let head = Head { service_method: std::mem::take(&mut request.service_method), seq: request.seq, start };
        match outcome {
            Ok(Given::Later) => {
                let args = args.filter(|_| observer.is_some()).map(|args| args.stream()).transpose()?;
                ledger.keep((head, args));
                Ok(())
            }
            outcome => self.answer(head, args, outcome.map(drop), observer),
        }
    }

    /// Answers a call whose method has replied at last.
    fn answer_later(
        &mut self,
        (head, args): owed::Call,
        outcome: owed::Outcome,
        observer: &mut Option<&mut dyn Observer>,
    ) -> gob::Result<()> {
        empty(&mut self.body);
        let outcome = match outcome {
            Ok(value) => self.encoder.encode_value(&value, &mut self.body).map_err(|error| error.to_string()),
            Err(text) => Err(never_empty(text, &head.service_method)),
        };
        let mut args = args.as_deref().map(|stream| Decoder::new(stream, Limits::default()));
        let args = args.as_mut().map(Decoder::next_value).transpose()?;
        self.answer(head, args, outcome, observer)
    }

    /// Makes the answer: definitions, header, and the reply or nothing.
    fn answer(
        &mut self,
        mut head: Head,
        args: Option<Raw<'_>>,
        outcome: std::result::Result<(), String>,
        observer: &mut Option<&mut dyn Observer>,
    ) -> gob::Result<()> {
        let Answers { encoder, request, response, body, answer, .. } = self;
        if outcome.is_err() {
            // The definitions of a reply that failed stand, and later replies rely on them.
            let (definitions, ..) = gob::encode::first_value(body)?;
            answer.extend_from_slice(&body[..definitions]);
        }
        if let (Some(observer), Some(start)) = (observer, head.start) {
            let (types, limits, names) = (encoder.types().clone(), Limits::default(), gob::Names::new());
            let outcome = match &outcome {
                Ok(()) => {
                    let (_, id, bytes) = gob::encode::first_value(body)?;
                    Ok(Raw::own(&types, &names, &limits, id, bytes))
                }
                Err(text) => Err(text.as_str()),
            };
            let (service_method, duration) = (&head.service_method.to_string_lossy(), start.elapsed());
            observer.called(&Call { service_method, seq: head.seq, args, outcome, duration });
        }
        response.clear();
        std::mem::swap(&mut response.service_method, &mut head.service_method);
        request.service_method = head.service_method;
        response.seq = head.seq;
        match outcome {
            Ok(()) => {
                encoder.encode(response, answer)?;
                answer.append(body);
            }
            Err(text) => {
                response.error = text.into();
                encoder.encode(response, answer)?;
                encoder.encode(&(), answer)?;
            }
        }
        Ok(())
    }
}

/// Runs the method.
fn run(
    service: &Service,
    name: &ByteString,
    args: &Raw<'_>,
    reply: &mut Reply<'_>,
) -> std::result::Result<Given, String> {
    let method = service.find(name)?;
    match catch_unwind(AssertUnwindSafe(|| method.call(args, reply))) {
        Ok(Ok(())) if reply.given() != Given::Nothing => Ok(reply.given()),
        Ok(Ok(())) => Err(format!("rpc: method {name} gave no reply")),
        Ok(Err(error)) => Err(never_empty(error.to_string(), name)),
        Err(panic) => Err(format!("rpc: method {name} panicked: {}", panic_text(&*panic))),
    }
}

/// An empty text would mean success.
fn never_empty(text: String, name: &ByteString) -> String {
    if text.is_empty() { format!("rpc: method {name} failed") } else { text }
}

fn unsent(error: &std::io::Error) -> Error {
    Error::io("send rpc replies", error)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

fn failed(service: &Service, error: gob::Error) -> Error {
    let what = format!("serve rpc of {}", service.name());
    match error {
        gob::Error::Io(error) => Error::io(what, &error),
        error => Error::new(ErrorKind::Protocol, format!("{what}: {error}")),
    }
}
