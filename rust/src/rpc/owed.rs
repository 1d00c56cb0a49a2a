// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers that methods give later, from any thread: the server takes other calls meanwhile.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::engine::lock;
use crate::error::Result;
use crate::ffi::sys::event;
use crate::gob::{ByteString, Dynamic};

/// What became of one call.
pub(crate) type Outcome = std::result::Result<Dynamic, String>;

/// The answer that one call is still owed. Dropped without one, the call has an error.
pub struct Owed {
    number: u64,
    answers: Arc<Answers>,
    given: bool,
}

impl Owed {
    /// Answers the call with a value that brings its type, or with an error's text.
    pub fn answer(mut self, outcome: std::result::Result<Dynamic, String>) {
        self.give(outcome);
    }

    fn give(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.given, true) {
            lock(&self.answers.given).push((self.number, outcome));
            // A full counter is readable as well, and a server that is gone waits for nothing.
            let _ = event::notify(&self.answers.event);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.give(Err("rpc: the method gave no reply".to_owned()));
    }
}

struct Answers {
    given: Mutex<Vec<(u64, Outcome)>>,
    event: OwnedFd,
}

/// A call, as far as its answer needs it.
pub(crate) struct Head {
    pub service_method: ByteString,
    pub seq: u64,
    /// When its method was called, if somebody observes.
    pub start: Option<Instant>,
}

/// One call without its answer, with its argument as a stream of its own, if somebody observes.
pub(crate) type Call = (Head, Option<Vec<u8>>);

/// The calls of one connection that are owed an answer.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Made with the first such call: most servers have none.
    answers: Option<Arc<Answers>>,
    calls: BTreeMap<u64, Call>,
    next: u64,
}

impl Ledger {
    /// A promise for the call that is being made.
    pub fn promise(&mut self) -> Result<Owed> {
        let answers = match &self.answers {
            Some(answers) => answers,
            None => self.answers.insert(Arc::new(Answers { given: Mutex::default(), event: event::eventfd()? })),
        };
        self.next += 1;
        Ok(Owed { number: self.next, answers: answers.clone(), given: false })
    }

    /// Keeps the call that the last promise was made for.
    pub fn keep(&mut self, call: Call) {
        self.calls.insert(self.next, call);
    }

    /// Whether calls are waiting for their answers.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Readable when an answer is there.
    pub fn event(&self) -> Option<BorrowedFd<'_>> {
        self.answers.as_ref().map(|answers| answers.event.as_fd())
    }

    /// The answers that are there, in the order in which they were given.
    pub fn take(&mut self) -> Vec<(Call, Outcome)> {
        let Some(answers) = &self.answers else { return Vec::new() };
        event::clear(&answers.event);
        let given = std::mem::take(&mut *lock(&answers.given));
        given.into_iter().filter_map(|(number, outcome)| Some((self.calls.remove(&number)?, outcome))).collect()
    }
}
