// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole gob streams in place of values, for methods in languages that have their own gob.

use std::sync::{Arc, Mutex};

use super::service::{Method, Reply};
use crate::engine::lock;
use crate::error::{CallbackError, Result};
use crate::gob::{self, Decoder, Dynamic, Encoder, Limits, Names, Raw, Types};

/// A method that is written for gob. `answer` gets the argument as a stream of its own, with all type definitions and one
/// value, as Go's `gob.NewEncoder(w).Encode(v)` writes it; with what the caller's type is, and values of up to
/// [`Limits::elements`]. It returns such a stream with the reply. No value and more than one are the error of that call.
pub fn gob_method(answer: impl Fn(&[u8]) -> Result<Vec<u8>, CallbackError> + Send + Sync + 'static) -> Arc<dyn Method> {
    Arc::new(GobMethod { seen: Mutex::default(), answer })
}

/// So many sets of types that replies brought are remembered.
const SEEN: usize = 16;

struct GobMethod<F> {
    /// Every reply brings its types anew, and a connection must hear of each once only: the oldest come first.
    seen: Mutex<Vec<Arc<Types>>>,
    answer: F,
}

impl<F> GobMethod<F> {
    /// The same types as they came first.
    fn known(&self, types: &Arc<Types>) -> Arc<Types> {
        let mut seen = lock(&self.seen);
        if let Some(known) = seen.iter().find(|known| known.same(types)) {
            return known.clone();
        }
        if seen.len() == SEEN {
            seen.remove(0);
        }
        seen.push(types.clone());
        types.clone()
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

impl<F> Method for GobMethod<F>
where
    F: Fn(&[u8]) -> Result<Vec<u8>, CallbackError> + Send + Sync,
{
    fn call(&self, args: &Raw<'_>, reply: &mut Reply<'_>) -> Result<(), CallbackError> {
        let mut argument = Vec::new();
        Encoder::new().encode_value(&args.value()?, &mut argument)?;
        let answer = (self.answer)(&argument)?;
        drop(argument);
        let value = self.only_value(&answer).map_err(|error| format!("the reply is no gob of one value: {error}"))?;
        reply.send_value(&value)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
