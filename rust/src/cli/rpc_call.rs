// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion rpc call`: one call from the shell, its argument and reply as JSON.

use serde_json::Value;

use super::rpc::connection;
use super::{arguments, print};
use crate::error::{Error, Result};
use crate::gob::schema::{FIRST_USER_ID, Field, Kind, Ref, Type};
use crate::gob::{Id, Typed, Types};
use crate::rpc::Client;
use crate::rpc::builtin::PRODUCTS;

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
    let builtin = PRODUCTS.iter().flat_map(|product| product.methods).find(|row| row.name == method);
    let seq = match builtin {
        Some(row) => client.send_as(method, &Types::default(), Ref::Static(row.args), &argument),
        None => {
            let mut types = Types::default();
            let ty = inferred(&mut types, &argument).map_err(during)?;
            client.send_as(method, &types, ty, &argument)
        }
    };
    let reply = client.receive_value(seq?).map_err(during)?;
    print(&format!("{}\n", reply.to_json()))
}

/// The Go type that JSON looks like: what the methods of pinion's own tables take is known, of others it is not.
fn inferred(types: &mut Types, json: &Value) -> Result<Ref> {
    let kind = match json {
        Value::Bool(_) => return Ok(Ref::Static(bool::gob_type)),
        Value::String(_) => return Ok(Ref::Static(str::gob_type)),
        Value::Number(number) if number.is_i64() => return Ok(Ref::Static(i64::gob_type)),
        Value::Number(number) if number.is_u64() => return Ok(Ref::Static(u64::gob_type)),
        Value::Number(_) => return Ok(Ref::Static(f64::gob_type)),
        Value::Null => return Err(Error::invalid("null has no Go type").with_help("leave the field out")),
        Value::Array(elements) => {
            let elem = elements.first().map_or(Ok(Ref::Static(str::gob_type)), |first| inferred(types, first))?;
            Kind::Slice { elem }
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                Ok(Field { name: name.clone().into(), ty: inferred(types, value)?, local: None })
            };
            Kind::Struct(fields.iter().map(field).collect::<Result<Vec<_>>>()?.into())
        }
    };
    let id = FIRST_USER_ID + Id::try_from(types.len()).unwrap_or(Id::MAX - FIRST_USER_ID);
    types.define(id, Type { name: "".into(), kind }).map_err(|error| Error::invalid(error.to_string()))?;
    Ok(Ref::Id(id))
}
