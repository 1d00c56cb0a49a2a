// SPDX-License-Identifier: Apache-2.0 OR MIT
//! stage 1 · child of: starter · namespaces: the host's · privileges: real user, for good · dies with: SIGKILL from parent
//! death · ends: 0 when it has decided, 255 if PrepareConfig failed · tells: the starter.
//!
//! It has a descriptor table of its own: what it or PrepareConfig opens ends with it, and the descriptors to be kept travel to
//! the starter, which gives them the same numbers. Where the core's own descriptors are, it has the null device instead.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::process::Signal;

use crate::config::{self, Settings, StarterConfig};
use crate::engine::contract::Callback;
use crate::engine::{Context, Engine, WaitStatus, lock};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::ffi::sys::descriptor;
use crate::lifecycle::child::{Child, Forked, fork, not_cloned, tie_to_parent};
use crate::lifecycle::handover::{Decision, HandOver};
use crate::lifecycle::messages::{Channel, FromStage1, MESSAGE_FDS, Received, Report, ToHostProcess, channel};
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Start, Stop, call};
use crate::plan::Plan;
use crate::{log, privileges, registry, trace};

/// What stage 1 decided, as the starter made it out from the sealed hand-over.
pub struct Decided {
    /// The plan, made from the starter's own facts.
    pub plan: Plan,
    /// What it was made from.
    pub settings: Settings,
    /// The engine's name in the registry.
    pub engine_name: String,
    /// The engine configuration as PrepareConfig left it: what master, RPC server and stage 2 see.
    pub configuration: Vec<u8>,
    /// The descriptors that came along, with the numbers that they had there.
    pub descriptors: Vec<(RawFd, OwnedFd)>,
    /// Stage 1 itself, if its end is still to be awaited.
    pub process: Option<Child>,
}

/// Runs stage 1 and waits for its decision. `own` are the core's descriptors, which stage 1 must not get.
pub fn run(start: &Start, own: &[BorrowedFd<'_>]) -> Result<Decided, Stop> {
    let handover = HandOver::new()?;
    let (ours, theirs) = channel::<ToHostProcess, FromStage1>()?;
    let parent = nix::unistd::getpid().as_raw();
    match fork(Role::Stage1, 0).map_err(|errno| not_cloned(Role::Stage1, &[], errno))? {
        Forked::Child => {
            let mut hidden: Vec<BorrowedFd<'_>> = own.to_vec();
            hidden.extend([ours.as_fd(), start.termination.as_fd()]);
            live(start, &hidden, &theirs, &handover, parent)
        }
        Forked::Parent(child) => {
            drop(theirs);
            decide(start, child, &ours, handover)
        }
    }
}

fn decide(
    start: &Start,
    mut child: Child,
    channel: &Channel<ToHostProcess, FromStage1>,
    handover: HandOver,
) -> Result<Decided, Stop> {
    let mut descriptors = Vec::new();
    loop {
        // Its end counts too: a process that PrepareConfig left behind may hold the channel open.
        let ready = start.until(&[channel.as_fd(), child.as_fd()], None)?;
        if !ready[0] && !sys::event::is_readable(channel) {
            return Err(silent_end(child.wait()?));
        }
        match channel.receive()? {
            Received::Message(FromStage1::Planned { fds, last }, rights) => {
                if fds.len() != rights.len() {
                    return Err(odd("descriptors and their numbers differ in count").into());
                }
                descriptors.extend(fds.into_iter().zip(rights));
                if last {
                    break;
                }
            }
            Received::Message(FromStage1::Failed { report, cleaned }, _) => {
                child.wait()?;
                return Err(Stop::Failed { error: Error::from(report), cleaned });
            }
            Received::Closed => return Err(silent_end(child.wait()?)),
        }
    }
    let (decision, configuration) = handover.seal_and_read()?;
    let Decision { settings, declaration, engine_name } = decision;
    let plan = Plan::make(&settings, &start.facts, &declaration)?;
    let mut process = Some(child);
    if !descriptors.is_empty() {
        // Its pidfd may have one of the numbers that are to be taken.
        end(&mut process)?;
    }
    Ok(Decided { plan, settings, engine_name, configuration, descriptors, process })
}

/// Its end, unless that has been awaited. By its last word it has decided and is about to exit: what comes next need not wait.
pub fn end(process: &mut Option<Child>) -> Result<(), Stop> {
    let Some(mut process) = process.take() else { return Ok(()) };
    match process.wait()? {
        status if status == WaitStatus::exit(0) => Ok(()),
        status => Err(silent_end(status)),
    }
}

fn silent_end(status: WaitStatus) -> Stop {
    match status.signal() {
        // Repeated on the starter itself, so that its caller sees what happened.
        Some(_) => Stop::Ended(status),
        None => Stop::from(Error::new(ErrorKind::PeerDied, format!("stage 1 ended without a decision: {status}"))),
    }
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("hear from stage 1: {what}"))
}

fn live(
    start: &Start,
    hidden: &[BorrowedFd<'_>],
    channel: &Channel<FromStage1, ToHostProcess>,
    handover: &HandOver,
    parent: i32,
) -> ! {
    let code = match enter(hidden, parent).map(|()| registry::get(&start.configuration)) {
        Ok(Ok(engine)) => decide_and_tell(start, &engine, channel, handover),
        // Without an engine there is nothing to clean up, and nobody who could: one message is enough.
        Ok(Err(error)) => tell_failure(channel, &error, true),
        Err(error) => tell_failure(channel, &error, false),
    };
    trace::event("exit", || serde_json::json!({ "code": code }));
    sys::process::exit(code)
}

fn enter(hidden: &[BorrowedFd<'_>], parent: i32) -> Result<()> {
    privileges::drop_for_good()?;
    tie_to_parent(Signal::KILL, parent)?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").tried(|| "open \"/dev/null\"")?;
    for fd in hidden {
        descriptor::install(null.as_fd(), fd.as_raw_fd())?;
    }
    sys::signal::unblock_all()?;
    trace::step(Step::Stage1);
    Ok(())
}

fn decide_and_tell(
    start: &Start,
    engine: &Engine,
    channel: &Channel<FromStage1, ToHostProcess>,
    handover: &HandOver,
) -> i32 {
    let prepared = prepare(start, engine).and_then(|(decision, configuration)| {
        handover.write(&decision, &configuration)?;
        tell_descriptors(channel, &decision.settings)
    });
    match prepared {
        Ok(()) => 0,
        Err(error) => {
            let cleaned = start.facts.cleanup_host;
            if cleaned {
                clean_up(start, engine);
            }
            tell_failure(channel, &error, cleaned)
        }
    }
}

fn prepare(start: &Start, engine: &Engine) -> Result<(Decision, Vec<u8>)> {
    let journal = start.journal.as_ref().map(|journal| journal.share()).transpose()?;
    let facts = config::Facts { is_suid: start.facts.setuid };
    let mut config = StarterConfig::new(facts, start.configuration.clone(), journal);
    call(Callback::PrepareConfig, || engine.operations.prepare_config(&mut config))?;
    let (settings, _, warnings) = config.into_parts();
    for warning in warnings {
        log::warning(format_args!("{warning}"));
    }
    // Refused here first, while PrepareConfig's own clean-up can still be called.
    let declaration = engine.operations.declaration();
    Plan::make(&settings, &start.facts, &declaration)?;
    let common = lock(&engine.common);
    let configuration = common.encode()?;
    Ok((Decision { settings, declaration, engine_name: common.engine_name.clone() }, configuration))
}

fn clean_up(start: &Start, engine: &Engine) {
    let cleaned = Context::new()
        .and_then(|context| call(Callback::CleanupHost, || engine.operations.cleanup_host(&context)))
        .and_then(|()| start.journal.as_ref().map_or(Ok(()), |journal| journal.undo()));
    if let Err(error) = cleaned {
        log::error(&error.during("host cleanup failed"));
    }
}

fn tell_failure(channel: &Channel<FromStage1, ToHostProcess>, error: &Error, cleaned: bool) -> i32 {
    // If the starter is gone, so is everybody who could hear of it.
    let _ = channel.send(&FromStage1::Failed { report: Report::from(error), cleaned }, &[]);
    255
}

fn tell_descriptors(channel: &Channel<FromStage1, ToHostProcess>, settings: &Settings) -> Result<()> {
    let mut numbers = settings.kept_fds.clone();
    numbers.extend(settings.working_directory_fd);
    numbers.extend(settings.image_fd);
    numbers.sort_unstable();
    numbers.dedup();
    let mut parts = numbers.chunks(MESSAGE_FDS).peekable();
    if parts.peek().is_none() {
        return channel.send(&FromStage1::Planned { fds: Vec::new(), last: true }, &[]);
    }
    while let Some(part) = parts.next() {
        let duplicates: Result<Vec<OwnedFd>> = part.iter().map(|number| duplicate(*number)).collect();
        let duplicates = duplicates?;
        let borrowed: Vec<BorrowedFd<'_>> = duplicates.iter().map(AsFd::as_fd).collect();
        channel.send(&FromStage1::Planned { fds: part.to_vec(), last: parts.peek().is_none() }, &borrowed)?;
    }
    Ok(())
}

fn duplicate(number: RawFd) -> Result<OwnedFd> {
    descriptor::with(number, |fd| fd.try_clone_to_owned())
        .map_err(|error| error.during("keep a descriptor"))?
        .tried(|| format!("keep descriptor {number}"))
}
