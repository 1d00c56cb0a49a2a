// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JSON in place of typed values, for methods and callers without Rust types: a struct is an object with Go's names of its
//! fields, all else as in [`Value`](crate::gob::Value).
//!
//! What JSON cannot say travels as raw gob only ([`gob_method`](super::gob_method)): text that is not UTF-8, which is shown
//! with U+FFFD, and floats that are no numbers, which are shown as `null`.

use std::cell::RefCell;
use std::sync::Arc;
use std::{fmt, io};

use serde::ser::{Serialize, Serializer};
use serde_json::Value;
use serde_path_to_error::Track;

use super::argument::{chosen, parse_type};
use super::client::Client;
use super::service::{Method, Reply};
use crate::error::{CallbackError, Result};
use crate::gob::schema::Ref;
use crate::gob::{self, Raw, Types};

/// JSON that is sent as some type. An error of that leaves its place here.
pub(super) struct Sent<'a> {
    json: &'a Value,
    failed_at: RefCell<Option<String>>,
}

impl<'a> Sent<'a> {
    pub fn new(json: &'a Value) -> Self {
        Sent { json, failed_at: RefCell::new(None) }
    }

    /// What was wrong, after the place in the JSON: `Items[3].Name`.
    pub fn explain(&self, error: impl fmt::Display) -> String {
        match self.failed_at.take().filter(|place| place != ".") {
            Some(place) => format!("{place}: {error}"),
            None => error.to_string(),
        }
    }
}

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut track = Track::new();
        let result = self.json.serialize(serde_path_to_error::Serializer::new(serializer, &mut track));
        if result.is_err() {
            *self.failed_at.borrow_mut() = Some(track.path().to_string());
        }
        result
    }
}

impl Client {
    /// As [`send`](Self::send) with JSON; the type is what [`argument_type`] finds. A type is told to the server once, so
    /// that calls with the same notation, or with JSON of one shape, cost nothing but themselves.
    pub fn send_json(&mut self, method: &str, notation: Option<&str>, argument: &Value) -> Result<u64> {
        let (types, ty) = self.declared(method, chosen(method, notation, argument))?;
        let sent = Sent::new(argument);
        self.send_encoded(method, |encoder, out| {
            let encoded = encoder.encode_as(&types, ty, &sent, out);
            encoded.map_err(|error| gob::Error::data(format!("the argument: {}", sent.explain(error))))
        })
    }

    /// As [`receive_value`](Self::receive_value), as JSON: all fields that the server's type has are there, with `null`
    /// for a list, a map, bytes, a pointer, an interface or a time that was not sent, since it is empty, nil or zero.
    pub fn receive_json(&mut self, seq: u64) -> Result<Value> {
        Ok(self.receive_value(seq)?.to_json())
    }

    /// Sends one request with JSON and waits for its reply.
    pub fn call_json(&mut self, method: &str, notation: Option<&str>, argument: &Value) -> Result<Value> {
        let seq = self.send_json(method, notation, argument)?;
        self.receive_json(seq)
    }
}

/// A method that is written for JSON. `reply` is the Go type of its replies in Go's notation (see [`notation`]).
///
/// `answer` gets the argument as JSON text, with the names that the caller's type has. All fields of that type are there:
/// the format does not send zeros, which are shown as `0`, `false` and `""`, and as `null` where the field is a list, a map,
/// bytes, a pointer to something made of other types, an interface or a time; so `null` is the empty list and no text. A
/// field that the caller's type lacks is not there, which means zero as well. Numbers may be up to 64 bits long, the text up to
/// 64 MiB.
///
/// `answer` returns JSON text that fits the declared type: an object may leave fields out, and `null` is zero. What does not
/// fit is the error of that call and says where. `{"type": NAME, "value": …}` is an interface value of a type that is
/// registered (see [`MethodSet::with_names`](super::MethodSet::with_names)), RFC 3339 a time, base64 bytes.
pub fn json_method(
    reply: &str,
    answer: impl Fn(&[u8]) -> Result<Vec<u8>, CallbackError> + Send + Sync + 'static,
) -> Result<Arc<dyn Method>> {
    let (types, ty) = parse_type(reply)?;
    Ok(Arc::new(JsonMethod { types, ty, answer }))
}

struct JsonMethod<F> {
    /// One and the same for each reply, so that each connection hears of them once.
    types: Types,
    ty: Ref,
    answer: F,
}

impl<F> Method for JsonMethod<F>
where
    F: Fn(&[u8]) -> Result<Vec<u8>, CallbackError> + Send + Sync,
{
    fn call(&self, args: &Raw<'_>, reply: &mut Reply<'_>) -> Result<(), CallbackError> {
        let mut argument = Bounded(Vec::new());
        serde_json::to_writer(&mut argument, &args.value()?.value).map_err(|error| format!("the argument: {error}"))?;
        let Bounded(argument) = argument;
        let answer = (self.answer)(&argument)?;
        drop(argument);
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| format!("the reply is no JSON: {error}"))?;
        let sent = Sent::new(&answer);
        let encoded = reply.send_as(&self.types, self.ty, &sent);
        Ok(encoded.map_err(|error| format!("the reply: {}", sent.explain(error)))?)
    }
}

/// The longest argument as JSON, in bytes: names of fields that were not sent make it much longer than what was.
const MAX_ARGUMENT: usize = 64 << 20;

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MAX_ARGUMENT - self.0.len() {
            return Err(io::Error::other(format!("more than {MAX_ARGUMENT} bytes of JSON")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
