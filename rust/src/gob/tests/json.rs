// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JSON as it is shown and as it is sent.

use serde_json::{Value, json};

use super::*;
use crate::gob::notation::parse;

/// What is shown of a value that is sent as JSON.
fn sent(ty: &str, json: &Value) -> Result<Value, Error> {
    let (types, ty) = parse(ty)?;
    let mut stream = Vec::new();
    Encoder::with_names(names()).encode_as(&types, ty, json, &mut stream)?;
    decoder(&stream).next_value()?.json()
}

#[test]
fn what_is_shown_can_be_sent() {
    let cases = [
        ("[]time.Time", json!(["2000-02-29T05:30:00.5+05:30", "0001-01-01T00:00:00Z"])),
        ("struct { T, U time.Time }", json!({ "T": "1969-12-31T23:59:59Z", "U": null })),
        ("map[bool]string", json!({ "true": "x" })),
        ("map[float64]string", json!({ "1.5": "x" })),
        ("map[uint]int", json!({ "18446744073709551615": i64::MIN })),
        ("[]complex64", json!([[1.0, -2.5]])),
        ("[][]byte", json!(["AP8=", ""])),
        ("[]any", json!([null, { "type": "int", "value": -4 }, { "type": "inner", "value": { "A": 3, "B": 0 } }])),
        (
            "struct { A any; B [2]float32; C *bool }",
            json!({ "A": { "type": "int", "value": 0 }, "B": [1.0, 0.0], "C": true }),
        ),
    ];
    for (ty, json) in cases {
        assert_eq!(sent(ty, &json).unwrap(), json, "{ty}");
    }
    let (type_in_own_bytes, shown) = (json!("AQAAAA7pUHMAAAAAAP//"), json!("1999-01-01T00:00:00Z"));
    assert!(sent("time.Time", &type_in_own_bytes).is_ok());
    assert_eq!(sent("time.Time", &shown).unwrap(), shown);
    assert_eq!(sent("[]time.Time", &json!([null])).unwrap(), json!(["0001-01-01T00:00:00Z"]));
}

#[test]
fn what_is_no_interface_value_is_refused() {
    for json in [
        json!({ "type": "int" }),
        json!({ "value": 1, "what": 2 }),
        json!({ "type": 1, "value": 2 }),
        json!({ "type": "none", "value": 2 }),
        json!({ "type": "int", "value": "x" }),
        json!({ "type": "int", "value": 1, "more": 2 }),
        json!([1, 2]),
    ] {
        assert!(sent("[]any", &json!([json])).is_err(), "{json}");
    }
    for time in ["1999-02-29T00:00:00Z", "x:", "AQ="] {
        assert!(sent("time.Time", &json!(time)).is_err(), "{time}");
    }
}

#[test]
fn a_long_chain_of_types_is_refused_before_the_stack_is() {
    let mut types = Types::default();
    for id in 0..4000 {
        let field = Field { name: "Next".into(), ty: Ref::Id(65 + id), local: None };
        types.define(64 + id, Type { name: "".into(), kind: Kind::Struct(vec![field].into()) }).unwrap();
    }
    types.define(4064, Type { name: "".into(), kind: Kind::Slice { elem: Ref::Id(2) } }).unwrap();
    let error = Encoder::new().encode_as(&types, Ref::Id(64), &json!({}), &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "gob: invalid nesting depth");
}
