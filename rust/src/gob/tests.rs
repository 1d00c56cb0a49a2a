// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both ends of a stream against each other, exact bytes, and streams that nobody should send.

mod json;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use ::serde::{Deserialize, Serialize};
use serde_json::json;

use super::number::{put_counted, put_int, put_uint};
use super::schema::{Field, Handle, Kind, Ref};
use super::{
    Array, ByteString, Complex, Decoder, Encoder, Error, Limits, Names, Raw, Time, Type, Typed, Types, schema,
};
use crate::gob_struct;

gob_struct! {
    struct Inner as "Inner" {
        a: i32 as "A",
        b: u8 as "B",
    }
}

gob_struct! {
    struct Outer as "Outer" {
        flag: bool as "Flag",
        text: ByteString as "Text",
        bytes: Vec<u8> as "Bytes",
        list: Vec<Inner> as "List",
        array: Array<u16, 40> as "Array",
        map: BTreeMap<String, Vec<f64>> as "Map",
        next: Option<Box<Outer>> as "Next",
        any: Vec<Option<Any>> as "Any",
        complex: Complex as "Complex",
        time: Time as "Time",
    }
}

/// What an interface value may hold here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Any {
    #[serde(rename = "inner")]
    Inner(Inner),
    #[serde(rename = "int")]
    Int(i64),
}

impl Typed for Any {
    fn gob_type() -> &'static Type {
        &schema::INTERFACE
    }
}

fn names() -> Names {
    Names::new().with::<Inner>("inner").with::<i64>("int")
}

fn outer() -> Outer {
    Outer {
        flag: true,
        text: vec![0xff, b'x'].into(),
        bytes: vec![0, 200],
        list: vec![Inner { a: -1, b: 255 }, Inner::default()],
        array: Array([9; 40]),
        map: BTreeMap::from([("k".to_owned(), vec![0.0, -1.5])]),
        next: Some(Box::new(Outer { text: "inner".into(), ..Outer::default() })),
        any: vec![Some(Any::Inner(Inner { a: 3, b: 0 })), None, Some(Any::Int(-4))],
        complex: Complex(0.0, 2.0),
        time: Time { seconds: 5, nanoseconds: 6, offset: Some(60) },
    }
}

fn encoded<T: Typed + Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::with_names(names()).encode(value, &mut out).unwrap();
    out
}

fn decoder(bytes: &[u8]) -> Decoder<&[u8]> {
    Decoder::new(bytes, Limits::default())
}

fn refused(bytes: &[u8]) -> String {
    let error = decoder(bytes).next_value().and_then(|raw| raw.value().map(drop)).unwrap_err();
    error.to_string()
}

/// A message of these bytes.
fn message(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_counted(&mut out, body);
    out
}

#[test]
fn every_kind_survives() {
    let value = outer();
    let bytes = encoded(&value);
    assert_eq!(decoder(&bytes).decode::<Outer>().unwrap(), value);
    // The same through a value without a type, and one byte at a time.
    struct Slowly<'a>(&'a [u8]);
    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }
    let dynamic = Decoder::new(Slowly(&bytes), Limits::default()).next_value().unwrap().value().unwrap();
    let mut again = Vec::new();
    Encoder::new().encode_value(&dynamic, &mut again).unwrap();
    assert_eq!(decoder(&again).decode::<Outer>().unwrap(), value);
}

#[test]
fn definitions_go_out_once() {
    let mut encoder = Encoder::with_names(names());
    let (mut first, mut second) = (Vec::new(), Vec::new());
    encoder.encode(&outer(), &mut first).unwrap();
    encoder.encode(&outer(), &mut second).unwrap();
    assert!(first.ends_with(&second) && first.len() > second.len() + 100);
    let both = [first, second].concat();
    let mut decoder = decoder(&both);
    assert_eq!(decoder.decode::<Outer>().unwrap(), decoder.decode::<Outer>().unwrap());
    assert!(matches!(decoder.next_value(), Err(Error::Eof)));
}

#[test]
fn known_bytes() {
    assert_eq!(encoded(&0i64), [3, 4, 0, 0]);
    assert_eq!(encoded(&"hi"), [5, 12, 0, 2, b'h', b'i']);
    // What Go 1.26 sends for a MountArgs in a new process.
    let args = crate::rpc::builtin::mount::MountArgs {
        source: "proc".into(),
        target: "/p".into(),
        flags: 14,
        ..Default::default()
    };
    let mut definition = vec![0x7f, 3, 1, 1, 9];
    definition.extend(b"MountArgs\x01\xff\x80\x00\x01\x06");
    for (name, id) in [("Root", 6), ("Source", 6), ("Target", 6), ("Filesystem", 6), ("Mountflags", 3), ("Data", 6)] {
        definition.extend([1, name.len() as u8]);
        definition.extend(name.as_bytes());
        definition.extend([1, id << 1, 0]);
    }
    definition.extend([0, 0]);
    let want = [message(&definition), message(b"\xff\x80\x02\x04proc\x01\x02/p\x02\x0e\x00")].concat();
    assert_eq!(encoded(&args), want);
}

#[test]
fn fields_are_matched_by_name() {
    gob_struct! {
        struct Other as "Other" {
            extra: Vec<Vec<String>> as "Extra",
            b: u8 as "B",
            a: i32 as "A",
        }
    }
    let other = Other { extra: vec![vec!["x".into()], vec![]], b: 7, a: -9 };
    assert_eq!(decoder(&encoded(&other)).decode::<Inner>().unwrap(), Inner { a: -9, b: 7 });
    let error = decoder(&encoded(&300u64)).decode::<u8>().unwrap_err();
    assert_eq!(error.to_string(), "value for \"*uint8\" out of range");
    let error = decoder(&encoded(&"x")).decode::<u8>().unwrap_err();
    assert_eq!(error.to_string(), "gob: decoding into local type *uint8, received remote type string");
}

#[test]
fn json_is_sent_as_a_declared_type() {
    let mut types = Types::default();
    let field = |name: &'static str, id| Field { name: name.into(), ty: Ref::Id(id), local: None };
    types
        .define(70, Type { name: "Inner".into(), kind: Kind::Struct(vec![field("A", 2), field("B", 3)].into()) })
        .unwrap();
    types.define(71, Type { name: "".into(), kind: Kind::Slice { elem: Ref::Id(70) } }).unwrap();
    types.define(72, Type { name: "".into(), kind: Kind::Map { key: Ref::Id(2), elem: Ref::Id(5) } }).unwrap();
    let fields = vec![field("List", 71), field("Map", 72), field("F", 4), field("Self", 73)];
    types.define(73, Type { name: "Outer".into(), kind: Kind::Struct(fields.into()) }).unwrap();
    let value = json!({
        "Self": {"F": 2, "List": null, "Map": null, "Self": null},
        "List": [{"B": 1, "A": -2}, {}],
        "Map": {"-5": "AQI=", "6": ""},
        "F": 0.5,
    });
    let mut out = Vec::new();
    Encoder::new().encode_as(&types, Ref::Id(73), &value, &mut out).unwrap();
    let shown = decoder(&out).next_value().unwrap().json().unwrap();
    assert_eq!(shown["List"], json!([{"A": -2, "B": 1}, {"A": 0, "B": 0}]));
    assert_eq!(shown["Map"], value["Map"]);
    assert_eq!((&shown["F"], &shown["Self"]["F"]), (&json!(0.5), &json!(2.0)));
    for wrong in
        [json!({"None": 1}), json!({"F": "x"}), json!([1]), json!({"List": [{"B": -1}]}), json!({"Map": {"x": ""}})]
    {
        let mut out = Vec::new();
        assert!(Encoder::new().encode_as(&types, Ref::Id(73), &wrong, &mut out).is_err(), "{wrong}");
    }
}

#[test]
fn a_failed_value_leaves_the_stream_whole() {
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    assert!(encoder.encode(&outer(), &mut out).unwrap_err().to_string().contains("not registered"));
    encoder.encode(&Inner { a: 1, b: 2 }, &mut out).unwrap();
    assert_eq!(decoder(&out).decode::<Inner>().unwrap(), Inner { a: 1, b: 2 });
    let mut types = Types::default();
    types.define(80, Type { name: "".into(), kind: Kind::Slice { elem: Ref::Id(99) } }).unwrap();
    assert!(encoder.encode_as(&types, Ref::Id(80), &json!([]), &mut out).is_err());
    encoder.encode(&vec![1i64], &mut out).unwrap();
    let mut decoder = decoder(&out);
    decoder.decode::<Inner>().unwrap();
    assert_eq!(decoder.decode::<Vec<i64>>().unwrap(), [1]);
}

#[test]
fn lengths_that_lie_are_refused() {
    assert_eq!(refused(&[0]), "EOF");
    assert_eq!(refused(&[5, 2, 0]), "unexpected EOF");
    assert_eq!(refused(&[0xf7, 1]), "gob: encoded unsigned integer out of range");
    assert_eq!(refused(&[0xf8, 1]), "unexpected EOF");
    for big in [u64::MAX, 1 << 63, 1 << 31, 1 << 30, (16 << 20) + 1] {
        let mut bytes = Vec::new();
        put_uint(&mut bytes, big);
        assert!(refused(&bytes).starts_with("gob: invalid message length"), "{big}");
    }
    // A string, a list of a type and a map with counts that nothing backs.
    for id in [5, 6] {
        let mut body = vec![id << 1, 0];
        put_uint(&mut body, 1 << 40);
        assert!(refused(&message(&body)).contains("exceeds input size"));
    }
    for value in [encoded(&vec![1i64]), encoded(&BTreeMap::from([(1i64, 2i64)])), encoded(&vec![Inner::default()])] {
        let mut decoder = decoder(&value);
        let id = decoder.next_value().unwrap().id();
        let mut body = Vec::new();
        put_int(&mut body, id.into());
        body.push(0);
        put_uint(&mut body, u64::MAX >> 1);
        let definitions = value.len() - usize::from(value[value.len() - usize::from(last_length(&value)) - 1]) - 1;
        let lie = [&value[..definitions], &message(&body)].concat();
        assert!(refused(&lie).contains("exceeds input size"), "{}", refused(&lie));
    }
}

/// The length of the last message, all being short.
fn last_length(stream: &[u8]) -> u8 {
    let mut rest = stream;
    loop {
        let length = rest[0];
        rest = &rest[1 + usize::from(length)..];
        if rest.is_empty() {
            return length;
        }
    }
}

#[test]
fn types_that_lie_are_refused() {
    assert_eq!(refused(&message(&[0x7e, 0])), "gob: unknown type id or corrupted data");
    assert_eq!(refused(&message(&[0xfe, 1, 0, 0])), "gob: unknown type id or corrupted data");
    let definition = encoded(&Inner { a: 1, b: 1 });
    let twice = [&definition[..], &definition[..]].concat();
    let mut decoder_twice = decoder(&twice);
    decoder_twice.next_value().unwrap();
    assert_eq!(decoder_twice.next_value().err().unwrap().to_string(), "gob: duplicate type received");
    let only = &definition[..definition.len() - usize::from(last_length(&definition)) - 1];
    assert_eq!(refused(only), "unexpected EOF");
    let beyond = [only, &message(&[0xff, 0x80, 9, 1, 0])].concat();
    assert_eq!(refused(&beyond), "gob: bad data: field numbers out of bounds");
    let far = [only, &message(&[0xff, 0x80, 0xf8, 255, 255, 255, 255, 255, 255, 255, 255, 0])].concat();
    assert_eq!(refused(&far), "gob: bad data: field numbers out of bounds");
    // A definition that names itself or nothing known.
    for elem in [65, 66, 12, i64::MAX, -5] {
        let mut body = Vec::new();
        put_int(&mut body, -65);
        body.extend([2, 1, 0, 1]);
        put_int(&mut body, elem);
        body.extend([0, 0]);
        let mut value = vec![0xff, 0x82, 0];
        value.extend([1; 200]);
        let text = refused(&[message(&body), message(&value)].concat());
        let texts =
            ["gob: invalid nesting depth", "gob: unknown type id or corrupted data", "value for \"Elem\" out of range"];
        assert!(texts.contains(&&*text), "{text}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { definitions: 2, depth: 3, name: 5, message: 2000, elements: 4, ..Limits::default() };
    let fails = |bytes: &[u8]| {
        let mut decoder = Decoder::new(bytes, limits.clone());
        decoder.next_value().and_then(|raw| raw.value().map(drop)).unwrap_err().to_string()
    };
    assert_eq!(fails(&encoded(&vec![vec![vec![1i64]]])), "gob: too many or too large type definitions");
    assert_eq!(fails(&encoded(&vec![0i64; 5])), "gob: the value has too many elements");
    gob_struct! {
        struct LongName as "Long" {
            a: i64 as "TooLong",
        }
    }
    assert_eq!(fails(&encoded(&LongName { a: 1 })), "gob: a name of 7 bytes is beyond the limit");
    let mut deep = Outer::default();
    for _ in 0..100 {
        deep = Outer { next: Some(Box::new(deep)), ..Outer::default() };
    }
    let error = Encoder::new().encode(&deep, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "gob: invalid nesting depth");
}

#[test]
fn a_list_of_nothing_cannot_be_endless() {
    // Elements that take no bytes at the end of a message.
    let mut types = Types::default();
    types.define(70, Type { name: "E".into(), kind: Kind::Struct(vec![].into()) }).unwrap();
    types.define(71, Type { name: "".into(), kind: Kind::Slice { elem: Ref::Id(70) } }).unwrap();
    let (types, limits, names) = (Arc::new(types), Limits::default(), Names::new());
    let raw = Raw::own(&types, &names, &limits, 71, &[0, 3, 0, 0]);
    assert!(raw.to::<Vec<()>>().unwrap_err().to_string().contains("exceeds input size"));
    assert!(raw.value().unwrap_err().to_string().contains("exceeds input size"));
    assert!(matches!(types.handle(70), Ok(Handle::Shared(_))));
}

#[test]
fn complex_numbers_keep_signed_zeros_and_fields_leave_zero_out() {
    gob_struct! {
        struct Pair as "Pair" {
            one: Complex as "One",
            two: Complex as "Two",
        }
    }
    let zeros = vec![Complex(-0.0, 0.0), Complex(0.0, -0.0)];
    let bytes = encoded(&zeros);
    assert_eq!(bytes[bytes.len() - 8..], [0, 2, 0xff, 0x80, 0, 0, 0xff, 0x80]);
    let value = decoder(&bytes).next_value().unwrap().value().unwrap();
    let mut again = Vec::new();
    Encoder::new().encode_value(&value, &mut again).unwrap();
    assert_eq!(again, bytes);
    let bytes = encoded(&Pair { one: Complex(0.0, -0.0), two: Complex(0.0, 1.0) });
    assert_eq!(bytes[bytes.len() - 6..], [2, 0, 0xfe, 0xf0, 0x3f, 0]);
}

#[test]
fn the_name_of_a_type_may_be_its_whole_text() {
    let mut types = Types::default();
    let name = format!("struct {{ {} }}", "A int; ".repeat(500));
    types.define(70, Type { name: name.clone().into(), kind: Kind::Struct(vec![].into()) }).unwrap();
    let mut bytes = Vec::new();
    Encoder::new().encode_as(&types, Ref::Id(70), &json!({}), &mut bytes).unwrap();
    let mut decoder = decoder(&bytes);
    let id = decoder.next_value().unwrap().id();
    assert_eq!(decoder.types().get(id).unwrap().name, name);
}

#[test]
fn types_are_compared_before_values() {
    gob_struct! {
        struct Sent as "Sent" {
            a: String as "A",
            inner: Inner as "Inner",
        }
    }
    gob_struct! {
        struct Other as "Other" {
            c: i64 as "C",
        }
    }
    gob_struct! {
        struct Wanted as "Wanted" {
            inner: Other as "Inner",
            list: Vec<i8> as "List",
        }
    }
    // The field is zero and not sent.
    let bytes = encoded(&Sent::default());
    let error = decoder(&bytes).decode::<Inner>().unwrap_err();
    assert_eq!(error.to_string(), "gob: wrong type (int32) for received field Sent.A");
    // A struct inside another may have nothing in common, a whole value may not.
    assert_eq!(decoder(&bytes).decode::<Wanted>().unwrap(), Wanted::default());
    let error = decoder(&bytes).decode::<Other>().unwrap_err();
    assert_eq!(error.to_string(), "gob: type mismatch: no fields matched compiling decoder for Other");
    let error = decoder(&encoded(&vec![300i64])).decode::<Vec<i8>>().unwrap_err();
    assert_eq!(error.to_string(), "value for \"element of *[]int8\" out of range");
    let error = decoder(&encoded(&vec![1i64])).decode::<Inner>().unwrap_err();
    assert_eq!(error.to_string(), "gob: type mismatch in decoder: want struct type rpc.Inner; got non-struct");
}
