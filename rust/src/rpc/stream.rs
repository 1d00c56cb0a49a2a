// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole gob streams in place of values, for methods in languages that have their own gob.

use std::sync::{Arc, Mutex};

use super::owed::Owed;
use super::service::{Method, Reply};
use crate::engine::lock;
use crate::error::{CallbackError, Result};
use crate::gob::{self, Decoder, Dynamic, Limits, Names, Raw, Types};

/// A method that is written for gob. `answer` gets the argument as a stream of its own, with all type definitions and one
/// value, as Go's `gob.NewEncoder(w).Encode(v)` writes it; with what the caller's type is, and values of up to
/// [`Limits::elements`]. It returns such a stream with the reply. No value and more than one are the error of that call.
pub fn gob_method(answer: impl Fn(&[u8]) -> Result<Vec<u8>, CallbackError> + Send + Sync + 'static) -> Arc<dyn Method> {
    Arc::new(GobMethod { seen: Arc::default(), answer })
}

/// The same for a method that replies later, from any thread, while the server takes other calls.
pub fn later_gob_method(start: impl Fn(&[u8], OwedGob) + Send + Sync + 'static) -> Arc<dyn Method> {
    Arc::new(LaterGobMethod { seen: Arc::default(), start })
}

/// The reply that is still owed to one call.
pub struct OwedGob {
    owed: Owed,
    seen: Arc<Seen>,
}

impl OwedGob {
    /// Replies with a stream, or with an error's text.
    pub fn answer(self, outcome: std::result::Result<&[u8], String>) {
        self.owed.answer(outcome.and_then(|stream| self.seen.reply(stream)));
    }
}

/// So many sets of types that replies brought are remembered.
const SEEN: usize = 16;

/// Every reply brings its types anew, and a connection must hear of each once only: the oldest come first.
#[derive(Default)]
struct Seen(Mutex<Vec<Arc<Types>>>);

impl Seen {
    /// The same types as they came first.
    fn known(&self, types: &Arc<Types>) -> Arc<Types> {
        let mut seen = lock(&self.0);
        if let Some(known) = seen.iter().find(|known| known.same(types)) {
            return known.clone();
        }
        if seen.len() == SEEN {
            seen.remove(0);
        }
        seen.push(types.clone());
        types.clone()
    }

    /// The value that a method replied with, or why it is none.
    fn reply(&self, stream: &[u8]) -> std::result::Result<Dynamic, String> {
        self.only_value(stream).map_err(|error| format!("the reply is no gob of one value: {error}"))
    }

    /// The value of a stream that holds nothing else.
    fn only_value(&self, stream: &[u8]) -> gob::Result<Dynamic> {
        let (names, limits) = (Names::new(), Limits::default());
        let mut decoder = Decoder::new(stream, limits.clone());
        let raw = decoder.next_value()?;
        let types = self.known(raw.types());
        let value = Raw::own(&types, &names, &limits, raw.id(), raw.bytes()).value()?;
        match decoder.next_value() {
            Err(gob::Error::Eof) => Ok(value),
            Ok(_) => Err(gob::Error::data("more than one value")),
            Err(error) => Err(gob::Error::data(format!("after the value: {error}"))),
        }
    }
}

struct GobMethod<F> {
    seen: Arc<Seen>,
    answer: F,
}

impl<F> Method for GobMethod<F>
where
    F: Fn(&[u8]) -> Result<Vec<u8>, CallbackError> + Send + Sync,
{
    fn call(&self, args: &Raw<'_>, reply: &mut Reply<'_>) -> Result<(), CallbackError> {
        let answer = (self.answer)(&args.stream()?)?;
        reply.send_value(&self.seen.reply(&answer)?)?;
        Ok(())
    }
}

struct LaterGobMethod<F> {
    seen: Arc<Seen>,
    start: F,
}

impl<F> Method for LaterGobMethod<F>
where
    F: Fn(&[u8], OwedGob) + Send + Sync,
{
    fn call(&self, args: &Raw<'_>, reply: &mut Reply<'_>) -> Result<(), CallbackError> {
        let argument = args.stream()?;
        (self.start)(&argument, OwedGob { owed: reply.later()?, seen: self.seen.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
