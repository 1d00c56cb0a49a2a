// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A callback in a thread of its own, whose end the event loop sees as a readable descriptor.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use crate::engine::contract::Callback;
use crate::engine::{Context, lock};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::process::not_made;
use crate::lifecycle::fault;

/// A callback that is running or has returned.
pub struct Activity<T> {
    ended: Context,
    result: Arc<Mutex<Option<Result<T>>>>,
}

impl<T: Send + 'static> Activity<T> {
    /// Begins it. The thread has the credentials of its maker. Of several callbacks in turn `callback` is the last.
    pub fn begin(callback: Callback, body: Box<dyn FnOnce() -> Result<T> + Send>) -> Result<Self> {
        let activity = Activity { ended: Context::new()?, result: Arc::new(Mutex::new(None)) };
        let (ended, result) = (activity.ended.clone(), Arc::clone(&activity.result));
        spawn(
            callback,
            Box::new(move || {
                let returned = body();
                *lock(&result) = Some(returned);
                // An event counter takes one increment at any time.
                let _ = ended.cancel();
            }),
        )?;
        Ok(activity)
    }

    /// Whether it has returned.
    pub fn has_returned(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// A look at what it returned, if that was no error.
    pub fn peek<U>(&self, look: impl FnOnce(&T) -> U) -> Option<U> {
        lock(&self.result).as_ref()?.as_ref().ok().map(look)
    }

    /// What it returned, once; an error before that.
    pub fn result(&self) -> Result<T> {
        let result = lock(&self.result).take();
        result.unwrap_or_else(|| Err(Error::new(ErrorKind::Protocol, "the callback has not returned yet")))
    }
}

/// One kind of thread for all of them: each other one would cost a program some kilobytes of the standard library's.
fn spawn(callback: Callback, body: Box<dyn FnOnce() + Send>) -> Result<()> {
    let thread = std::thread::Builder::new().name("pinion-callback".into());
    let made = fault::fork(callback.name()).map_err(std::io::Error::from).and_then(|()| thread.spawn(body));
    made.map(drop).tried(|| format!("make a thread for {}", callback.name())).map_err(not_made)
}

impl<T> AsFd for Activity<T> {
    /// Readable once the callback has returned.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}
