// SPDX-License-Identifier: Apache-2.0 OR MIT
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::gob::{ByteString, Encoder, Typed};
use crate::gob_struct;
use crate::rpc::builtin::registered::{self, GoError};
use crate::rpc::{Client, MethodSet, Service, serve};

gob_struct! {
    struct Args as "Args" {
        text: ByteString as "Text",
        map: BTreeMap<String, Vec<i64>> as "Map",
        error: Option<GoError> as "Error",
    }
}

fn with_client<R>(methods: MethodSet, calls: impl FnOnce(&mut Client) -> R) -> R {
    let (near, far) = UnixStream::pair().unwrap();
    let service = Service::new("t", methods, MethodSet::new());
    let server = thread::spawn(move || serve(far, &service, &Limits::default()));
    let result = calls(&mut Client::new(near, "t").with_names(registered::names()));
    server.join().unwrap().unwrap();
    result
}

fn encoded<T: Typed + serde::Serialize>(value: &T) -> Vec<u8> {
    let mut stream = Vec::new();
    Encoder::with_names(registered::names()).encode(value, &mut stream).unwrap();
    stream
}

#[test]
fn an_argument_and_a_reply_are_streams_by_themselves() {
    let methods = MethodSet::new().with("Same", gob_method(|argument| Ok(argument.to_vec()))).with(
        "Text",
        gob_method(|argument| {
            let args: Args = Decoder::new(argument, Limits::default()).decode()?;
            Ok(encoded(&args.text))
        }),
    );
    with_client(methods, |client| {
        // More types than a client takes definitions, with interface values and without in turn.
        for number in 0..2000i64 {
            let error = (number % 2 == 0).then_some(GoError::Errno(number.cast_unsigned() + 1));
            let map = BTreeMap::from([("k".to_owned(), vec![number, 0])]);
            let args = Args { text: vec![b'a', 0xff].into(), map, error };
            assert_eq!(client.call::<_, Args>("Same", &args).unwrap(), args);
            assert_eq!(client.call::<_, ByteString>("Text", &args).unwrap(), args.text);
            assert_eq!(client.call::<_, i64>("Same", &number).unwrap(), number);
        }
    });
}

#[test]
fn a_reply_that_is_not_one_value_is_the_error_of_its_call() {
    let one = encoded(&Args::default());
    let definitions = &one[..gob::encode::first_value(&one).unwrap().0];
    let cases = [
        (Vec::new(), "EOF"),
        (definitions.to_vec(), "unexpected EOF"),
        (one[..one.len() - 1].to_vec(), "unexpected EOF"),
        ([encoded(&1i64), encoded(&2i64)].concat(), "more than one value"),
        ([one.as_slice(), definitions].concat(), "after the value: gob: duplicate type received"),
        ([one.as_slice(), &[3]].concat(), "after the value: unexpected EOF"),
        (vec![3, 0x7e, 0, 0], "gob: unknown type id or corrupted data"),
    ];
    let mut methods = MethodSet::new().with("Fine", gob_method(|argument| Ok(argument.to_vec())));
    for (place, (answer, _)) in cases.iter().enumerate() {
        let answer = answer.clone();
        methods = methods.with(&format!("M{place}"), gob_method(move |_| Ok(answer.clone())));
    }
    methods = methods.with("Fails", gob_method(|_| Err("no luck".into())));
    with_client(methods, |client| {
        for (place, (_, want)) in cases.iter().enumerate() {
            let error = client.call::<_, i64>(&format!("M{place}"), &1i64).unwrap_err();
            assert_eq!(error.to_string(), format!("the reply is no gob of one value: {want}"));
            assert_eq!(client.call::<_, i64>("Fine", &3i64).unwrap(), 3);
        }
        assert_eq!(client.call::<_, i64>("Fails", &1i64).unwrap_err().to_string(), "no luck");
    });
}

#[test]
fn types_that_came_first_stand_for_the_same_ones() {
    let types_of = |stream: &[u8]| {
        let mut decoder = Decoder::new(stream, Limits::default());
        decoder.next_value().unwrap();
        decoder.types().clone()
    };
    let seen = Seen::default();
    let (args, list) = (encoded(&Args::default()), encoded(&vec![1i64]));
    let first = seen.known(&types_of(&args));
    assert!(Arc::ptr_eq(&first, &seen.known(&types_of(&args))));
    let other = seen.known(&types_of(&list));
    assert!(!Arc::ptr_eq(&first, &other));
    // As many others as are remembered put it out.
    for len in 0..SEEN {
        let mut types = Types::default();
        let kind = gob::schema::Kind::Array { elem: gob::schema::Ref::Id(2), len };
        types.define(70, gob::Type { name: "".into(), kind }).unwrap();
        let types = Arc::new(types);
        assert!(Arc::ptr_eq(&seen.known(&types), &types));
    }
    assert!(!Arc::ptr_eq(&first, &seen.known(&types_of(&args))));
}

/// Methods that reply when the test says so: `starts` hears of each call, `Now` gives the argument back.
fn later(starts: mpsc::Sender<(Vec<u8>, OwedGob)>) -> MethodSet {
    let starts = Mutex::new(starts);
    let start = later_gob_method(move |argument, owed| lock(&starts).send((argument.to_vec(), owed)).unwrap());
    MethodSet::new().with("Later", start).with("Now", gob_method(|argument| Ok(argument.to_vec())))
}

#[test]
fn calls_run_beside_each_other_and_are_answered_as_they_end() {
    let (starts, started) = mpsc::channel();
    with_client(later(starts), |client| {
        let calls = [1i64, 2, 3].map(|number| client.send("Later", &number).unwrap());
        client.flush().unwrap();
        let mut owed: Vec<_> = (0..3).map(|_| started.recv().unwrap()).collect();
        // A method that replies at once does not wait for them.
        assert_eq!(client.call::<_, i64>("Now", &7i64).unwrap(), 7);
        let (last, owed_last) = owed.pop().unwrap();
        owed_last.answer(Ok(&last));
        assert_eq!(client.receive::<i64>(calls[2]).unwrap(), 3);
        owed.pop().unwrap().1.answer(Err(String::new()));
        assert_eq!(client.receive::<i64>(calls[1]).unwrap_err().to_string(), "rpc: method t.Later failed");
        drop(owed);
        assert_eq!(client.receive::<i64>(calls[0]).unwrap_err().to_string(), "rpc: the method gave no reply");
    });
}

/// As Go's server: what is running may end, and its answer reaches a client that still reads.
#[test]
fn the_connection_ends_after_the_last_answer() {
    let (starts, started) = mpsc::channel();
    let (near, far) = UnixStream::pair().unwrap();
    let service = Service::new("t", later(starts), MethodSet::new());
    let server = thread::spawn(move || serve(far, &service, &Limits::default()));
    let mut client = Client::new(near.try_clone().unwrap(), "t");
    let call = client.send("Later", &5i64).unwrap();
    client.flush().unwrap();
    let (argument, owed) = started.recv().unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    owed.answer(Ok(&argument));
    assert_eq!(client.receive::<i64>(call).unwrap(), 5);
    server.join().unwrap().unwrap();
}

/// A client that is gone is waited for by nobody but its methods.
#[test]
fn a_client_that_leaves_ends_the_server_with_its_last_method() {
    let (starts, started) = mpsc::channel();
    let (near, far) = UnixStream::pair().unwrap();
    let service = Service::new("t", later(starts), MethodSet::new());
    let server = thread::spawn(move || serve(far, &service, &Limits::default()));
    let mut client = Client::new(near, "t");
    client.send("Later", &5i64).unwrap();
    client.flush().unwrap();
    let (argument, owed) = started.recv().unwrap();
    drop(client);
    owed.answer(Ok(&argument));
    server.join().unwrap().unwrap();
}

/// Answers that come from many threads while requests do, some of them too large for the socket's buffer.
#[test]
fn answers_and_requests_cross() {
    let methods = MethodSet::new().with(
        "Later",
        later_gob_method(|argument, owed| {
            let argument = argument.to_vec();
            thread::spawn(move || owed.answer(Ok(&argument)));
        }),
    );
    with_client(methods, |client| {
        let texts: Vec<ByteString> = (0..200).map(|number| vec![b'x'; (number % 20) * 10_000].into()).collect();
        let calls: Vec<_> = texts.iter().map(|text| client.send("Later", text).unwrap()).collect();
        for (call, text) in calls.into_iter().zip(&texts) {
            assert_eq!(client.receive::<ByteString>(call).unwrap(), *text);
        }
    });
}
