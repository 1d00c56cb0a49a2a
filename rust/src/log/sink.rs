// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where messages go in a program that embeds the core and keeps its own log.

use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock, TryLockError};

use super::guard;
use crate::error::Error;

/// Takes one message: its level by number, −4 to 5, and its text with what helps on a second line, without colours, the
/// level's word and a newline at the end. The text has no NUL and no other control character than newlines and tabs.
pub type Sink = dyn Fn(i32, &str) + Send + Sync;

thread_local! {
    /// A sink runs on this thread, or must not.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Holds a sink. The lock is held to copy or exchange the pointer, never while a sink runs or is dropped.
pub(super) struct Place(RwLock<Option<Arc<Sink>>>);

impl Place {
    pub const fn new() -> Self {
        Place(RwLock::new(None))
    }

    /// Puts another sink there and drops the one before. An error says that this panicked.
    pub fn set(&self, sink: Option<Box<Sink>>) -> Result<(), Error> {
        let sink = sink.map(Arc::from);
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), sink);
        guard("dropping a sink of messages", || drop(before))
    }

    /// Whether there is a sink that may be called now. A process that was cloned while another thread exchanged the sink
    /// would wait for that thread without end, so that nobody waits here.
    fn get(&self) -> Option<Arc<Sink>> {
        if BUSY.get() {
            return None;
        }
        match self.0.try_read() {
            Ok(sink) => sink.clone(),
            Err(TryLockError::Poisoned(sink)) => sink.into_inner().clone(),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Whether there is one that may be called.
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// Hands a message to the sink, if one may be called now; `text` is made for it alone. `None`: nobody took it. An error
    /// says that the sink panicked.
    pub fn give(&self, level: i32, text: impl FnOnce(&dyn Fn(&str))) -> Option<Result<(), Error>> {
        let sink = self.get()?;
        Some(without_sink(|| {
            guard("the sink of messages", || {
                text(&|text| sink(level, text));
                // The last who holds it drops it, which may be this one.
                drop(sink);
            })
        }))
    }
}

/// Calls `f`, in which messages of this thread go to the standard error stream: where a sink would call itself without end,
/// or where its panic could not be caught.
pub(super) fn without_sink<T>(f: impl FnOnce() -> T) -> T {
    let before = BUSY.replace(true);
    let result = f();
    BUSY.set(before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn gives(place: &Place, text: &str) -> Option<Result<(), Error>> {
        place.give(-2, |sink| sink(text))
    }

    #[test]
    fn a_sink_gets_what_is_said_until_it_is_taken_away() {
        let place = Place::new();
        assert!(gives(&place, "nobody").is_none());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = heard.clone();
        place.set(Some(Box::new(move |level, text| told.lock().unwrap().push((level, text.to_owned()))))).unwrap();
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| gives(&place, "one").unwrap().unwrap())));
        });
        assert_eq!(*heard.lock().unwrap(), vec![(-2, "one".to_owned()); 4]);
        place.set(None).unwrap();
        assert!(gives(&place, "nobody").is_none());
        assert_eq!(Arc::strong_count(&heard), 1);
    }

    #[test]
    fn a_sink_that_panics_is_an_error_and_stays() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let place = Place::new();
        let sink = |_: i32, _: &str| {
            CALLS.fetch_add(1, Ordering::Relaxed);
            panic!("full")
        };
        place.set(Some(Box::new(sink))).unwrap();
        for call in 1..3 {
            let error = gives(&place, "lost").unwrap().unwrap_err();
            assert!(error.to_string().starts_with("the sink of messages panicked: full"), "{error}");
            assert_eq!(CALLS.load(Ordering::Relaxed), call);
        }
    }

    #[test]
    fn a_sink_may_exchange_itself_and_does_not_hear_itself() {
        static PLACE: Place = Place::new();
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        PLACE
            .set(Some(Box::new(|_, _| {
                CALLS.fetch_add(1, Ordering::Relaxed);
                assert!(gives(&PLACE, "again").is_none());
                PLACE.set(None).unwrap();
            })))
            .unwrap();
        gives(&PLACE, "once").unwrap().unwrap();
        assert!(gives(&PLACE, "gone").is_none());
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_sink_whose_end_panics_is_an_error() {
        struct Mine;
        impl Drop for Mine {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let place = Place::new();
        let mine = Mine;
        place.set(Some(Box::new(move |_, _| _ = &mine))).unwrap();
        let error = place.set(None).unwrap_err();
        assert!(error.to_string().starts_with("dropping a sink of messages panicked: dropped"), "{error}");
    }
}
