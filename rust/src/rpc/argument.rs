// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which Go type JSON is sent as: one that the caller names, that of a built-in method, or the one that it looks like.

use serde_json::Value;

use super::builtin::PRODUCTS;
use crate::error::{Error, Result};
use crate::gob::notation::{self, parse};
use crate::gob::schema::{Kind, Ref};
use crate::gob::{Type, Types};

/// The Go type that the argument of `method` has, a name without the engine's: what `notation` says if it is given (see
/// [`notation`]), else that of the built-in method of this name, else what the JSON looks like: whole numbers are `int`, or
/// `uint64` where they are too large, and what is in a list has the type of its first element. Where several products have
/// a method of the name it is the first whose argument has the fields of the JSON.
pub fn argument_type(method: &str, notation: Option<&str>, json: &Value) -> Result<(Types, Ref)> {
    match chosen(method, notation, json)? {
        Chosen::Builtin(ty) => Ok((Types::default(), Ref::Static(ty))),
        Chosen::Notation(text) => parse_type(&text),
    }
}

/// Which type an argument has.
pub(super) enum Chosen {
    Builtin(fn() -> &'static Type),
    /// In Go's notation.
    Notation(String),
}

pub(super) fn chosen(method: &str, notation: Option<&str>, json: &Value) -> Result<Chosen> {
    if let Some(notation) = notation {
        return Ok(Chosen::Notation(notation.to_owned()));
    }
    let rows = || PRODUCTS.iter().flat_map(|product| product.methods).filter(|row| row.name == method);
    match rows().find(|row| has_fields((row.args)(), json)).or_else(|| rows().next()) {
        Some(row) => Ok(Chosen::Builtin(row.args)),
        None => inferred(json).map(Chosen::Notation),
    }
}

pub(super) fn parse_type(notation: &str) -> Result<(Types, Ref)> {
    parse(notation).map_err(|error| {
        Error::invalid(format!("the type of a value: {error}"))
            .with_help("write it as in Go: struct { Path string; Perm uint32 }")
    })
}

fn has_fields(ty: &Type, json: &Value) -> bool {
    match (&ty.kind, json) {
        (Kind::Struct(fields), Value::Object(given)) => {
            given.keys().all(|name| fields.iter().any(|field| field.name == *name))
        }
        _ => false,
    }
}

/// The Go type that JSON looks like, in Go's notation.
fn inferred(json: &Value) -> Result<String> {
    Ok(match json {
        Value::Bool(_) => "bool".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Number(number) if number.is_i64() => "int".to_owned(),
        Value::Number(number) if number.is_u64() => "uint64".to_owned(),
        Value::Number(_) => "float64".to_owned(),
        Value::Null => return Err(Error::invalid("null has no Go type").with_help("leave the field out")),
        Value::Array(elements) => {
            format!("[]{}", elements.first().map_or(Ok("string".to_owned()), inferred)?)
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match notation::is_field(name) {
                true => Ok(format!("{name} {};", inferred(value)?)),
                false => Err(Error::invalid(format!("{name:?} is no field that Go sends"))
                    .with_help("its name begins with an upper-case letter; of a map the type has to be given")),
            };
            format!("struct{{{}}}", fields.iter().map(field).collect::<Result<String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_of_an_argument_is_given_known_or_looked_up_in_the_json() {
        let described = |method: &str, notation: Option<&str>, json: Value| {
            let (types, ty) = argument_type(method, notation, &json)?;
            let ty = types.resolve(ty).unwrap();
            Ok::<_, Error>(match &ty.kind {
                Kind::Struct(fields) => fields
                    .iter()
                    .map(|field| format!("{} {};", field.name, types.describe(types.resolve(field.ty).unwrap())))
                    .collect(),
                _ => types.describe(ty),
            })
        };
        assert_eq!(described("Chdir", Some("uint8"), json!(1)).unwrap(), "uint");
        assert_eq!(described("Chdir", None, json!({ "Dir": 5 })).unwrap(), "Dir string;");
        // The product whose argument has the fields.
        assert_eq!(described("Mkdir", None, json!({ "Path": "/" })).unwrap(), "Root string;Path string;Perm uint;");
        assert!(described("LoopDevice", None, json!({ "ImageFd": 3 })).unwrap().starts_with("ImageFd uint;"));
        assert!(described("LoopDevice", None, json!({ "Image": "/i" })).unwrap().starts_with("Image string;"));
        assert!(described("LoopDevice", None, json!({ "No": "/i" })).unwrap().starts_with("ImageFd uint;"));
        let looks = [
            (json!(true), "bool"),
            (json!(-1), "int"),
            (json!(u64::MAX), "uint"),
            (json!(1.5), "float"),
            (json!("x"), "string"),
            (json!([]), "[]string"),
            (json!([[1]]), "[][]int"),
            (json!({ "B": [1], "A": {} }), "A struct;B []int;"),
        ];
        for (json, looks) in looks {
            assert_eq!(described("Own", None, json).unwrap(), looks);
        }
        for (json, error) in
            [(json!({ "a b": 1 }), "\"a b\" is no field that Go sends"), (json!([null]), "null has no Go type")]
        {
            assert_eq!(described("Own", None, json).unwrap_err().to_string(), error);
        }
        let error = described("Own", Some("struct {"), json!({})).unwrap_err();
        assert!(error.to_string().starts_with("the type of a value: byte 8: "), "{error}");
    }
}
