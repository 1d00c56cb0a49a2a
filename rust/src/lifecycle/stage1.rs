// SPDX-License-Identifier: Apache-2.0 OR MIT
//! stage 1 · child of: starter · namespaces: the host's · privileges: real user, for good, from before its role · dies with:
//! SIGKILL from parent death · ends: 0 when it has decided, 255 if PrepareConfig failed · tells: the starter.
//!
//! It has a descriptor table of its own: what it or PrepareConfig opens ends with it, and the descriptors to be kept travel to
//! the starter, which gives them the same numbers. Where the core's own descriptors are, it has the null device instead.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::config::{self, Settings, StarterConfig, Timeouts};
use crate::engine::contract::Callback;
use crate::engine::{Context, Engine, WaitStatus, lock};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::ffi::sys::descriptor;
use crate::lifecycle::callback::{call_checked, prepare_config, silent};
use crate::lifecycle::check::check_on_host;
use crate::lifecycle::child::{Child, Forked, Silence, fork, not_cloned, tie_to_parent};
use crate::lifecycle::handover::{Decision, HandOver};
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::journal::Journal;
use crate::lifecycle::messages::{Channel, FromStage1, MESSAGE_FDS, Received, Report, ToHostProcess, channel};
use crate::lifecycle::pending::{Pending, Work};
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Start, Stop, ending};
use crate::plan::Plan;
use crate::privileges::posture::Posture;
use crate::rpc::builtin;
use crate::{log, privileges, registry, trace};

/// What stage 1 decided, as the starter made it out from the sealed hand-over.
pub struct Decided {
    /// The plan, made from the starter's own facts.
    pub plan: Plan,
    /// What it was made from.
    pub settings: Settings,
    /// The engine's name in the registry.
    pub engine_name: String,
    /// The methods that the RPC server serves without the program's own runtime, if it is to.
    pub native_rpc: Option<builtin::Options>,
    /// The engine configuration as PrepareConfig left it: what master, RPC server and stage 2 see.
    pub configuration: Vec<u8>,
    /// The descriptors that came along, with the numbers that they had there.
    pub descriptors: Vec<(RawFd, OwnedFd)>,
    /// Stage 1 itself, if its end is still to be awaited.
    pub process: Option<Child>,
}

/// Runs stage 1 and waits for its decision.
pub fn run(start: Start, hosts: &mut HostProcesses) -> Result<(Start, Decided), Stop> {
    let handover = HandOver::new()?;
    let (ours, theirs) = channel()?;
    let parent = nix::unistd::getpid().as_raw();
    match fork(Role::Stage1, 0).map_err(|errno| not_cloned(Role::Stage1, &[], errno))? {
        Forked::Child => {
            let mut hosts = std::mem::take(hosts);
            hosts.disown();
            Err(Stage1 { start, hosts, theirs: ours, channel: theirs, handover }.enter(parent).into())
        }
        Forked::Parent(child) => {
            drop(theirs);
            let decided = decide(&start, child, &ours, handover)?;
            Ok((start, decided))
        }
    }
}

fn decide(
    start: &Start,
    mut child: Child,
    channel: &Channel<ToHostProcess, FromStage1>,
    handover: HandOver,
) -> Result<Decided, Stop> {
    let (mut descriptors, mut cleans_up) = (Vec::new(), false);
    loop {
        // Its end counts too: a process that PrepareConfig left behind may hold the channel open.
        let both = [channel.as_fd(), child.as_fd()];
        let waited = start.until(&both, None);
        // A request to end gives it the time to clean up, which nobody is to do a second time.
        if !cleans_up || !sys::event::wait_readable(&both, Some(Timeouts::default().patience()))?.contains(&true) {
            waited?;
        }
        if !sys::event::is_readable(channel) {
            return Err(silent_end(child)?);
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
            // One that is gone has closed the channel.
            Received::Message(FromStage1::CleansUp, _) => cleans_up = channel.send(&ToHostProcess::Run, &[]).is_ok(),
            Received::Message(FromStage1::Failed { report, cleaned, said }, _) => {
                child.wait()?;
                return Err(Stop::Failed { error: Error::from(report), cleaned, said });
            }
            Received::Closed => return Err(silent_end(child)?),
        }
    }
    let (decision, configuration) = handover.seal_and_read()?;
    let Decision { settings, declaration, engine_name, native_rpc } = decision;
    let plan = Plan::make(&settings, &start.facts, &declaration)?;
    let mut process = Some(child);
    if descriptors.iter().any(|(number, _)| plan.descriptors.stays(*number)) {
        // Its pidfd may have one of the numbers that are to be taken.
        end(start, &mut process)?;
    }
    Ok(Decided { plan, settings, engine_name, native_rpc, configuration, descriptors, process })
}

/// Its end, unless that has been awaited. By its last word it has decided and is about to exit: what comes next need not wait. Being
/// asked to end is heard: it is its user's, who can stop it.
pub fn end(start: &Start, process: &mut Option<Child>) -> Result<(), Stop> {
    let Some(process) = process.take() else { return Ok(()) };
    start.until(&[process.as_fd()], None)?;
    reap(process)
}

/// The same once it has ended.
pub fn reap(mut process: Child) -> Result<(), Stop> {
    match process.wait()? {
        status if status == WaitStatus::exit(0) => Ok(()),
        status => Err(without_decision(Silence::Ended, status)),
    }
}

/// It closed its channel, or ended, and has not decided.
fn silent_end(mut process: Child) -> Result<Stop> {
    let silence = process.silenced()?;
    Ok(without_decision(silence, process.wait()?))
}

fn without_decision(silence: Silence, status: WaitStatus) -> Stop {
    match (silence, status.signal()) {
        // Repeated on the starter itself, so that its caller sees what happened.
        (Silence::Ended, Some(_)) => Stop::Ended(status),
        _ => Stop::from(silent(Role::Stage1, silence, "a decision", Some(status))),
    }
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("hear from stage 1: {what}"))
}

/// The process before its role.
pub struct Stage1 {
    /// What the starter knew. Its queue of signals is the null device here, and so is the line of who waits for an instance.
    start: Start,
    /// The starter's host processes, and the journal. Their descriptors are the null device here.
    hosts: HostProcesses,
    /// The starter's end of the channel: the null device here.
    theirs: Channel<ToHostProcess, FromStage1>,
    channel: Channel<FromStage1, ToHostProcess>,
    handover: HandOver,
}

impl Stage1 {
    /// Step 6, in the new process.
    fn enter(self, parent: i32) -> Pending {
        let entered = self.drop_and_hide(parent);
        if let Err(error) = entered {
            ending::end(self.tell_failure(&error, false));
        }
        Pending::from(self)
    }

    fn drop_and_hide(&self, parent: i32) -> Result<()> {
        privileges::drop_for_good()?;
        tie_to_parent(Role::Stage1, parent)?;
        self.hosts.announce_stage1()?;
        let null = File::options().read(true).write(true).open("/dev/null").tried(|| "open \"/dev/null\"")?;
        let mut hidden = self.hosts.descriptors();
        hidden.extend([self.theirs.as_fd(), self.start.termination.as_fd()]);
        hidden.extend(self.start.waiter.as_ref().map(AsFd::as_fd));
        for fd in hidden {
            // The number stays taken: what PrepareConfig opens must not get it.
            descriptor::install(null.as_fd(), fd.as_raw_fd())?;
        }
        sys::signal::unblock_all()?;
        trace::step(Step::Stage1);
        Ok(())
    }

    fn decide_and_tell(&self, engine: &Engine) -> i32 {
        let prepared = self.prepare(engine).and_then(|(decision, configuration)| {
            self.handover.write(&decision, &configuration)?;
            tell_descriptors(&self.channel, &decision.settings)
        });
        match prepared {
            Ok(()) => 0,
            Err(error) => {
                let cleaned = self.start.facts.cleanup_host && self.is_to_clean_up();
                if cleaned {
                    self.clean_up(engine);
                }
                self.tell_failure(&error, cleaned)
            }
        }
    }

    fn prepare(&self, engine: &Engine) -> Result<(Decision, Vec<u8>)> {
        let journal = self.hosts.journal().map(Journal::share).transpose()?;
        let facts = config::Facts { is_suid: self.start.facts.setuid };
        let mut config = StarterConfig::new(facts, self.start.configuration.clone(), journal);
        prepare_config(engine, &mut config, check_on_host(Callback::PrepareConfig)?)?;
        let (settings, _, warnings) = config.into_parts();
        for warning in warnings {
            log::warning(format_args!("{warning}"));
        }
        // Refused here first, while PrepareConfig's own clean-up can still be called.
        let declaration = engine.operations.declaration().map_err(Error::callback)?;
        Plan::make(&settings, &self.start.facts, &declaration)?;
        let common = lock(&engine.common).clone();
        let (engine_name, configuration) = common.hand_over()?;
        // Methods of the engine's own need the program.
        let native = settings.native_rpc && registry::rpc_methods(&engine_name).is_none();
        let native_rpc = native.then(|| registry::builtin_methods(&engine_name));
        Ok((Decision { settings, declaration, engine_name, native_rpc }, configuration))
    }

    /// Asks the starter, which has CleanupHost run by others where it is to end, or cannot be asked any more.
    fn is_to_clean_up(&self) -> bool {
        self.channel.send(&FromStage1::CleansUp, &[]).is_ok()
            && matches!(self.channel.receive(), Ok(Received::Message(ToHostProcess::Run, _)))
    }

    fn clean_up(&self, engine: &Engine) {
        // Not refused where PrepareConfig has left the process as it should not be: somebody has to clean up.
        let called = Context::new().and_then(|context| {
            call_checked(Callback::CleanupHost, Posture::read()?, || engine.operations.cleanup_host(&context))
        });
        let undone = self.hosts.journal().map_or(Ok(()), Journal::undo);
        if let Err(error) = called.and(undone) {
            log::error(&error.during("host cleanup failed"));
        }
    }

    fn tell_failure(&self, error: &Error, cleaned: bool) -> i32 {
        // The starter has no log of the program's.
        let said = log::has_sink();
        if said {
            log::fatal(error);
        }
        // If the starter is gone, so is everybody who could hear of it.
        let _ = self.channel.send(&FromStage1::Failed { report: Report::from(error), cleaned, said }, &[]);
        255
    }
}

impl Work for Stage1 {
    fn role(&self) -> Role {
        Role::Stage1
    }

    /// There is nothing to clean up, and nobody who could.
    fn fail(self: Box<Self>, error: &Error) -> ! {
        ending::end(self.tell_failure(error, true))
    }

    /// The rest of its life.
    fn run(self: Box<Self>) -> ! {
        let code = match registry::get(&self.start.configuration) {
            Ok(engine) => self.decide_and_tell(&engine),
            // Without an engine there is nothing to clean up, and nobody who could: one message is enough.
            Err(error) => self.tell_failure(&error, true),
        };
        ending::end(code)
    }
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
