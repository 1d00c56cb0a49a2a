// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands and processes, and waiting for them.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command came to.
pub struct Seen {
    /// Exit code, or the negative number of the signal.
    pub exit: i32,
    pub out: String,
    pub err: String,
}

/// The processes of an instance.
pub struct Tree {
    pub master: i32,
    pub container: i32,
    /// Those who clean up.
    pub watchers: Vec<i32>,
    pub all: Vec<Process>,
}

/// A process that is not taken for a later one of its pid.
pub struct Process {
    pub pid: i32,
    began: Option<String>,
}

impl Process {
    pub fn of(pid: i32) -> Self {
        Process { pid, began: began(pid) }
    }

    /// Zombies are over; whoever has to reap them is not asked.
    pub fn lives(&self) -> bool {
        self.began.is_some() && began(self.pid) == self.began
    }

    pub fn kill(&self) {
        if self.lives() {
            common::kill(self.pid);
        }
    }

    /// The name of its program.
    pub fn word(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default().trim().to_owned()
    }
}

impl Tree {
    /// Until nobody of it is left.
    pub fn until_gone(&self, what: &str) {
        until(&format!("{what}: every process is gone"), || !self.all.iter().any(Process::lives));
    }
}

/// A process and all of its descendants.
pub fn below(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        all.extend(children(all[next]));
        next += 1;
    }
    all
}

/// When a process that lives began.
fn began(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    (!["Z", "X"].contains(&fields[0])).then(|| fields[19].to_owned())
}

pub fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|word| word.parse().expect("pid")).collect()
}

/// Looks again and again until it is so.
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        common::look_again();
    }
}

/// Runs a command to its end and to that of everybody who holds its output.
#[track_caller]
pub fn run(mut command: Command) -> Seen {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().expect("a command"))
}

/// The same of one that runs.
#[track_caller]
pub fn finish(child: Child) -> Seen {
    let pid = child.id().cast_signed();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        common::kill(pid);
        panic!("no end, or somebody holds its output, after {PATIENCE:?}");
    };
    let output = output.expect("wait");
    Seen {
        exit: output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0)),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
