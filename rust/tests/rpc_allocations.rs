// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that calls take: once a connection is warm, a call whose argument and reply have a fixed size takes none, on
//! either side. Nor does a message. Counted for the calling thread by the allocator of `allocation_counter`.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use allocation_counter::measure;
use pinion::error::ErrorKind;
use pinion::gob::{Bytes, Limits};
use pinion::gob_struct;
use pinion::log;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::{Client, MethodSet, Service, serve};

gob_struct! {
    /// Only numbers.
    pub struct Numbers as "Numbers" {
        /// One.
        pub a: i64 as "A",
        /// Another.
        pub b: u64 as "B",
        /// And a third.
        pub c: bool as "C",
    }
}

fn service() -> Service {
    let methods = MethodSet::new()
        .method("Sum", |numbers: Numbers| Ok(numbers.a + numbers.b.cast_signed()))
        .method("Mirror", |numbers: Numbers| Ok(numbers))
        .method("Mount", |_: MountArgs| Ok(MountErrorReply::default()))
        .method("Length", |bytes: Bytes| Ok(bytes.0.len() as u64));
    Service::new("an.engine.whose.name.is.longer.than.a.short.string", methods, MethodSet::new())
}

/// Allocations of a server and of a client, in a connection on which the client does `calls`.
fn session(limit: Option<Duration>, calls: impl FnOnce(&mut Client)) -> (u64, u64) {
    let (near, far) = UnixStream::pair().unwrap();
    let service = service();
    let name = service.name().to_owned();
    let server =
        thread::spawn(move || measure(|| serve(far, &service, &Limits::default()).expect("a clean end")).count_total);
    let mut client = Client::new(near, &name).with_time_limit(limit);
    let on_client = measure(|| calls(&mut client)).count_total;
    drop(client);
    (server.join().unwrap(), on_client)
}

/// A buffer may grow once more in a longer session, as numbers become longer; a piece a call would be hundreds.
fn none_a_call(few: (u64, u64), many: (u64, u64)) {
    let more = (many.0.saturating_sub(few.0), many.1.saturating_sub(few.1));
    assert!(more.0 < 10 && more.1 < 10, "server {} -> {}, client {} -> {}", few.0, many.0, few.1, many.1);
}

fn numbers(client: &mut Client, count: i64) {
    for number in 0..count {
        let numbers = Numbers { a: number, b: 2, c: true };
        assert_eq!(client.call::<_, i64>("Sum", &numbers).unwrap(), number + 2);
        assert_eq!(client.call::<_, Numbers>("Mirror", &numbers).unwrap(), numbers);
    }
}

#[test]
fn calls_of_fixed_size_take_no_memory() {
    for limit in [None, Some(Duration::from_secs(60))] {
        let few = session(limit, |client| numbers(client, 10));
        let many = session(limit, |client| numbers(client, 1000));
        assert!(few.0 > 0 && few.1 > 0, "nothing is counted");
        none_a_call(few, many);
    }
}

#[test]
fn requests_sent_together_take_no_memory() {
    let rounds = |count| {
        move |client: &mut Client| {
            for _ in 0..count {
                let sent = [0, 1, 2, 3].map(|a| client.send("Sum", &Numbers { a, ..Default::default() }).unwrap());
                for (a, seq) in sent.into_iter().enumerate() {
                    assert_eq!(client.receive::<i64>(seq).unwrap(), a as i64);
                }
            }
        }
    };
    none_a_call(session(None, rounds(10)), session(None, rounds(500)));
}

#[test]
fn short_strings_take_no_memory_and_long_ones_one_piece_each() {
    let mounts = |target: &'static str, count| {
        move |client: &mut Client| {
            let mount = MountArgs {
                source: "/dev/loop0".into(),
                target: target.into(),
                filesystem: "squashfs".into(),
                ..Default::default()
            };
            for _ in 0..count {
                assert!(client.call::<_, MountErrorReply>("Mount", &mount).unwrap().message.is_empty());
            }
        }
    };
    let short = "/var/lib/pinion/mount/image";
    none_a_call(session(None, mounts(short, 10)), session(None, mounts(short, 500)));
    let long = "/var/lib/pinion/mount/image/with/a/longer/name";
    let (few, many) = (session(None, mounts(long, 10)), session(None, mounts(long, 500)));
    none_a_call((few.0 + 490, few.1), many);
}

#[test]
fn what_a_large_call_took_is_given_back() {
    let large = Bytes(vec![1; 5 << 20]);
    let (near, far) = UnixStream::pair().unwrap();
    let service = service();
    let name = service.name().to_owned();
    let server = thread::spawn(move || serve(far, &service, &Limits::default()));
    let mut client = Client::new(near, &name);
    let held = measure(|| {
        assert_eq!(client.call::<_, u64>("Length", &large).unwrap(), 5 << 20);
        assert_eq!(client.call::<_, u64>("Length", &Bytes(vec![])).unwrap(), 0);
    });
    assert!(held.bytes_max > 5 << 20, "nothing is counted");
    assert!(held.bytes_current < 200 << 10, "{} bytes are held", held.bytes_current);
    assert_eq!(client.call::<_, u64>("Nope", &1u64).unwrap_err().kind(), ErrorKind::Rpc);
    drop(client);
    server.join().unwrap().unwrap();
}

#[test]
fn a_message_takes_no_memory() {
    let taken = measure(|| log::warning(format_args!("{} message on standard error", 1)));
    assert_eq!(taken.count_total, 0);
    log::set_sink(Some(Box::new(|_, _| drop(vec![1])))).expect("not within a sink");
    let taken = measure(|| log::warning(format_args!("to the sink")));
    log::set_sink(None).expect("not within a sink");
    assert_eq!(taken.count_total, 1, "what the sink itself takes");
}
