// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The story of one start: numbered steps, one line each, from the starter's first instruction to the exit code.
//!
//! Read [`start`] first, then who exists ([`roles`]), what they say to each other ([`messages`]), and each process's own
//! file: [`stage1`], for an instance [`daemon`], [`container`] with [`handshake`] beside it, [`rpc_server`], [`stage2`], [`master`], and on the host
//! [`post_start_host`] and [`cleanup_host`]. docs/lifecycle.md has the same numbers.
//!
//! [`start`] returns once in each process that has a callback to call, as [`Pending`]; what comes after that is the role's
//! own file.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::engine::WaitStatus;
use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::lifecycle::container::{Container, Side};
use crate::lifecycle::daemon::Waiter;
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::master::Master;
use crate::lifecycle::pending::Readied;
use crate::lifecycle::roles::Step;
use crate::plan::{Facts, Flow};
use crate::privileges::Credentials;
use crate::privileges::posture::Attributes;
use crate::{launch, log, namespaces, policy, privileges, trace};

pub use crate::lifecycle::master::signals_from;
pub use crate::lifecycle::pending::Pending;

pub mod callback;
pub mod check;
pub mod child;
pub mod cleanup_host;
pub mod container;
pub mod daemon;
pub mod ending;
pub mod explain;
pub mod fault;
pub mod handover;
pub mod handshake;
pub mod host_process;
mod host_processes;
pub mod hygiene;
mod installation;
pub mod join;
pub mod journal;
pub mod limits;
pub mod master;
pub mod messages;
pub mod pending;
mod permission;
pub mod post_start_host;
pub mod roles;
pub mod rpc_server;
pub mod stage1;
pub mod stage2;

/// What a product that embeds the core decides about its starter.
pub struct Host {
    /// The environment variable with the message level.
    pub level_variable: Cow<'static, str>,
    /// Whether the policy of `/etc/pinion` holds for the setuid flow, and nothing is believed of what an engine has looked at. A
    /// product with a configuration of its own decides by that.
    #[cfg(feature = "policy")]
    pub policy: bool,
}

impl Default for Host {
    fn default() -> Self {
        Host {
            level_variable: log::LEVEL_VARIABLE.into(),
            #[cfg(feature = "policy")]
            policy: false,
        }
    }
}

/// Why the calling process does not go on with the steps.
pub enum Stop {
    /// Something failed: the exit code is 255.
    Failed {
        /// What.
        error: Error,
        /// Whether stage 1 has run CleanupHost already.
        cleaned: bool,
        /// Whether stage 1 has said it, in the program's own log.
        said: bool,
    },
    /// A process that everything depends on ended, or the starter was asked to: that end is repeated.
    Ended(WaitStatus),
    /// It is one that the start has made, and has come to its role. What its parent owns it has let go of.
    Became(Pending),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed { error, cleaned: false, said: false }
    }
}

impl From<Pending> for Stop {
    fn from(pending: Pending) -> Self {
        Stop::Became(pending)
    }
}

/// The runtime's exit code for its own failures.
pub const FAILURE: i32 = 255;

/// The whole life of a starter that the launcher has executed. Engines are registered before. The caller must have one
/// thread. Every process of the tree ends in here.
pub fn run(host: &Host) -> ! {
    match start(host) {
        Ok(pending) => pending.run(),
        Err(error) => ending::conclude(Err(error)),
    }
}

/// The steps of a start up to each process's role, for a program that is not ready for that yet: whose own runtime, with its
/// threads, and whose engines come after this. It returns once in each process that has a callback to call; the others, and
/// those that fail, end in it. What is still to be registered is not asked for.
///
/// An engine that is registered before has Config and InitConfig called in here, and must not be replaced after it. Errors: the
/// caller has more than one thread, or has called this before. Nothing is done then.
pub fn start(host: &Host) -> Result<Pending> {
    hygiene::one_thread("start the lifecycle", hygiene::START_EARLIER)?;
    hygiene::one_start()?;
    log::install_panic_hook();
    match lead(host) {
        Ok(pending) | Err(Stop::Became(pending)) => Ok(pending),
        Err(Stop::Ended(status)) => ending::conclude(Ok(status)),
        Err(Stop::Failed { said: true, .. }) => ending::conclude(Ok(WaitStatus::exit(FAILURE))),
        Err(Stop::Failed { error, .. }) => ending::conclude(Err(error)),
    }
}

/// Steps 1 to 5, the rest, and host clean-up if that fails.
fn lead(host: &Host) -> Result<Pending, Stop> {
    hygiene::standard_streams()?;
    let mut start = Start::facts(host)?;
    start.configuration()?;
    hygiene::load_overlay_module(&start.facts);
    // Before the host processes are made: what they execute is no starter, and what is in here was for one.
    hygiene::environment(&start.facts, &host.level_variable);
    trace::step(Step::Environment);
    let mut hosts = HostProcesses::spawn(&mut start)?;
    contain(start, &mut hosts).map_err(|stop| hosts.clean_up(stop))
}

/// Steps 6 to 17, up to the roles of master, of the RPC server and of stage 2.
fn contain(start: Start, hosts: &mut HostProcesses) -> Result<Pending, Stop> {
    let (mut start, mut decided) = stage1::run(start, hosts)?;
    let plan = decided.plan;
    hygiene::descriptors(&plan.descriptors, decided.descriptors, &start.own(hosts))?;
    hosts.planned(&plan);
    trace::step(Step::Descriptors);
    if plan.instance {
        daemon::lead(&mut start, hosts, &plan, &mut decided.process)?;
    } else {
        start.waiter = None;
    }
    let (ends, container_ends) = container::sockets(plan.join_only)?;
    trace::step(Step::Sockets);
    if plan.flow == Flow::Setuid && policy::in_force().is_none() {
        // The engine has looked at what is to be joined, and the target may be closed to its user.
        privileges::setuid::regain()?;
    }
    let mut targets = namespaces::open_all(plan.joined())?;
    permission::ask(&plan.facts, &decided.engine_name, &decided.settings)?;
    namespaces::user::enter(&plan, &mut targets)?;
    trace::step(Step::UserNamespace);
    let host_pid_namespace = namespaces::pid::enter(&plan, &mut targets)?;
    trace::step(Step::PidNamespace);
    let (engine_name, native_rpc, configuration) = (decided.engine_name, decided.native_rpc, decided.configuration);
    let mut child = match container::clone(&plan)? {
        Side::Container => {
            drop((ends, start, host_pid_namespace));
            let (ends, hosts, stage1) = (container_ends, std::mem::take(hosts), decided.process);
            return Ok(Container { plan, engine_name, native_rpc, configuration, ends, targets, hosts, stage1 }.live());
        }
        Side::Master(child) => child,
    };
    trace::step(Step::Container);
    drop((container_ends, targets));
    // Who joins may run its program by now, which a request to end is for then: `join::watch` awaits both.
    if !plan.join_only {
        stage1::end(&start, &mut decided.process)?;
    }
    namespaces::pid::leave(host_pid_namespace)?;
    hosts.container(&child)?;
    handshake::write_maps(&plan, &decided.settings, &mut child, &ends)?;
    // While the container process enters its namespaces.
    let engine = (!plan.join_only).then(|| Readied::early(&engine_name, configuration)).transpose()?;
    handshake::lead(&start, &plan, &mut child, &ends)?;
    trace::step(Step::Handshake);
    match engine {
        Some(engine) => {
            if plan.flow.is_setuid() {
                privileges::setuid::become_master()?;
            }
            Ok(Master::enter(plan, engine, child, ends, std::mem::take(hosts), start.waiter.take()))
        }
        None => Err(Stop::Ended(join::watch(child, decided.process, &ends, &plan)?)),
    }
}

/// What the starter knows before stage 1 has run.
pub struct Start {
    /// The facts.
    pub facts: Facts,
    /// The launcher's engine configuration.
    pub configuration: Vec<u8>,
    /// Requests to end, from before anything was started.
    pub termination: OwnedFd,
    /// The process that waits for this instance, once this is its master: from the beginning where the launcher does that.
    pub waiter: Option<Waiter>,
}

impl Start {
    /// Step 1, and step 8 with it: from here on no signal is lost, and none ends a process before it has cleaned up.
    fn facts(host: &Host) -> Result<Self> {
        let facts = facts()?;
        if facts.setuid {
            privileges::setuid::lower()?;
            #[cfg(feature = "policy")]
            if host.policy {
                permission::begin(&facts)?;
            }
        }
        sys::signal::reset_dispositions();
        // Under a limit of file sizes a write fails, with a reason, rather than kills.
        sys::signal::ignore(libc::SIGXFSZ, true);
        sys::signal::disarm_timers();
        sys::signal::block_all()?;
        callback::prepare();
        log::set_level_from(&host.level_variable)?;
        fault::arm();
        let given = |name| std::env::var_os(name).map(|number| launch::take_over(name, &number)).transpose();
        given(launch::RECORD_FD)?.into_iter().for_each(trace::start);
        let waiter = given(launch::WAITER_FD)?.map(Waiter::from);
        let facts = Facts {
            post_start_host: std::env::var_os(launch::POST_START_HOST).is_some(),
            cleanup_host: std::env::var_os(launch::CLEANUP_HOST).is_some(),
            ..facts
        };
        trace::step(Step::Facts);
        Ok(Start { facts, configuration: Vec::new(), termination: sys::signal::termination_queue()?, waiter })
    }

    /// Step 2.
    fn configuration(&mut self) -> Result<()> {
        self.configuration = launch::intake(std::env::vars_os())?;
        trace::step(Step::Configuration);
        Ok(())
    }

    /// Waits until one of `fds` is readable, at most `limit`. Being asked to end stops the start, and so does the end of the
    /// process that waits for it.
    pub fn until(&self, fds: &[BorrowedFd<'_>], limit: Option<Duration>) -> Result<Vec<bool>, Stop> {
        let mut all = fds.to_vec();
        all.extend(self.waiter.as_ref().map(AsFd::as_fd));
        all.push(self.termination.as_fd());
        let mut ready = sys::event::wait_readable(&all, limit)?;
        // A step that has been taken is noted first. The program may run by then, and a request is then for it to hear.
        if ready.pop() == Some(true)
            && !ready[..fds.len()].contains(&true)
            && let Some(signal) = sys::signal::read(&self.termination)?
        {
            return Err(Stop::Ended(WaitStatus::killed(signal.number)));
        }
        // It has nothing to say yet.
        if self.waiter.is_some() && ready.pop() == Some(true) {
            return Err(Waiter::gone().into());
        }
        Ok(ready)
    }

    /// The core's descriptors at this moment, which no kept descriptor may replace.
    fn own<'a>(&'a self, hosts: &'a HostProcesses) -> Vec<BorrowedFd<'a>> {
        let mut own = hosts.descriptors();
        let further = [self.waiter.as_ref().map(AsFd::as_fd), hosts.journal().map(AsFd::as_fd), trace::descriptor()];
        own.extend(further.into_iter().flatten().chain([self.termination.as_fd()]));
        own
    }
}

/// What the calling process knows by itself. Nothing has been asked for on the host.
fn facts() -> Result<Facts> {
    let credentials = Credentials::read()?;
    Ok(Facts {
        setuid: installation::is_setuid(&credentials)?,
        uid: credentials.uid[0],
        gid: credentials.gid[0],
        effective: credentials.effective,
        permitted: credentials.permitted,
        inheritable: credentials.inheritable,
        attributes: Attributes::read(&credentials)?,
        known_capabilities: privileges::known_capabilities()?,
        post_start_host: false,
        cleanup_host: false,
    })
}
