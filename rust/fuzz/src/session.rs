// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sessions with the server, made from bytes, and what a client must see of them: one answer for every header that can
//! be read, in order, with its number and the right text.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use pinion::gob::{ByteString, Bytes, Decoder, Encoder, Limits};
use pinion::rpc::wire::{Request, Response};
use pinion::rpc::{MethodSet, Service, serve};

/// What must come back for one request.
#[derive(Debug)]
enum Answer {
    Number(u64),
    Text(ByteString),
    Error(String),
    /// An error or a value: the body is made of any bytes.
    Something,
}

/// More than this would not fit into the socket at once.
const LONGEST: usize = 16 << 10;

const METHODS: &[&str] = &["e.Length", "e.Same", "e.Fail", "e.Nope", "f.Length", "ill", "", ".", "e.", "a.e.Length"];

fn service() -> Service {
    let methods = MethodSet::new()
        .method("Length", |bytes: Bytes| Ok(bytes.0.len() as u64))
        .method("Same", |text: ByteString| Ok(text))
        .method("Fail", |_: u64| Err::<u64, _>("no: such luck".into()));
    Service::new("e", methods, MethodSet::new())
}

/// A session as it is made.
#[derive(Default)]
struct Session {
    encoder: Encoder,
    bytes: Vec<u8>,
    answers: Vec<(u64, Answer)>,
}

impl Session {
    fn header(&mut self, method: &str, seq: u64) {
        let request = Request { service_method: method.into(), seq };
        self.encoder.encode(&request, &mut self.bytes).expect("a header can be sent");
    }

    /// What a method answers, or that it is not there; `right` is the answer to the body that comes.
    fn expect(&mut self, method: &str, seq: u64, right: Answer) {
        let answer = match method.rsplit_once('.') {
            None => Answer::Error(format!("rpc: service/method request ill-formed: {method}")),
            Some((service, _)) if service != "e" => Answer::Error(format!("rpc: can't find service {method}")),
            Some((_, "Length" | "Same" | "Fail")) => right,
            _ => Answer::Error(format!("rpc: can't find method {method}")),
        };
        self.answers.push((seq, answer));
    }

    /// Adds one request, or something else. False if nothing can be foretold behind it.
    fn step(&mut self, kind: u8, seq: u64, content: &[u8]) -> bool {
        let method = METHODS[usize::from(kind >> 4) % METHODS.len()];
        match kind % 8 {
            0..=3 => {
                let wrong = |local, remote| {
                    Answer::Error(format!("gob: decoding into local type *{local}, received remote type {remote}"))
                };
                self.header(method, seq);
                let (bytes, text) = (Bytes(content.to_vec()), ByteString::from(content.to_vec()));
                let right = match (kind % 4, method) {
                    (0, "e.Length") => Answer::Number(content.len() as u64),
                    (1, "e.Same") => Answer::Text(text.clone()),
                    (2, "e.Fail") => Answer::Error("no: such luck".to_owned()),
                    (sent, _) => {
                        let remote = ["bytes", "string", "uint", "bool"][usize::from(sent)];
                        match method {
                            "e.Length" => wrong("[]uint8", remote),
                            "e.Same" => wrong("string", remote),
                            _ => wrong("uint64", remote),
                        }
                    }
                };
                let sent = match kind % 4 {
                    0 => self.encoder.encode(&bytes, &mut self.bytes),
                    1 => self.encoder.encode(&text, &mut self.bytes),
                    2 => self.encoder.encode(&(content.len() as u64), &mut self.bytes),
                    _ => self.encoder.encode(&true, &mut self.bytes),
                };
                sent.expect("an argument can be sent");
                self.expect(method, seq, right);
                true
            }
            // A body of any bytes. A definition takes what follows for its value, and an interface may.
            4 if content.len() < 0x80
                && content.first().is_none_or(|first| *first < 0x80 && first & 1 == 0 && *first != 0x10) =>
            {
                self.header(method, seq);
                self.bytes.push(content.len() as u8);
                self.bytes.extend_from_slice(content);
                self.expect(method, seq, Answer::Something);
                true
            }
            // The end after a header, in a header, or in a body.
            5 => {
                self.header(method, seq);
                self.expect(method, seq, Answer::Error("EOF".to_owned()));
                false
            }
            6 => {
                let start = self.bytes.len();
                self.header(method, seq);
                let kept = content.len() % (self.bytes.len() - start);
                self.bytes.truncate(start + kept);
                false
            }
            7 => {
                self.header(method, seq);
                self.bytes.push(content.len() as u8 % 0x70 + 9);
                self.bytes.extend([12, 0, 0x7f]);
                self.expect(method, seq, Answer::Error("unexpected EOF".to_owned()));
                false
            }
            _ => {
                // A frame that is no header.
                self.bytes.extend([3, 4, 0, 2]);
                false
            }
        }
    }
}

/// Plays the session that the bytes describe.
pub fn run(mut bytes: &[u8]) {
    let mut session = Session::default();
    while let [kind, seq, length, rest @ ..] = bytes {
        let (content, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        if !session.step(*kind, u64::from(*seq) << (seq % 56), content) || session.bytes.len() > LONGEST {
            break;
        }
    }
    let (mut near, far) = UnixStream::pair().expect("a pair of sockets");
    near.write_all(&session.bytes).expect("the session fits");
    near.shutdown(Shutdown::Write).expect("can be shut down");
    let _ = serve(far, &service(), &Limits::default());
    check(near, &session.answers);
}

fn check(near: UnixStream, answers: &[(u64, Answer)]) {
    let mut decoder = Decoder::new(near, Limits::default());
    for (number, (seq, answer)) in answers.iter().enumerate() {
        let got: Response = decoder.decode().unwrap_or_else(|error| panic!("answer {number}: {error}, not {answer:?}"));
        assert_eq!(got.seq, *seq, "the number of answer {number}");
        let error = got.error.to_string();
        let body = decoder.next_value().expect("an answer has a body");
        match answer {
            Answer::Error(text) => assert_eq!(&error, text, "answer {number}"),
            Answer::Something => {}
            Answer::Number(number) => assert_eq!((error.as_str(), body.to::<u64>().ok()), ("", Some(*number))),
            Answer::Text(text) => assert_eq!((error.as_str(), body.to::<ByteString>().ok().as_ref()), ("", Some(text))),
        }
    }
    assert!(decoder.decode::<Response>().is_err(), "more answers than requests");
}
