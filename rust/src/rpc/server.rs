// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The answering side: one connection, one call after the other, all on the calling thread. Root directory, umask,
//! credentials and capabilities that a method changes for its time are then never seen by another call.

use std::any::Any;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::builtin::raise;
use super::link::{Link, SERVER_UNSENT};
use super::service::{Reply, Service};
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
        let link = decoder.reader_mut();
        link.out().append(&mut answers.answer);
        empty(&mut answers.answer);
        if link.unsent() > TOGETHER
            && let Err(error) = link.push()
        {
            break Err(Error::io("send rpc replies", &error));
        }
    };
    let flushed = decoder.into_reader().finish();
    ended.and(flushed.map_err(|error| Error::io("send rpc replies", &error)))
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
        }
    }

    /// Answers one call.
    fn call(&mut self, args: gob::Result<Raw<'_>>, observer: &mut Option<&mut dyn Observer>) -> gob::Result<()> {
        let Answers { service, encoder, request, response, body, answer } = self;
        let start = observer.is_some().then(Instant::now);
        empty(body);
        let (args, outcome) = match args {
            // An unknown method matters more to the client than an argument that nobody wanted.
            Err(error) => (None, service.find(&request.service_method).and(Err(error.to_string()))),
            Ok(args) => (Some(args), run(service, &request.service_method, &args, &mut Reply::new(encoder, body))),
        };
        let duration = start.map(|start| start.elapsed());
        if outcome.is_err() {
            // The definitions of a reply that failed stand, and later replies rely on them.
            let (definitions, ..) = gob::encode::first_value(body)?;
            answer.extend_from_slice(&body[..definitions]);
        }
        if let (Some(observer), Some(duration)) = (observer, duration) {
            let (types, limits, names) = (encoder.types().clone(), Limits::default(), gob::Names::new());
            let outcome = match &outcome {
                Ok(()) => {
                    let (_, id, bytes) = gob::encode::first_value(body)?;
                    Ok(Raw::own(&types, &names, &limits, id, bytes))
                }
                Err(text) => Err(text.as_str()),
            };
            let service_method = &request.service_method.to_string_lossy();
            observer.called(&Call { service_method, seq: request.seq, args, outcome, duration });
        }
        response.clear();
        std::mem::swap(&mut response.service_method, &mut request.service_method);
        response.seq = request.seq;
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

/// Runs the method; an error's text is never empty, since that would mean success.
fn run(service: &Service, name: &ByteString, args: &Raw<'_>, reply: &mut Reply<'_>) -> std::result::Result<(), String> {
    let method = service.find(name)?;
    match catch_unwind(AssertUnwindSafe(|| method.call(args, reply))) {
        Ok(Ok(())) if reply.was_sent() => Ok(()),
        Ok(Ok(())) => Err(format!("rpc: method {name} gave no reply")),
        Ok(Err(error)) => match error.to_string() {
            text if text.is_empty() => Err(format!("rpc: method {name} failed")),
            text => Err(text),
        },
        Err(panic) => Err(format!("rpc: method {name} panicked: {}", panic_text(&*panic))),
    }
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
