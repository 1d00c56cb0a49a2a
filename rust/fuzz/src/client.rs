// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A server that sends any bytes, and what the core's client must make of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use pinion::gob::{Decoder, Limits};
use pinion::rpc::Client;
use pinion::rpc::wire::Response;

/// How many requests wait for a reply.
const CALLS: u64 = 4;
/// More than this would not fit into the socket at once.
const LONGEST: usize = 64 << 10;

/// What the bytes answer, up to the first that breaks the rules: by request, the value or the error's text.
fn answers(bytes: &[u8]) -> BTreeMap<u64, Result<Option<u64>, String>> {
    let mut decoder = Decoder::new(bytes, Limits::default());
    let mut answers = BTreeMap::new();
    loop {
        let Ok(header) = decoder.decode::<Response>() else { return answers };
        if header.seq >= CALLS || answers.contains_key(&header.seq) {
            return answers;
        }
        let Ok(body) = decoder.next_value() else { return answers };
        let text = header.error.to_string_lossy().into_owned();
        answers.insert(header.seq, if text.is_empty() { Ok(body.to::<u64>().ok()) } else { Err(text) });
    }
}

/// The client must see just these answers.
pub fn run(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let (near, mut far) = UnixStream::pair().expect("a pair of sockets");
    far.write_all(bytes).expect("the bytes fit");
    far.shutdown(Shutdown::Write).expect("can be shut down");
    let answers = answers(bytes);
    let mut client = Client::new(near, "e");
    for seq in 0..CALLS {
        assert_eq!(client.send("M", &seq).expect("a request can be prepared"), seq);
    }
    for seq in (0..CALLS).rev() {
        let got = client.receive::<u64>(seq);
        match answers.get(&seq) {
            None => assert!(got.is_err(), "an answer to {seq} from nowhere: {got:?}"),
            Some(Ok(Some(value))) => assert_eq!(got.ok(), Some(*value), "the answer to {seq}"),
            Some(Ok(None)) => assert!(got.is_err(), "{got:?} is no number"),
            Some(Err(text)) => assert_eq!(&got.expect_err("an error was sent").to_string(), text),
        }
    }
}
