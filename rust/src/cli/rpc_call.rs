// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion rpc call`: one call from the shell, its argument and reply as JSON.

use serde_json::Value;

use super::rpc::connection;
use super::{arguments, print};
use crate::error::{Error, Result};
use crate::rpc::Client;

/// Makes the call and prints the reply.
pub fn call(asked: &arguments::Call) -> Result<i32> {
    let during = |error: Error| error.during(format!("call {}", asked.method));
    let argument: Value = serde_json::from_str(&asked.argument)
        .map_err(|error| during(Error::invalid(format!("the argument is no JSON: {error}"))))?;
    let (service, method) = asked
        .method
        .rsplit_once('.')
        .ok_or_else(|| during(Error::invalid("no method of an engine").with_help("write ENGINE.Method")))?;
    let mut client = Client::new(connection(asked.fd)?, service);
    let seq = client.send_json(method, asked.notation.as_deref(), &argument)?;
    let reply = client.receive_json(seq).map_err(during)?;
    print(&format!("{}\n", reply))
}
