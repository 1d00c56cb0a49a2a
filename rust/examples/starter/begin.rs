// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ways in which a program can begin its life as a starter; its own file's name, as argv[0] tells it, chooses.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use nix::sys::signal::{SigSet, Signal};
use pinion::lifecycle::roles::Role;
use pinion::lifecycle::{self, Host};
use pinion::privileges::Credentials;
use pinion::trace;

/// Work for the main thread.
type Job = Box<dyn FnOnce() + Send>;

/// The main thread's queue, where that pumps work while the role runs in another one.
static MAIN: OnceLock<Sender<Job>> = OnceLock::new();

/// Begins it. `register` makes the engine known.
pub fn begin(register: fn() -> i32) -> i32 {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match program.file_name().and_then(|name| name.to_str()) {
        Some("starter-late") => late(register),
        Some("starter-thread") => thread(register),
        Some("starter-two-threads") => two_threads(),
        Some("starter-twice") => twice(),
        Some("starter-given-up") => given_up(),
        Some("starter-master-gives-up") => master_gives_up(register),
        _ => whole(register),
    }
}

/// Everything is ready before: nothing comes between the steps and the roles.
fn whole(register: fn() -> i32) -> i32 {
    match register() {
        0 => lifecycle::run(&Host::default()),
        code => code,
    }
}

/// The engine is registered when the process knows its role already, as by a runtime that starts only then.
fn late(register: fn() -> i32) -> i32 {
    let pending = lifecycle::start(&Host::default()).expect("the only start");
    trace::event("pending", || {
        let mask = SigSet::thread_get_mask().expect("mask");
        let signal = rustix::process::parent_process_death_signal().expect("death signal");
        serde_json::json!({
            "is": pending.role().word(),
            "credentials": Credentials::read().expect("credentials"),
            "death_signal": signal.map(rustix::process::Signal::as_raw),
            "blocked": [mask.contains(Signal::SIGTERM), mask.contains(Signal::SIGCHLD)],
        })
    });
    match register() {
        0 => pending.run(),
        code => code,
    }
}

/// The role runs in a second thread, and the main thread does what that hands to it.
fn thread(register: fn() -> i32) -> i32 {
    let pending = lifecycle::start(&Host::default()).expect("the only start");
    let (sender, jobs) = channel::<Job>();
    if register() != 0 || MAIN.set(sender).is_err() {
        return lifecycle::FAILURE;
    }
    let role = std::thread::spawn(move || pending.run());
    jobs.into_iter().for_each(|job| job());
    role.join().map_or(lifecycle::FAILURE, |never| never)
}

/// Has the main thread do something, if that waits for it; else does it here.
pub fn on_main_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let Some(main) = MAIN.get() else { return work() };
    let (sender, result) = channel();
    main.send(Box::new(move || drop(sender.send(work())))).expect("the main thread pumps");
    result.recv().expect("the main thread has done it")
}

/// Refused: a start makes processes, into which no thread follows.
fn two_threads() -> i32 {
    let _second = std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    lifecycle::run(&Host::default())
}

/// Refused, in each process of the first start that comes to a role.
fn twice() -> i32 {
    let _first = lifecycle::start(&Host::default()).expect("the only start");
    lifecycle::run(&Host::default())
}

/// No process runs its role.
fn given_up() -> i32 {
    drop(lifecycle::start(&Host::default()).expect("the only start"));
    lifecycle::FAILURE
}

/// Master alone does not run its role.
fn master_gives_up(register: fn() -> i32) -> i32 {
    let pending = lifecycle::start(&Host::default()).expect("the only start");
    match register() {
        0 if pending.role() != Role::Master => pending.run(),
        _ => lifecycle::FAILURE,
    }
}
