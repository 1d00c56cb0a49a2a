// SPDX-License-Identifier: Apache-2.0 OR MIT
//! c-tests/terminal.c: a terminal, and a shell with one job in it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::common;
use crate::host::{First, Host};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a shell and its job say.
pub struct Terminal {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    job: i32,
    /// Everything so far, for whoever has to find out what went wrong.
    seen: Vec<String>,
}

/// What did not come as it should.
pub type Outcome<T = ()> = Result<T, String>;

impl Terminal {
    /// Starts a job in a place of c-tests/terminal.c.
    pub fn start(host: &Host, place: &str, caller: &str, job: &[String]) -> Self {
        let mut command = Command::new(host.path("terminal"));
        if common::is_root() && caller == "user" {
            command.arg(format!("user={}", common::USER));
        }
        command.arg(place).args(job).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("terminal");
        let commands = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).unwrap_or_default();
        });
        Terminal { child, commands, lines, job: 0, seen: Vec::new() }
    }

    /// The same with a receiver in a container, up to the moment when it runs and master knows it.
    pub fn ready(host: &Host, place: &str, caller: &str, first: First, what: &str, options: &[&str]) -> Outcome<Self> {
        let mut terminal = Self::start(host, place, caller, &host.command(caller, first, options, &[what]));
        let (job, ready) = (terminal.line()?, terminal.line()?);
        terminal.job = job.strip_prefix("job ").and_then(|pid| pid.parse().ok()).unwrap_or_default();
        if terminal.job == 0 || ready != "ready" {
            return Err(format!("it did not start: {:?}", terminal.seen));
        }
        Ok(terminal)
    }

    /// Says what is to happen.
    pub fn tell(&mut self, command: &str) -> Outcome {
        self.seen.push(format!("> {}", command.escape_default()));
        let commands = self.commands.as_mut().expect("commands");
        writeln!(commands, "{command}").map_err(|error| format!("{error}: {:?}", self.seen))
    }

    /// The next line.
    pub fn line(&mut self) -> Outcome<String> {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.map_err(|error| format!("nothing more is said ({error}): {:?}", self.seen))?;
        self.seen.push(line.clone());
        Ok(line)
    }

    /// The next line, if one comes soon.
    pub fn line_within(&mut self, limit: Duration) -> Option<String> {
        let line = self.lines.recv_timeout(limit).ok()?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// Nobody is left that could say anything: no process of the container either.
    pub fn nobody_left(&mut self) -> Outcome {
        match self.lines.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            Ok(line) => Err(format!("still there: {line:?}: {:?}", self.seen)),
            Err(RecvTimeoutError::Timeout) => Err(format!("somebody is left: {:?}", self.seen)),
        }
    }

    /// Takes these lines, in whatever order. Another one, or one twice, is wrong.
    pub fn expect(&mut self, lines: &[&str]) -> Outcome {
        let mut open = lines.to_vec();
        while !open.is_empty() {
            let line = self.line()?;
            match open.iter().position(|wanted| *wanted == line) {
                Some(at) => drop(open.remove(at)),
                None => return Err(format!("wanted {lines:?}, got {line:?}: {:?}", self.seen)),
            }
        }
        Ok(())
    }

    /// Does something, and sees to it that just these lines come of it: a signal that is sent after it comes after it.
    pub fn exactly(&mut self, command: &str, lines: &[&str]) -> Outcome {
        self.tell(command)?;
        self.expect(lines)?;
        self.settle()
    }

    /// Has the job stopped, the container's program as well.
    pub fn stop(&mut self, command: &str) -> Outcome {
        self.tell(command)?;
        self.expect(&["stopped 20"])?;
        let deadline = Instant::now() + PATIENCE;
        while !is_stopped(youngest(self.job)) {
            if Instant::now() > deadline {
                return Err(format!("the program runs on: {:?}", self.seen));
            }
            common::look_again();
        }
        Ok(())
    }

    /// Everything that was under way has come; nothing more is.
    pub fn settle(&mut self) -> Outcome {
        self.tell("signal 63")?;
        self.expect(&["got 63 process"])
    }

    /// Ends a receiver that counts.
    pub fn end(mut self) -> Outcome {
        self.tell("signal 64")?;
        self.expect(&["got 64 process", "exited 0"])
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its end kills the job.
        self.commands = None;
        let _ = self.child.wait();
    }
}

/// The last one in the line of a process's children: the container's program.
fn youngest(pid: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().next().and_then(|child| child.parse().ok()).map_or(pid, youngest)
}

fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains(") T ")
}
