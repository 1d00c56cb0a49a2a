// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The other processes: how they are started and driven.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use pinion::ffi::sys::inherited::inherit;

/// A process at the other end of a socket; it ends with the socket.
pub struct Peer {
    child: Child,
}

impl Peer {
    /// Starts a program with one end of a new socket pair, whose number takes the place of the argument `FD`.
    pub fn start(program: &Path, arguments: &[&str]) -> (Peer, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a socket pair");
        (Peer { child: command(program, arguments, far).spawn().expect("start a peer") }, near)
    }

    /// The private dirty memory of the process, in kB.
    pub fn private_dirty(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).expect("smaps_rollup");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("Private_Dirty");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Go program that measures when it is told to.
pub struct Meter {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Meter {
    /// A codec.
    pub fn codec(program: &Path) -> Meter {
        Meter::of(Command::new(program).arg("codec"))
    }

    /// A client on `stream`.
    pub fn client(program: &Path, stream: UnixStream) -> Meter {
        Meter::of(&mut command(program, &["client", "FD"], stream))
    }

    fn of(command: &mut Command) -> Meter {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start a meter");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        Meter { orders: child.stdin.take(), answers, child }
    }

    /// How long one of `count` takes.
    pub fn measure(&mut self, what: &str, count: u32) -> Duration {
        let orders = self.orders.as_mut().expect("its input");
        writeln!(orders, "{what} {count}").expect("order a measurement");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("read a measurement");
        Duration::from_nanos(line.trim().parse().expect("nanoseconds")) / count
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}

fn command(program: &Path, arguments: &[&str], stream: UnixStream) -> Command {
    let number = stream.as_raw_fd().to_string();
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| if *argument == "FD" { &number } else { *argument }));
    inherit(&mut command, vec![stream.into()]);
    command
}

/// Builds the Go program.
pub fn build_go(folder: &Path) -> PathBuf {
    let program = folder.join("go-rpc");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/benches/go-rpc");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).status();
    assert!(built.expect("go is needed").success(), "go build failed");
    program
}

/// The cheapest answering side there is: as many bytes for as many bytes. Two reads and two writes a call with blocking
/// calls and nothing else.
pub fn answer_raw(stream: &mut UnixStream, request: usize, reply: usize) {
    let (asked, answered) = (&mut vec![0; request][..], vec![0; reply]);
    while stream.read_exact(asked).is_ok() && stream.write_all(&answered).is_ok() {}
}
