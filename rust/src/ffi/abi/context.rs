// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What callbacks get besides: contexts, master's signals, stage 2's connection to master. They are valid until the
//! callback returns.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use super::crossing::pinion_error;
use super::guard::{answer, free, guard};
use super::handle::{self, Opaque};
use super::view::{check, put};
use crate::engine::{Cancellation, Context, MasterConnection, Signals};
use crate::ffi::sys;
use crate::ffi::sys::descriptor::duplicate;

/// Tells a callback that its result is no longer wanted. Any thread.
pub struct pinion_context {
    _opaque: (),
}

impl Opaque for pinion_context {
    type Inner = Cancellation;
    const NAME: &'static str = "pinion_context";
}

/// Makes a context, for calling an engine oneself. The caller frees it with pinion_context_free. Errors:
/// PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_context_new(context: *mut *mut pinion_context) -> *mut pinion_error {
    guard(|| put(context, "the place for the context", || handle::share(Context::new()?.into())))
}

/// Cancels a context for everybody who looks at it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_context_cancel(context: *const pinion_context) -> *mut pinion_error {
    guard(|| Context::from(handle::get(context)?).cancel())
}

/// Whether the context was cancelled; true for what is no context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_context_is_cancelled(context: *const pinion_context) -> bool {
    answer(true, || Ok(Context::from(handle::get(context)?).is_cancelled()))
}

/// A descriptor that is readable once the context is cancelled, for poll(2). It stays the context's: not to be read,
/// closed or kept. -1 for what is no context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_context_fd(context: *const pinion_context) -> i32 {
    answer(-1, || Ok(Context::from(handle::get(context)?).as_fd().as_raw_fd()))
}

/// Makes an object of the program's own of a callback's context, for work that goes on after the callback has
/// returned. The caller frees `kept` with pinion_context_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_context_keep(
    context: *const pinion_context,
    kept: *mut *mut pinion_context,
) -> *mut pinion_error {
    guard(|| {
        let shared = handle::get(context)?;
        put(kept, "the place for the context", || handle::share(shared))
    })
}

/// Ends a run by an error of work that goes on after its callback has returned, as PreStartProcess's may: it is the
/// fatal error, unless another one came before, and cancels the context. Takes `failure`, refusals included.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_context_fail(
    context: *const pinion_context,
    failure: *mut pinion_error,
) -> *mut pinion_error {
    guard(|| {
        let failure = handle::take_shared(failure)?;
        Context::from(handle::get(context)?).fail(Box::new(failure.error.clone()))
    })
}

/// The error that pinion_context_fail was given, for a program that calls an engine by itself. The caller frees it.
/// NULL where there is none; PINION_MISUSE for what is no context.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_context_failure(context: *const pinion_context) -> *mut pinion_error {
    guard(|| Context::from(handle::get(context)?).failure().map_or(Ok(()), Err))
}

/// Frees a context that pinion_context_new or pinion_context_keep made. NULL does nothing. Returns 0, or PINION_MISUSE
/// for what is none any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_context_free(context: *mut pinion_context) -> i32 {
    free(context, |context| handle::take_shared(context).map(drop))
}

/// The signals that master received since before CreateContainer: each kind that arrived is delivered at least once,
/// SIGCHLD always. Only for the thread of MonitorContainer.
pub struct pinion_signals {
    _opaque: (),
}

impl Opaque for pinion_signals {
    type Inner = Signals;
    const NAME: &'static str = "pinion_signals";
}

/// Makes a queue of every signal that can be blocked, for calling MonitorContainer oneself. All threads of the
/// program must have them blocked, before: a signal that one thread has not never comes to the queue. `context` stays
/// the caller's; its cancellation is that of the run. The caller frees `signals` with pinion_signals_free. Errors:
/// PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_signals_new(
    context: *const pinion_context,
    signals: *mut *mut pinion_signals,
) -> *mut pinion_error {
    guard(|| {
        let context = Context::from(handle::get(context)?);
        put(signals, "the place for the signals", || {
            handle::own(Signals::new(Arc::new(sys::signal::queue()?), context))
        })
    })
}

/// The same for a program whose own runtime receives its signals: `source` is read as a signalfd(2) is, a struct
/// signalfd_siginfo for each signal, and may be a pipe. It does not block, and stays the caller's, who may close it
/// after this.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_signals_from(
    context: *const pinion_context,
    source: i32,
    signals: *mut *mut pinion_signals,
) -> *mut pinion_error {
    guard(|| {
        let context = Context::from(handle::get(context)?);
        put(signals, "the place for the signals", || {
            let queue = duplicate(source, "take signals from the program")?;
            handle::own(Signals::new(Arc::new(queue), context))
        })
    })
}

/// Frees a queue that pinion_signals_new or pinion_signals_from made. NULL does nothing. Returns 0, or PINION_MISUSE
/// for what is none any more, or was lent to a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_signals_free(signals: *mut pinion_signals) -> i32 {
    free(signals, |signals| handle::take(signals).map(drop))
}

/// Waits for the next signal and stores its number; 0 once the run is cancelled, after which MonitorContainer is to
/// return soon. Errors: PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_signals_next(signals: *mut pinion_signals, number: *mut i32) -> *mut pinion_error {
    guard(|| {
        put(number, "the place for the signal's number", || {
            handle::with(signals, |signals| signals.next().map(Option::unwrap_or_default))
        })
    })
}

/// Descriptors for poll(2): one is readable when a signal is there, the other once the run is cancelled. They stay
/// pinion's.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_signals_fds(
    signals: *mut pinion_signals,
    signal_fd: *mut i32,
    cancel_fd: *mut i32,
) -> *mut pinion_error {
    guard(|| {
        let [signal, cancel] = handle::with(signals, |signals| Ok(signals.descriptors().map(|fd| fd.as_raw_fd())))?;
        check(cancel_fd, "the place for the second descriptor")?;
        put(signal_fd, "the place for the first descriptor", || Ok(signal))?;
        put(cancel_fd, "the place for the second descriptor", || Ok(cancel))
    })
}

/// StartProcess's connection to master. Executing a program closes it, which master takes for the start of the
/// container. Only for the thread of StartProcess.
pub struct pinion_master {
    _opaque: (),
}

impl Opaque for pinion_master {
    type Inner = MasterConnection;
    const NAME: &'static str = "pinion_master";
}

/// The stream socket, on which bytes go to PreStartProcess: to be written to with MSG_NOSIGNAL, since master may be
/// gone. It stays pinion's: pinion_master_close closes it. -1 once it is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_master_fd(master: *mut pinion_master) -> i32 {
    answer(-1, || handle::with(master, |master| Ok(master.stream().map_or(-1, |stream| stream.as_fd().as_raw_fd()))))
}

/// Says that the container has started, without executing a program: for an init shim, which goes on in StartProcess.
/// A second call does nothing.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_master_close(master: *mut pinion_master) -> *mut pinion_error {
    guard(|| {
        handle::with(master, |master| {
            master.close();
            Ok(())
        })
    })
}

/// For a callback's argument.
pub(super) fn shared(context: &Context) -> Arc<Cancellation> {
    context.clone().into()
}
