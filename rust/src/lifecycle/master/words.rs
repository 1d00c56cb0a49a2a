// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the container process has to say to master besides the stream.

use std::sync::{Mutex, MutexGuard};

use crate::engine::lock;
use crate::lifecycle::messages::{Channel, FromContainer, ToContainer};

/// What the container process says, for whichever activity looks first.
pub struct Words {
    control: Channel<ToContainer, FromContainer>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// That StartProcess is called.
    starting: bool,
    /// Any other word.
    last: Option<FromContainer>,
}

impl Words {
    /// None heard yet.
    pub fn new(control: Channel<ToContainer, FromContainer>) -> Self {
        Words { control, heard: Mutex::default() }
    }

    fn listen(&self) -> MutexGuard<'_, Heard> {
        let mut heard = lock(&self.heard);
        while heard.last.is_none() {
            match self.control.pending() {
                Some(FromContainer::Starting) => heard.starting = true,
                Some(word) => heard.last = Some(word),
                None => break,
            }
        }
        heard
    }

    /// Its word, if it has said one.
    pub fn take(&self) -> Option<FromContainer> {
        self.listen().last.take()
    }

    /// Whether it has said that it failed. The word stays to be taken.
    pub fn is_failure(&self) -> bool {
        matches!(self.listen().last, Some(FromContainer::Failed(_)))
    }

    /// Whether it has come as far as StartProcess.
    pub fn is_starting(&self) -> bool {
        self.listen().starting
    }
}
