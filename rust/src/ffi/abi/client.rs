// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The RPC client: for any server of Go's net/rpc, pinion's own first of all. Requests can be sent ahead and their
//! replies taken later, in any order. One thread at a time.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::crossing::pinion_error;
use super::guard::{free, guard};
use super::handle::{self, Opaque};
use super::view::{pinion_bytes, pinion_view, put, put_bytes};
use crate::error::{Error, Result};
use crate::ffi::sys::descriptor::duplicate;
use crate::rpc::Client;

/// A connection to a server.
pub struct pinion_client {
    _opaque: (),
}

impl Opaque for pinion_client {
    type Inner = Client;
    const NAME: &'static str = "pinion_client";
}

/// Makes a client of the service `service`, an engine's name, at the other end of a Unix stream socket. `connection`
/// stays the caller's and is duplicated: the server sees the end when both are closed. `limit_ms` is the longest wait
/// for one reply in milliseconds, 0 for none; a reply that comes too late ends the connection. The caller frees
/// `client` with pinion_client_free. Errors: PINION_SYSTEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_client_new(
    connection: i32,
    service: pinion_view,
    limit_ms: u32,
    client: *mut *mut pinion_client,
) -> *mut pinion_error {
    guard(|| {
        let service = service.text("the service's name")?;
        let connection = UnixStream::from(duplicate(connection, "make an RPC client")?);
        let limit = (limit_ms != 0).then(|| Duration::from_millis(limit_ms.into()));
        put(client, "the place for the client", || handle::own(Client::new(connection, service).with_time_limit(limit)))
    })
}

fn json_of(text: pinion_view) -> Result<Value> {
    let json = text.bytes("the argument")?;
    serde_json::from_slice(json).map_err(|error| Error::invalid(format!("the argument is no JSON: {error}")))
}

fn notation(view: &pinion_view) -> Result<Option<&str>> {
    Ok(Some(view.text("the argument's type")?).filter(|notation| !notation.is_empty()))
}

/// Prepares a request and stores its number in `sequence`. It goes out with the next pinion_client_flush or
/// pinion_client_receive, together with all prepared before. `argument` is JSON with Go's field names,
/// `argument_type` its type as Go writes it; empty means that of the built-in method of this name, or else the one
/// that the JSON looks like. Errors: PINION_INVALID for an argument that does not fit: then nothing is sent;
/// PINION_PEER_DIED after the connection's end.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_client_send(
    client: *mut pinion_client,
    method: pinion_view,
    argument_type: pinion_view,
    argument: pinion_view,
    sequence: *mut u64,
) -> *mut pinion_error {
    guard(|| {
        put(sequence, "the place for the request's number", || {
            let (method, argument) = (method.text("the method's name")?, json_of(argument)?);
            let argument_type = notation(&argument_type)?;
            handle::with(client, |client| client.send_json(method, argument_type, &argument))
        })
    })
}

/// Sends what was prepared.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_client_flush(client: *mut pinion_client) -> *mut pinion_error {
    guard(|| handle::with(client, Client::flush))
}

/// Waits for the reply to the request with this number and stores it as JSON in `reply`, which the caller frees with
/// pinion_bytes_free. Errors: PINION_RPC with the server's very text; PINION_PEER_DIED; PINION_TIMEOUT;
/// PINION_PROTOCOL; PINION_INVALID for a number that is not awaited.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_client_receive(
    client: *mut pinion_client,
    sequence: u64,
    reply: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| {
        put_bytes(reply, || handle::with(client, |client| Ok(client.receive_json(sequence)?.to_string().into_bytes())))
    })
}

/// Sends one request and waits for its reply: pinion_client_send and pinion_client_receive. `reply` may be NULL for a
/// reply that nobody needs.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn pinion_client_call(
    client: *mut pinion_client,
    method: pinion_view,
    argument_type: pinion_view,
    argument: pinion_view,
    reply: *mut *mut pinion_bytes,
) -> *mut pinion_error {
    guard(|| {
        let (method, argument) = (method.text("the method's name")?, json_of(argument)?);
        let argument_type = notation(&argument_type)?;
        let call = || {
            handle::with(client, |client| {
                let sequence = client.send_json(method, argument_type, &argument)?;
                Ok(client.receive_json(sequence)?.to_string().into_bytes())
            })
        };
        if reply.is_null() { call().map(drop) } else { put_bytes(reply, call) }
    })
}

/// Closes the connection and frees the client. NULL does nothing. Returns 0, or PINION_MISUSE for what is none any
/// more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinion_client_free(client: *mut pinion_client) -> i32 {
    free(client, |client| handle::take(client).map(drop))
}
