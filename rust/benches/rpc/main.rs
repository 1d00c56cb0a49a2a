// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The core's net/rpc and gob beside a bare socket pair and beside Go's own, all on one CPU. The variants take turns, a
//! few hundred calls at a time, so that a drift of the machine's speed meets all; shown are the medians of the turns and
//! of the ratios within them. Clients and servers are processes of their own, the call is Chdir to `/`.
//! Usage: bench-rpc FOLDER-OF-THE-PROGRAMS

mod codec;
mod peers;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peers::{Meter, Peer};
use pinion::ffi::sys::inherited;
use pinion::gob::Encoder;
use pinion::rpc::Client;
use pinion::rpc::builtin::chdir::ChdirArgs;
use pinion::rpc::wire::{Request, Response};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const TURNS: usize = 200;
const CALLS: u32 = 300;
const VALUES: u32 = 2000;
const FRESH_VALUES: u32 = 100;
/// Calls that go out with one write.
const TOGETHER: u32 = 30;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        // This program is the other end of the bare socket pair, too.
        [_, word, fd, request, reply] if word == "raw" => {
            let [fd, request, reply] = [fd, request, reply].map(|number| number.parse().expect("a number"));
            let stream = inherited::adopt(fd).expect("a socket");
            peers::answer_raw(&mut stream.into(), request as usize, reply as usize);
        }
        [own, programs] => {
            let folder = tempfile::tempdir().expect("a folder");
            let go = peers::build_go(folder.path());
            pin();
            let pinion = Path::new(programs).join("pinion");
            Bench::new(Path::new(own), &pinion, &go).run();
        }
        _ => panic!("usage: bench-rpc FOLDER-OF-THE-PROGRAMS"),
    }
}

/// This process and those that it starts share one CPU from now on.
fn pin() {
    let allowed = sched_getaffinity(None).expect("the CPUs allowed");
    let last = (0..CpuSet::MAX_CPU).rfind(|cpu| allowed.is_set(*cpu)).expect("a CPU");
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one).expect("pin to one CPU");
}

/// Every variant, ready.
struct Bench {
    pinion: PathBuf,
    request: usize,
    reply: usize,
    raw: UnixStream,
    core: Client,
    go_core: Meter,
    go_go: Meter,
    codec: codec::Warm,
    go_codec: Meter,
    /// The servers.
    _peers: [Peer; 4],
}

impl Bench {
    fn new(own: &Path, pinion: &Path, go: &Path) -> Bench {
        let (request, reply) = sizes();
        let core_server = || Peer::start(pinion, &["rpc", "serve", "--fd", "FD", "--name", "t"]);
        let (raw_peer, raw) = Peer::start(own, &["raw", "FD", &request.to_string(), &reply.to_string()]);
        let (core_peer, core) = core_server();
        let (go_core_peer, go_core) = core_server();
        let (go_peer, go_go) = Peer::start(go, &["server", "FD"]);
        Bench {
            pinion: pinion.to_owned(),
            request,
            reply,
            raw,
            core: Client::new(core, "t"),
            go_core: Meter::client(go, go_core),
            go_go: Meter::client(go, go_go),
            codec: codec::Warm::new(),
            go_codec: Meter::codec(go),
            _peers: [raw_peer, core_peer, go_core_peer, go_peer],
        }
    }

    fn turn(&mut self) -> [Duration; 9] {
        [
            raw_calls(&mut self.raw, self.request, self.reply),
            core_calls(&mut self.core),
            calls_together(&mut self.core),
            self.go_core.measure("calls", CALLS),
            self.go_go.measure("calls", CALLS),
            timed(VALUES, || self.codec.value()),
            self.go_codec.measure("warm", VALUES),
            timed(FRESH_VALUES, codec::fresh),
            self.go_codec.measure("fresh", FRESH_VALUES),
        ]
    }

    fn run(mut self) {
        self.turn();
        let mut times: [Vec<Duration>; 9] = Default::default();
        for _ in 0..TURNS {
            times.iter_mut().zip(self.turn()).for_each(|(times, time)| times.push(time));
        }
        let [raw, core, together, go_core, go_go, warm, go_warm, fresh, go_fresh] = times;
        println!(
            "one CPU (GOMAXPROCS 1, as Go chooses), {TURNS} turns of {CALLS} calls: Chdir, {} bytes there, {} back",
            self.request, self.reply
        );
        show("bare socket pair", &raw);
        show("core with core", &core);
        show("the same, 30 calls in one write", &together);
        show("Go with Go", &go_go);
        show("Go with core", &go_core);
        show("Mount's arguments, Go, long-lived ends", &go_warm);
        show("Mount's arguments, core, long-lived ends", &warm);
        show("Mount's arguments, Go, new ends", &go_fresh);
        show("Mount's arguments, core, new ends", &fresh);
        ratio("core with core / bare socket pair", &core, &raw, "at most 1.30");
        ratio("Go with core / Go with Go", &go_core, &go_go, "at most 0.65");
        ratio("codec, long-lived ends: Go / core", &go_warm, &warm, "at least 4");
        ratio("codec, new ends: Go / core", &go_fresh, &fresh, "at least 4");
        let kb = idle_memory(&self.pinion);
        println!("{:<42} {kb:>9} kB  aim: at most 120", "private dirty memory of an idle server");
    }
}

/// The private dirty memory in kB of a server that has answered one call.
fn idle_memory(pinion: &Path) -> u64 {
    let (server, stream) = Peer::start(pinion, &["rpc", "serve", "--fd", "FD", "--name", "t"]);
    let mut client = Client::new(stream, "t");
    client.call::<_, i64>("Chdir", &ChdirArgs { dir: "/".into() }).expect("a reply");
    server.private_dirty()
}

/// How many bytes a call and its reply take once both sides know the types.
fn sizes() -> (usize, usize) {
    let (service_method, seq) = ("t.Chdir", 1000);
    let second = |encode: &dyn Fn(&mut Encoder, &mut Vec<u8>)| {
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        encode(&mut encoder, &mut bytes);
        bytes.clear();
        encode(&mut encoder, &mut bytes);
        bytes.len()
    };
    let request = second(&|encoder, bytes| {
        encoder.encode(&Request { service_method: service_method.into(), seq }, bytes).expect("a header");
        encoder.encode(&ChdirArgs { dir: "/".into() }, bytes).expect("an argument");
    });
    let reply = second(&|encoder, bytes| {
        let header = Response { service_method: service_method.into(), seq, error: "".into() };
        encoder.encode(&header, bytes).expect("a header");
        encoder.encode(&0i64, bytes).expect("a reply");
    });
    (request, reply)
}

fn timed(count: u32, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..count).for_each(|_| work());
    start.elapsed() / count
}

fn raw_calls(stream: &mut UnixStream, request: usize, reply: usize) -> Duration {
    let (asked, answered) = (vec![0; request], &mut vec![0; reply][..]);
    timed(CALLS, || {
        stream.write_all(&asked).expect("ask");
        stream.read_exact(answered).expect("an answer");
    })
}

fn core_calls(client: &mut Client) -> Duration {
    let args = ChdirArgs { dir: "/".into() };
    timed(CALLS, || {
        client.call::<_, i64>("Chdir", &args).expect("a reply");
    })
}

fn calls_together(client: &mut Client) -> Duration {
    let args = ChdirArgs { dir: "/".into() };
    timed(CALLS / TOGETHER, || {
        let sent: Vec<u64> = (0..TOGETHER).map(|_| client.send("Chdir", &args).expect("room")).collect();
        for seq in sent {
            client.receive::<i64>(seq).expect("a reply");
        }
    }) / TOGETHER
}

fn show(what: &str, times: &[Duration]) {
    println!("{what:<42} {:>9.3} us", median(times.iter().map(|time| time.as_nanos() as f64 / 1e3)));
}

fn ratio(what: &str, above: &[Duration], below: &[Duration], aim: &str) {
    let pairs = above.iter().zip(below).map(|(above, below)| above.as_secs_f64() / below.as_secs_f64());
    println!("{what:<42} {:>9.2}     aim: {aim}", median(pairs));
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
