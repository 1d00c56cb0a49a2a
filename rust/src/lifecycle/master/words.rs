// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the container process has to say to master besides the stream.

use std::sync::Mutex;

use crate::engine::lock;
use crate::lifecycle::messages::{Channel, FromContainer, ToContainer};

/// What the container process says, for whichever activity looks first.
pub struct Words {
    control: Channel<ToContainer, FromContainer>,
    heard: Mutex<Option<FromContainer>>,
}

impl Words {
    /// None heard yet.
    pub fn new(control: Channel<ToContainer, FromContainer>) -> Self {
        Words { control, heard: Mutex::new(None) }
    }

    /// Its word, if it has said one.
    pub fn take(&self) -> Option<FromContainer> {
        lock(&self.heard).take().or_else(|| self.control.pending())
    }

    /// Whether it has said that it failed. The word stays to be taken.
    pub fn is_failure(&self) -> bool {
        let mut heard = lock(&self.heard);
        if heard.is_none() {
            *heard = self.control.pending();
        }
        matches!(*heard, Some(FromContainer::Failed(_)))
    }
}
