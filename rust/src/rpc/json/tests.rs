// SPDX-License-Identifier: Apache-2.0 OR MIT
use std::os::unix::net::UnixStream;
use std::thread;

use serde_json::json;

use super::*;
use crate::error::ErrorKind;
use crate::gob::{ByteString, Bytes, Limits, Time};
use crate::gob_struct;
use crate::rpc::builtin::registered;
use crate::rpc::{MethodSet, Service, serve};

gob_struct! {
    struct Inner as "Inner" {
        number: i64 as "Number",
    }
}

gob_struct! {
    struct Args as "Args" {
        text: ByteString as "Text",
        count: u64 as "Count",
        list: Vec<i64> as "List",
        bytes: Bytes as "Bytes",
        inner: Inner as "Inner",
        pointer: Option<Inner> as "Pointer",
        time: Time as "Time",
    }
}

/// A client of a service `t` with these methods, and what they cannot do.
fn with_client<R>(methods: MethodSet, calls: impl FnOnce(&mut Client) -> R) -> R {
    let (near, far) = UnixStream::pair().unwrap();
    let service = Service::new("t", methods, MethodSet::new());
    let server = thread::spawn(move || serve(far, &service, &Limits::default()));
    let result = calls(&mut Client::new(near, "t").with_names(registered::names()));
    server.join().unwrap().unwrap();
    result
}

/// A method that shows its argument and answers the same text each time.
fn shows(reply: &str, answer: &'static str) -> Arc<dyn Method> {
    json_method(reply, move |argument| match answer {
        "" => Ok(argument.to_vec()),
        _ => Ok(answer.into()),
    })
    .unwrap()
}

#[test]
fn all_fields_of_the_callers_type_are_shown() {
    let methods = MethodSet::new().with(
        "Show",
        json_method("string", |argument| Ok(serde_json::to_vec(&String::from_utf8_lossy(argument))?)).unwrap(),
    );
    with_client(methods, |client| {
        let shown: String = client.call("Show", &Args::default()).unwrap();
        let zeros = json!({
            "Text": "", "Count": 0, "List": null, "Bytes": null, "Inner": { "Number": 0 }, "Pointer": null, "Time": null
        });
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), zeros);
        let args = Args {
            count: u64::MAX,
            bytes: Bytes(vec![0, 255]),
            time: Time { seconds: 0, ..Time::default() },
            ..Args::default()
        };
        let shown: Value = serde_json::from_str(&client.call::<_, String>("Show", &args).unwrap()).unwrap();
        assert_eq!((&shown["Count"], &shown["Bytes"]), (&json!(u64::MAX), &json!("AP8=")));
        assert_eq!(shown["Time"], "1970-01-01T00:00:00Z");
        assert_eq!(client.call::<_, String>("Show", &7i64).unwrap(), "7");
    });
}

const ARGS: &str = "type Args struct {
    Text string; Count uint64; List []int; Bytes []byte
    Inner struct { Number int }; Pointer *struct { Number int }; Time time.Time
}";

#[test]
fn a_reply_is_sent_as_declared_and_what_was_shown_can_be_sent() {
    let methods = MethodSet::new().with("Same", shows(ARGS, "")).with("Part", shows(ARGS, "{\"Count\": 3}"));
    with_client(methods, |client| {
        let args = Args {
            text: "x".into(),
            count: u64::MAX,
            list: vec![0, i64::MIN],
            bytes: Bytes(vec![1]),
            inner: Inner { number: 5 },
            pointer: Some(Inner { number: 0 }),
            time: Time { seconds: 951_782_400, nanoseconds: 5, offset: Some(-3600) },
        };
        for args in [Args::default(), args] {
            assert_eq!(client.call::<_, Args>("Same", &args).unwrap(), args);
        }
        assert_eq!(client.call::<_, Args>("Part", &7i64).unwrap(), Args { count: 3, ..Args::default() });
    });
}

#[test]
fn a_reply_that_does_not_fit_is_the_error_of_its_call() {
    let reply = "struct { Items []struct { Name string; Perm uint32 }; Map map[string]int; Any any }";
    let cases = [
        (
            "{\"Items\": [{\"Name\": \"a\"}, {\"Name\": 3}]}",
            "the reply: Items[1].Name: gob: cannot send the number 3 as string",
        ),
        ("{\"Items\": [{\"Perm\": -1}]}", "the reply: Items[0].Perm: gob: cannot send the number -1 as uint"),
        ("{\"Items\": [{\"Nmae\": \"a\"}]}", "the reply: Items[0]: gob: no field \"Nmae\" in the struct to send"),
        ("{\"Map\": {\"a\": 1.5}}", "the reply: Map.a: gob: cannot send the number 1.5 as int"),
        ("[1]", "the reply: gob: cannot send 1 elements as struct"),
        ("{\"Any\": 1}", "the reply: Any: gob: cannot send the number 1 as interface"),
        (
            "{\"Any\": {\"type\": \"None\", \"value\": 1}}",
            "the reply: Any: gob: name not registered for interface: \"None\"",
        ),
        (
            "{\"Any\": {\"tipe\": \"None\", \"value\": 1}}",
            "the reply: Any: gob: an interface value is {\"type\": a registered name, \"value\": …}",
        ),
        ("{", "the reply is no JSON: EOF while parsing an object at line 1 column 1"),
        (" ", "the reply is no JSON: EOF while parsing a value at line 1 column 1"),
    ];
    let set = |set: MethodSet, (place, (answer, _)): (usize, &(&'static str, &str))| {
        set.with(&format!("M{place}"), shows(reply, answer))
    };
    let methods = cases.iter().enumerate().fold(MethodSet::new().with("Fine", shows(reply, "{}")), set);
    let methods = methods.with("Fails", json_method("int", |_| Err("no luck".into())).unwrap());
    with_client(methods, |client| {
        for (place, (_, want)) in cases.iter().enumerate() {
            let error = client.call_json(&format!("M{place}"), None, &json!(1)).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Rpc, *want));
            let fine = client.call_json("Fine", None, &json!(1)).unwrap();
            assert_eq!(fine, json!({ "Items": null, "Map": null, "Any": null }));
        }
        assert_eq!(client.call_json("Fails", None, &json!(1)).unwrap_err().to_string(), "no luck");
    });
    let error = json_method("struct { a int }", |_| Ok(Vec::new())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("the type of a value: byte 9: expected an exported field"), "{error}");
}

#[test]
fn an_interface_value_is_sent_under_its_registered_name() {
    let answer = "{\"Err\": {\"type\": \"*fs.PathError\", \"value\": {\"Op\": \"stat\", \"Err\": {\"type\": \"syscall.Errno\", \"value\": 2}}}}";
    let methods = MethodSet::new().with_names(&registered::names()).with("Stat", shows("struct { Err error }", answer));
    with_client(methods, |client| {
        let shown = client.call_json("Stat", None, &json!({ "Path": "/" })).unwrap();
        assert_eq!(shown["Err"]["type"], "*fs.PathError");
        assert_eq!(shown["Err"]["value"]["Err"], json!({ "type": "syscall.Errno", "value": 2 }));
    });
}

#[test]
fn a_client_calls_with_json_and_tells_each_type_once() {
    let methods = MethodSet::new()
        .method("Count", |args: Args| Ok(args.count + args.list.len() as u64))
        .method("Number", |inner: Inner| Ok(inner));
    with_client(methods, |client| {
        let asked = json!({ "Count": 2, "List": [1, 2] });
        let error = client.call_json("Count", None, &asked).unwrap_err();
        assert_eq!(error.to_string(), "gob: wrong type (uint64) for received field .Count");
        // More calls than a server takes definitions.
        let mut sent = std::collections::VecDeque::new();
        for number in 0..2000 {
            sent.push_back((client.send_json("Count", Some(ARGS), &asked).unwrap(), json!(4)));
            let inner = json!({ "Number": number });
            sent.push_back((client.send_json("Number", None, &inner).unwrap(), inner));
            while sent.len() > 100 {
                let (seq, reply) = sent.pop_front().unwrap();
                assert_eq!(client.receive_json(seq).unwrap(), reply);
            }
        }
        let error = client.call_json("Count", Some(ARGS), &json!({ "List": [1, "x"] })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.to_string(), "call t.Count: the argument: List[1]: gob: cannot send text as int");
        let error = client.call_json("Count", None, &json!(null)).unwrap_err();
        assert_eq!(error.to_string(), "call t.Count: null has no Go type");
        for (seq, reply) in sent {
            assert_eq!(client.receive_json(seq).unwrap(), reply);
        }
    });
}

#[test]
fn replies_of_one_method_are_told_of_once() {
    with_client(MethodSet::new().with("Same", shows(ARGS, "")), |client| {
        // Each reply has several types.
        for count in 0..2000 {
            let args = Args { count, ..Args::default() };
            assert_eq!(client.call::<_, Args>("Same", &args).unwrap().count, count);
        }
    });
}

#[test]
fn an_argument_that_is_shown_much_longer_than_it_was_sent_is_refused() {
    let methods =
        MethodSet::new().with("Show", json_method("int", |argument| Ok(argument.len().to_string().into())).unwrap());
    with_client(methods, |client| {
        let fields: String = (0..60).map(|field| format!("F{field:01000} int; ")).collect();
        let notation = format!("[]struct {{ {fields} }}");
        let empty = |count: usize| Value::Array(vec![json!({}); count]);
        assert_eq!(client.call_json("Show", Some(&notation), &empty(1000)).unwrap(), json!(60_362_001));
        let error = client.call_json("Show", Some(&notation), &empty(1200)).unwrap_err();
        assert_eq!(error.to_string(), "the argument: more than 67108864 bytes of JSON");
    });
}
