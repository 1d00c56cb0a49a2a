// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RPC methods, and the server. A method is called in the RPC server's process, on the server's thread, one call after
//! the other, with the privileges that the process has; one that was added by pinion_methods_add_later may go on
//! elsewhere. A method of an engine's own wins over a built-in one of the same name.

use std::ffi::c_void;
use std::os::unix::net::UnixStream;

use super::crossing::{adopt, pinion_error};
use super::engine::pinion_engine;
use super::foreign::{Foreign, pinion_destroy};
use super::guard::{free, guard};
use super::handle::{self, Opaque};
use super::view::{adopt_bytes, pinion_bytes, pinion_view, put};
use crate::engine::lock;
use crate::error::{CallbackError, Error, ErrorKind, Result};
use crate::ffi::sys::descriptor::duplicate;
use crate::registry;
use crate::rpc::json::json_method;
use crate::rpc::service::MethodSet;
use crate::rpc::stream::{OwedGob, gob_method, later_gob_method};

/// The methods that an engine brings, until they are registered. One thread at a time.
pub struct pinion_methods {
    _opaque: (),
}

impl Opaque for pinion_methods {
    type Inner = MethodSet;
    const NAME: &'static str = "pinion_methods";
}

/// Answers one call: reads `argument`, valid for the call, and stores in `reply` what pinion_bytes_new made, pinion's
/// then. An error's text is the error that the client gets.
pub type pinion_method = Option<
    unsafe extern "C" fn(data: *mut c_void, argument: pinion_view, reply: *mut *mut pinion_bytes) -> *mut pinion_error,
>;

struct Answer {
    call: unsafe extern "C" fn(*mut c_void, pinion_view, *mut *mut pinion_bytes) -> *mut pinion_error,
    data: Foreign,
    name: String,
}

impl Answer {
    fn new(method: pinion_method, data: Foreign, name: &str) -> Result<Answer> {
        let name = checked_name(name)?;
        Ok(Answer { call: method.ok_or_else(|| no_function(name))?, data, name: name.to_owned() })
    }

    fn answer(&self, argument: &[u8]) -> Result<Vec<u8>, CallbackError> {
        let mut reply = std::ptr::null_mut();
        // SAFETY: the function and its data were registered together; the argument and the place for the reply are
        // valid for the call.
        let returned = unsafe { (self.call)(self.data.data(), pinion_view::of(argument), &raw mut reply) };
        adopt_bytes(reply, &self.name, adopt(returned, &self.name))
    }
}

fn checked_name(name: &str) -> Result<&str> {
    if name.is_empty() || name.contains(['.', '\0']) {
        let text = format!("RPC method {name:?}: a name is not empty and has no full stop and no NUL");
        return Err(Error::invalid(text));
    }
    Ok(name)
}

fn no_function(name: &str) -> Error {
    Error::new(ErrorKind::Misuse, format!("RPC method {name:?}: NULL in place of a function"))
}

/// Makes a set without methods. The caller registers it, or frees it with pinion_methods_free.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_methods_new(methods: *mut *mut pinion_methods) -> *mut pinion_error {
    guard(|| put(methods, "the place for the methods", || handle::own(MethodSet::new())))
}

/// Adds a method that takes and gives JSON. Its argument comes as JSON with Go's field names, whatever type the
/// client sends; `reply_type` is the reply's type as Go writes it: `int`, `[]string`, `struct { Message string; Errno
/// uint }`. A method of the same name is replaced. `data` is pinion's from here on, refusals included. Errors:
/// PINION_INVALID for a name that is empty or has a full stop, or a type that is none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_methods_add_json(
    methods: *mut pinion_methods,
    name: pinion_view,
    reply_type: pinion_view,
    method: pinion_method,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    let data = Foreign::new(data, destroy);
    guard(|| {
        let name = name.text("a method's name")?;
        let answer = Answer::new(method, data, name)?;
        let method = json_method(reply_type.text("a reply's type")?, move |json| answer.answer(json))?;
        handle::with(methods, |methods| {
            *methods = std::mem::take(methods).with(name, method);
            Ok(())
        })
    })
}

/// Adds a method that takes and gives gob: a whole stream each way, its type definitions and one value, as Go's
/// gob.NewEncoder(w).Encode(v) writes. Else as pinion_methods_add_json.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_methods_add_gob(
    methods: *mut pinion_methods,
    name: pinion_view,
    method: pinion_method,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    let data = Foreign::new(data, destroy);
    guard(|| {
        let name = name.text("a method's name")?;
        let answer = Answer::new(method, data, name)?;
        handle::with(methods, |methods| {
            *methods = std::mem::take(methods).with(name, gob_method(move |gob| answer.answer(gob)));
            Ok(())
        })
    })
}

/// One call that waits for its answer, which any thread gives.
pub struct pinion_call {
    _opaque: (),
}

impl Opaque for pinion_call {
    type Inner = OwedGob;
    const NAME: &'static str = "pinion_call";
}

/// Begins to answer one call: reads `argument`, valid until it returns, and sees to it that `call` is answered some
/// time, by pinion_call_reply or pinion_call_fail. The server waits meanwhile for other calls.
pub type pinion_later_method =
    Option<unsafe extern "C" fn(data: *mut c_void, argument: pinion_view, call: *mut pinion_call)>;

struct Later {
    call: unsafe extern "C" fn(*mut c_void, pinion_view, *mut pinion_call),
    data: Foreign,
}

impl Later {
    fn start(&self, argument: &[u8], owed: OwedGob) {
        // Where no object can be made, the call is answered by being dropped.
        if let Ok(call) = handle::own(owed) {
            // SAFETY: the function and its data were registered together; the argument is valid for the call.
            unsafe { (self.call)(self.data.data(), pinion_view::of(argument), call) }
        }
    }
}

/// Adds a method whose calls run beside each other and beside those of other methods: `method` begins one on the
/// server's thread and returns, and the answer follows from any thread. Argument and reply are as in
/// pinion_methods_add_gob. The server ends after the last answer, even where the client has closed the connection.
/// Else as pinion_methods_add_gob.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_methods_add_later(
    methods: *mut pinion_methods,
    name: pinion_view,
    method: pinion_later_method,
    data: *mut c_void,
    destroy: pinion_destroy,
) -> *mut pinion_error {
    let data = Foreign::new(data, destroy);
    guard(|| {
        let name = checked_name(name.text("a method's name")?)?;
        let later = Later { call: method.ok_or_else(|| no_function(name))?, data };
        handle::with(methods, |methods| {
            let method = later_gob_method(move |argument, owed| later.start(argument, owed));
            *methods = std::mem::take(methods).with(name, method);
            Ok(())
        })
    })
}

/// Answers a call with a whole gob stream of one value. Takes `call`. Any thread. A stream that is none is the error
/// of the call, which the client gets.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_call_reply(call: *mut pinion_call, reply: pinion_view) -> *mut pinion_error {
    guard(|| {
        let owed = handle::take(call)?;
        owed.answer(Ok(reply.bytes("the reply")?));
        Ok(())
    })
}

/// Answers a call with an error, whose text the client gets. Takes `call`. Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_call_fail(call: *mut pinion_call, text: pinion_view) -> *mut pinion_error {
    guard(|| {
        let owed = handle::take(call)?;
        owed.answer(Err(String::from_utf8_lossy(text.bytes("the error's text")?).into_owned()));
        Ok(())
    })
}

/// Frees a set that was not registered. NULL does nothing. Returns 0, or PINION_MISUSE for what is none any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_methods_free(methods: *mut pinion_methods) -> i32 {
    free(methods, |methods| handle::take(methods).map(drop))
}

/// Serves the RPC methods that are registered under an engine's name, and the built-in ones: as
/// pinion_serve_rpc_requests, for an engine that need not be ready. Errors: PINION_NOT_FOUND where nothing has the
/// name, and those.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_serve_rpc_methods(name: pinion_view, connection: i32) -> *mut pinion_error {
    guard(|| {
        let name = name.text("the engine's name")?;
        registry::serve_rpc(name, UnixStream::from(duplicate(connection, "serve RPC requests")?))
    })
}

/// Serves the engine's RPC methods, its own before the built-in ones, on the calling thread until the client closes
/// the connection. `connection` is a Unix stream socket, which stays the caller's. Errors: PINION_PROTOCOL where a
/// request's header cannot be decoded; PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_serve_rpc_requests(engine: *const pinion_engine, connection: i32) -> *mut pinion_error {
    guard(|| {
        let name = lock(&handle::get(engine)?.common).engine_name.clone();
        registry::serve_rpc(&name, UnixStream::from(duplicate(connection, "serve RPC requests")?))
    })
}
