// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The record of a life, on request: JSON lines, one write each, from every process into one descriptor, so that it is
//! complete up to the last thing that happened even when a process is killed.
//!
//! Each line has `v` (the schema's version, [`VERSION`]), `t` (nanoseconds of CLOCK_MONOTONIC, one clock for all
//! processes), `pid` (in the PID namespace of /proc), `role` and `event`:
//!
//! | event | further keys |
//! | --- | --- |
//! | `process` | `parent`: pid of the process that made it |
//! | `step` | `step`: number, `name` |
//! | `callback` | `name`, `uid`, `gid`, `effective`, `permitted`: what the kernel said just before it was called |
//! | `returned` | `name`, `ok`, `error` |
//! | `message` | `direction`, `name` |
//! | `rpc` | `method`, `args`, `reply`, `ok`, `error`, `duration` in nanoseconds |
//! | `exec` | `program` |
//! | `child` | `of`: role, `status`: how it ended |
//! | `exit` | `code` or `signal` |
//!
//! `args` and `reply` are JSON with Go's field names; secret arguments are hidden, and what is longer than 32 KiB is shown by
//! its length.
//!
//! A process that is killed inside its write can leave the beginning of a line: the kernel stops at the end of a page of the file
//! then. The next line follows that at once.
//!
//! When it is off, each call is one comparison.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use nix::sys::signal::Signal;
use rustix::io::ReadWriteFlags;
use serde_json::{Value, json};

use crate::ffi::sys::signal;
use crate::lifecycle::fault;
use crate::lifecycle::roles::{Role, Step};

/// The version of the schema. Keys are only added within one version.
pub const VERSION: u32 = 1;

static SINK: OnceLock<Sink> = OnceLock::new();
static ROLE: AtomicU8 = AtomicU8::new(Role::Starter as u8);
static PID: AtomicI32 = AtomicI32::new(0);

/// Where the record goes to.
struct Sink(OwnedFd);

impl Sink {
    /// Writes one line. A record that cannot be written must not change the life that it tells of: nor does the signal that comes when
    /// the reader of a pipe or a socket is gone.
    fn write(&self, line: &[u8]) {
        // At a file's end, whoever writes beside us: a descriptor that was not opened to append has one position for all
        // processes, which the kernel does not guard in a file without a name (memfd_create(2)).
        let write = || rustix::io::pwritev2(&self.0, &[IoSlice::new(line)], u64::MAX, ReadWriteFlags::APPEND);
        let _ = signal::taking_back(Signal::SIGPIPE, write);
    }
}

/// Starts the record. Called once, before the first process is made.
pub fn start(fd: OwnedFd) {
    let _ = SINK.set(Sink(fd));
    enter(Role::Starter, None);
}

/// Whether a record is kept.
pub fn is_on() -> bool {
    SINK.get().is_some()
}

/// The descriptor of the record, which no sweep may close.
pub fn descriptor() -> Option<BorrowedFd<'static>> {
    SINK.get().map(|sink| sink.0.as_fd())
}

/// Says that this process has a role from now on. `parent` is the pid of the process that made it for this.
pub fn enter(role: Role, parent: Option<i32>) {
    ROLE.store(role as u8, Ordering::Relaxed);
    if !is_on() {
        return;
    }
    // Inside a PID namespace getpid() says 1; the host's /proc, as long as it is there, knows better.
    let own = std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok());
    PID.store(own.unwrap_or_else(|| nix::unistd::getpid().as_raw()), Ordering::Relaxed);
    line("process", json!({ "parent": parent }));
}

/// The role of this process.
pub fn role() -> Role {
    let number = ROLE.load(Ordering::Relaxed);
    Role::ALL.into_iter().find(|role| *role as u8 == number).unwrap_or(Role::Starter)
}

/// Says that a step has been reached. A build for tests may stop or kill the process here.
pub fn step(step: Step) {
    if is_on() {
        line("step", json!({ "step": step.number(), "name": step.word() }));
    }
    fault::point(role(), step, || event("fault", || json!({})));
}

/// Says that a message was sent or received.
pub fn message(direction: &str, name: &str) {
    if is_on() {
        line("message", json!({ "direction": direction, "name": name }));
    }
}

/// Any other event, its keys made only when a record is kept.
pub fn event(name: &str, keys: impl FnOnce() -> Value) {
    if is_on() {
        line(name, keys());
    }
}

fn line(event: &str, keys: Value) {
    let Some(sink) = SINK.get() else { return };
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mut record = json!({
        "v": VERSION,
        "t": now.tv_sec * 1_000_000_000 + now.tv_nsec,
        "pid": PID.load(Ordering::Relaxed),
        "role": role().word(),
        "event": event,
    });
    if let (Some(record), Value::Object(keys)) = (record.as_object_mut(), keys) {
        record.extend(keys);
    }
    let mut bytes = record.to_string().into_bytes();
    bytes.push(b'\n');
    sink.write(&bytes);
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// The descriptor is the caller's, who need not have opened it to append.
    #[test]
    fn lines_of_two_writers_do_not_overwrite_each_other() {
        let file = rustix::fs::memfd_create("record", rustix::fs::MemfdFlags::CLOEXEC).expect("a file without a name");
        let sink = Sink(file);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..20_000).for_each(|_| sink.write(b"a line\n")));
            }
        });
        let mut all = String::new();
        let mut file = std::fs::File::from(sink.0);
        std::io::Seek::rewind(&mut file).expect("to its beginning");
        file.read_to_string(&mut all).expect("to be read");
        assert_eq!(all.lines().filter(|line| *line == "a line").count(), 40_000);
    }
}
