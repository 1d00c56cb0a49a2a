// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole connections between this crate's two ends, and ones that break the rules.

use std::io::{IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use pinion::error::{Error, ErrorKind};
use pinion::gob::{ByteString, Bytes, Decoder, Encoder, Limits};
use pinion::rpc::builtin::{self, Options};
use pinion::rpc::server::serve_observed;
use pinion::rpc::wire::{Request, Response};
use pinion::rpc::{Call, Client, MethodSet, Observer, Service, serve};
use serde_json::{Value as Json, json};

fn service() -> Service {
    let own = MethodSet::new()
        .method("Length", |bytes: Bytes| Ok(bytes.0.len() as u64))
        .method("Same", |bytes: Bytes| Ok(bytes))
        .method("Silent", |_: u64| Err::<u64, _>("".into()))
        .method("Chdir", |dir: builtin::chdir::ChdirArgs| Ok(dir.dir));
    Service::new("eng.ine", own, builtin::methods(&Options::default()).unwrap())
}

fn start() -> (UnixStream, JoinHandle<Result<(), Error>>) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (near, thread::spawn(move || serve(far, &service(), &Limits::default())))
}

/// The bytes of requests of which every argument is the number 1.
fn requests(methods: &[&str]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut bytes = Vec::new();
    for (seq, method) in methods.iter().enumerate() {
        let request = Request { service_method: (*method).into(), seq: seq as u64 };
        encoder.encode(&request, &mut bytes).unwrap();
        encoder.encode(&1u64, &mut bytes).unwrap();
    }
    bytes
}

/// The errors of all answers until the connection ends.
fn errors(stream: UnixStream) -> Vec<String> {
    let mut decoder = Decoder::new(stream, Limits::default());
    let mut errors = Vec::new();
    while let Ok(response) = decoder.decode::<Response>() {
        decoder.next_value().unwrap();
        assert_eq!(response.seq, errors.len() as u64);
        errors.push(response.error.to_string());
    }
    errors
}

#[test]
fn calls_and_errors() {
    let (near, server) = start();
    let mut client = Client::new(near, "eng.ine").with_time_limit(Some(Duration::from_secs(20)));
    assert_eq!(client.call::<_, u64>("Length", &Bytes(vec![1; 9])).unwrap(), 9);
    let error = client.call::<_, u64>("Silent", &1u64).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Rpc, "rpc: method eng.ine.Silent failed"));
    // The engine's own method wins over the built-in one.
    let args = builtin::chdir::ChdirArgs { dir: "/none".into() };
    assert_eq!(client.call::<_, ByteString>("Chdir", &args).unwrap(), "/none".into());
    // A reply of another type is this call's error alone.
    assert_eq!(client.call::<_, String>("Length", &Bytes(vec![])).unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(client.call::<_, u64>("Length", &Bytes(vec![])).unwrap(), 0);
    drop(client);
    server.join().unwrap().unwrap();
}

#[test]
fn full_buffers_on_both_sides_do_not_block() {
    let (near, server) = start();
    let mut client = Client::new(near, "eng.ine").with_time_limit(Some(Duration::from_secs(20)));
    let sent: Vec<u64> = (0..200).map(|number| client.send("Same", &Bytes(vec![number; 300_000])).unwrap()).collect();
    for (number, seq) in sent.into_iter().enumerate().rev() {
        let reply: Bytes = client.receive(seq).unwrap();
        assert_eq!((reply.0.len(), reply.0[0]), (300_000, number as u8));
    }
    drop(client);
    server.join().unwrap().unwrap();
}

#[test]
fn answers_to_requests_sent_together_come_together() {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(&requests(&["eng.ine.Nope"; 50])).unwrap();
    let server = thread::spawn(move || serve(far, &service(), &Limits::default()));
    let mut buffer = vec![0; 1 << 16];
    let count = near.read(&mut buffer).unwrap();
    let mut decoder = Decoder::new(&buffer[..count], Limits::default());
    for seq in 0..50 {
        assert_eq!(decoder.decode::<Response>().unwrap().seq, seq);
        decoder.next_value().unwrap();
    }
    drop(near);
    server.join().unwrap().unwrap();
}

#[test]
fn requests_byte_by_byte_are_answered() {
    let (mut near, server) = start();
    for byte in requests(&["eng.ine.Nope", "other.Length", "none", "", ".", "eng.ine.", "eng.ine.Length"]) {
        near.write_all(&[byte]).unwrap();
    }
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let want = [
        "rpc: can't find method eng.ine.Nope",
        "rpc: can't find service other.Length",
        "rpc: service/method request ill-formed: none",
        "rpc: service/method request ill-formed: ",
        "rpc: can't find service .",
        "rpc: can't find method eng.ine.",
        "gob: decoding into local type *[]uint8, received remote type uint",
    ];
    assert_eq!(errors(near), want);
    server.join().unwrap().unwrap();
}

#[test]
fn bodies_that_cannot_be_read_are_errors_of_their_call() {
    let header = |seq: u64| {
        let mut bytes = Vec::new();
        Encoder::new().encode(&Request { service_method: "eng.ine.Length".into(), seq }, &mut bytes).unwrap();
        // The definition is sent once.
        if seq > 0 { bytes.split_off(1 + usize::from(bytes[0])) } else { bytes }
    };
    let (mut near, server) = start();
    let bodies: [&[u8]; 4] = [&[3, 0x7e, 0, 0], &[0], &[6, 10, 0, 0xfe, 0xff, 0xff, 1], &[5, 10, 0, 2, 1, 1]];
    for (seq, body) in bodies.iter().enumerate() {
        near.write_all(&header(seq as u64)).unwrap();
        near.write_all(body).unwrap();
    }
    near.write_all(&header(4)).unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let want = [
        "gob: unknown type id or corrupted data",
        "EOF",
        "gob: invalid data length 65535: exceeds input size 1",
        "",
        "EOF",
    ];
    assert_eq!(errors(near), want);
    server.join().unwrap().unwrap();
}

#[test]
fn headers_that_cannot_be_read_end_the_connection() {
    let good = requests(&["eng.ine.Nope"]);
    let cut = &good[..good.len() - 9];
    let bad: [&[u8]; 7] = [
        &[0xf8, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0xf0, 1],
        &[3, 0x7e, 0, 0],
        &[3, 4, 0, 2],
        &[7, 0x10, 0],
        cut,
        &[5, 0x7f, 3, 1, 1],
    ];
    for bytes in bad {
        let (mut near, server) = start();
        near.write_all(bytes).unwrap();
        near.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty(), "{bytes:?}");
        let error = server.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
    // The client sees the end and no error, although not all it sent was read.
    let (mut near, server) = start();
    near.write_all(&[[0xf0; 1].as_slice(), &[0; 3000]].concat()).unwrap();
    assert_eq!(near.read(&mut [0; 10]).unwrap(), 0);
    assert!(server.join().unwrap().is_err());
}

#[test]
fn descriptors_that_come_along_are_closed() {
    let (near, server) = start();
    let (watch, passed) = UnixStream::pair().unwrap();
    watch.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let bytes = requests(&["eng.ine.Nope"]);
    let rights = [passed.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(near.as_raw_fd(), &[IoSlice::new(&bytes)], &control, MsgFlags::empty(), None).unwrap();
    drop(passed);
    assert_eq!((&watch).read(&mut [0; 1]).unwrap(), 0);
    near.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(errors(near), ["rpc: can't find method eng.ine.Nope"]);
    server.join().unwrap().unwrap();
}

#[test]
fn a_server_that_breaks_the_rules_is_an_error() {
    let answers = |bytes: &[u8]| {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(bytes).unwrap();
        let mut client = Client::new(near, "x").with_time_limit(Some(Duration::from_millis(100)));
        let seq = client.send("M", &1u64).unwrap();
        client.flush().unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        let error = client.receive::<u64>(seq).unwrap_err();
        assert!(client.send("M", &1u64).is_err());
        error.kind()
    };
    let mut unasked = Vec::new();
    Encoder::new().encode(&Response { seq: 7, ..Response::default() }, &mut unasked).unwrap();
    assert_eq!(answers(&unasked), ErrorKind::Protocol);
    assert_eq!(answers(&[0xf0]), ErrorKind::Protocol);
    assert_eq!(answers(&unasked[..20]), ErrorKind::PeerDied);
    assert_eq!(answers(&[]), ErrorKind::PeerDied);
}

#[test]
fn a_reply_that_stops_half_way_is_waited_for_no_longer_than_the_limit() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut client = Client::new(near, "t").with_time_limit(Some(Duration::from_millis(50)));
    let mut encoder = Encoder::new();
    let mut reply = Vec::new();
    encoder.encode(&Response { service_method: "t.M".into(), seq: 0, error: "".into() }, &mut reply).unwrap();
    encoder.encode(&1u64, &mut reply).unwrap();
    far.write_all(&reply[..reply.len() - 1]).unwrap();
    assert_eq!(client.call::<_, u64>("M", &1u64).unwrap_err().kind(), ErrorKind::Timeout);
    // The rest would be taken for something else.
    far.write_all(&reply[reply.len() - 1..]).unwrap();
    assert_eq!(client.call::<_, u64>("M", &1u64).unwrap_err().kind(), ErrorKind::PeerDied);
}

#[test]
fn an_observer_sees_arguments_and_replies() {
    #[derive(Default)]
    struct Seen(Vec<(String, Json, Result<Json, String>)>);
    impl Observer for Seen {
        fn called(&mut self, call: &Call<'_>) {
            let outcome = call.outcome.map(|reply| reply.json().unwrap()).map_err(str::to_owned);
            let args = call.args.map(|args| args.json().unwrap()).unwrap_or_default();
            self.0.push((call.service_method.to_owned(), args, outcome));
        }
    }
    let (near, far) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut seen = Seen::default();
        serve_observed(far, &service(), &Limits::default(), Some(&mut seen)).unwrap();
        seen.0
    });
    let mut client = Client::new(near, "eng.ine");
    client.call::<_, u64>("Length", &Bytes(vec![1, 2])).unwrap();
    let args = builtin::mount::MountArgs { target: "/none/x".into(), ..Default::default() };
    let failure: builtin::mount::MountErrorReply = client.call("Mount", &args).unwrap();
    assert!(failure.is_not_exist);
    let _ = client.call::<_, u64>("Nope", &1u64);
    drop(client);
    let seen = server.join().unwrap();
    assert_eq!(seen[0], ("eng.ine.Length".to_owned(), json!("AQI="), Ok(json!(2))));
    assert_eq!(seen[1].1["Target"], json!("/none/x"));
    assert_eq!(seen[1].2.as_ref().unwrap()["Errno"], json!(2));
    assert_eq!(seen[2].2, Err("rpc: can't find method eng.ine.Nope".to_owned()));
}
