// SPDX-License-Identifier: Apache-2.0 OR MIT
//! master · was: starter · namespaces: the host's, or the container's user namespace, entered before its role · privileges:
//! root's, or those of that user namespace · ends: as the container ended, 255 if something failed.
//!
//! Three activities run at the same time: *create* (CreateContainer, then the end of the RPC connection), *start* (waits on
//! the master socket; PreStartProcess, PostStartHost, PostStartProcess) and *monitor*. The first fatal error or the
//! monitor's return decides; then the contexts are cancelled, a container that still lives is killed and reaped, and
//! CleanupContainer is called.
//!
//! An engine that monitors by itself gets a thread for each activity, since each may block for as long as it likes. For one that
//! leaves that to the core, all happens in one thread, one after the other.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::contract::Callback;
use crate::engine::{Context, Engine, Pid, Signals, WaitStatus};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::lifecycle::FAILURE;
use crate::lifecycle::callback::{UmaskWatch, call_checked, silent};
use crate::lifecycle::check::check;
use crate::lifecycle::child::{Child, Ended, Silence};
use crate::lifecycle::container::MasterEnds;
use crate::lifecycle::daemon::Waiter;
use crate::lifecycle::ending::conclude;
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::messages::{Channel, FromContainer, ToContainer};
use crate::lifecycle::pending::{Pending, Readied, Work};
use crate::lifecycle::roles::{Role, Step};
use crate::plan::Plan;
use crate::{log, trace};

mod activity;
mod follow;
mod forward;
mod patience;
mod started;
mod starting;
mod words;

use activity::Activity;
pub use forward::{Forwarder, signals_from};
use starting::{Progress, Starting};
use words::Words;

/// The process before its role: what master has to do with.
pub struct Master {
    plan: Plan,
    engine: Readied,
    /// The container process.
    child: Child,
    /// Its ends of the sockets.
    ends: MasterEnds,
    hosts: HostProcesses,
    /// The line to who waits for an instance.
    waiter: Option<Waiter>,
    umask: UmaskWatch,
}

impl Master {
    /// Step 17, in the starter.
    pub fn enter(
        plan: Plan,
        engine: Readied,
        child: Child,
        ends: MasterEnds,
        hosts: HostProcesses,
        waiter: Option<Waiter>,
    ) -> Pending {
        if !plan.instance {
            trace::enter(Role::Master, None);
        }
        trace::step(Step::Master);
        let umask = UmaskWatch::begin();
        Pending::from(Master { plan, engine, child, ends, hosts, waiter, umask })
    }
}

impl Work for Master {
    fn role(&self) -> Role {
        Role::Master
    }

    /// The rest of its life: ends as the container ended, after everything was cleaned up.
    fn run(self: Box<Self>) -> ! {
        let Master { plan, engine, child, ends, hosts, waiter, umask } = *self;
        // The container is gone, whatever came of it, when this has returned.
        let attended = engine.get().and_then(|engine| attend(plan, engine, child, ends, &hosts, waiter));
        umask.end();
        hosts.end(false);
        conclude(attended)
    }
}

/// The three activities and CleanupContainer.
fn attend(
    plan: Plan,
    engine: Engine,
    child: Child,
    ends: MasterEnds,
    hosts: &HostProcesses,
    waiter: Option<Waiter>,
) -> Result<WaitStatus> {
    let limit = plan.timeouts.handshake();
    let queue = Arc::new(forward::source()?);
    let words = Arc::new(Words::new(ends.control.share()?));
    let mut run = Run {
        words,
        plan: Arc::new(plan),
        engine,
        child,
        ends,
        hosts,
        waiter,
        context: Context::new()?,
        cleanup_context: Context::new()?,
        limit,
        queue,
        threads: None,
        ended: None,
    };
    let decided = run.decide();
    run.conclude(decided)
}

struct Run<'a> {
    plan: Arc<Plan>,
    engine: Engine,
    child: Child,
    ends: MasterEnds,
    hosts: &'a HostProcesses,
    /// The line to who waits for an instance, until that has heard that the container runs.
    waiter: Option<Waiter>,
    /// What the container process says.
    words: Arc<Words>,
    /// The engine's activities in threads of their own, if it monitors by itself.
    threads: Option<Arc<Threads>>,
    /// Every signal since before anything was started.
    queue: Arc<OwnedFd>,
    /// Cancelled when the run is decided.
    context: Context,
    /// Of CleanupContainer: there from the beginning, whatever is short by then.
    cleanup_context: Context,
    limit: Duration,
    /// How the container process ended, once somebody has reaped it.
    ended: Option<WaitStatus>,
}

/// The three activities, each in a thread.
struct Threads {
    create: Activity<()>,
    start: Activity<Progress>,
    monitor: Arc<Activity<WaitStatus>>,
}

impl Run<'_> {
    fn pid(&self) -> Pid {
        self.child.pid().as_raw_pid()
    }

    /// The three activities, until the first fatal error or the container's end.
    fn decide(&mut self) -> Result<WaitStatus> {
        let seen = check(&self.plan, Role::Master, Callback::CreateContainer)?;
        let missing = || Error::new(ErrorKind::Protocol, "create the container: there is no RPC connection");
        let rpc = self.ends.rpc.as_ref().ok_or_else(missing)?.try_clone().tried(|| "share the RPC connection")?;
        let (pid, context, engine) = (self.pid(), self.context.clone(), self.engine.clone());
        let control = self.ends.control.share()?;
        let monitor_sees = seen.clone();
        let create = move || {
            call_checked(Callback::CreateContainer, seen, || engine.operations.create_container(&context, pid, rpc))
                .map_err(|error| error.during("container creation failed"))?;
            tell_created(&control)
        };
        if self.plan.engine_monitors {
            let engine = self.engine.clone();
            let signals = Signals::new(Arc::clone(&self.queue), self.context.clone());
            let monitor = move || {
                call_checked(Callback::MonitorContainer, monitor_sees, || {
                    engine.operations.monitor_container(pid, &signals)
                })
            };
            let monitor = Arc::new(Activity::begin(Callback::MonitorContainer, Box::new(monitor))?);
            let starting = self.starting(Some(Arc::clone(&monitor)))?;
            let create = Activity::begin(Callback::CreateContainer, Box::new(create))?;
            let start = Activity::begin(Callback::PostStartProcess, Box::new(move || starting.run()))?;
            let threads = Arc::new(Threads { create, start, monitor });
            self.threads = Some(Arc::clone(&threads));
            return self.follow_threads(&threads);
        }
        let starting = self.starting(None)?;
        let patience = patience::alone(Callback::CreateContainer, self.plan.timeouts.patience(), &self.child, FAILURE);
        create()?;
        drop(patience);
        self.end_rpc();
        self.follow(starting)
    }

    /// CreateContainer is through: the end of the RPC connection ends the server, which releases stage 2. After an error it
    /// stays open, so that stage 2 does not start.
    fn end_rpc(&mut self) {
        self.ends.rpc = None;
    }

    fn starting(&mut self, monitor: Option<Arc<Activity<WaitStatus>>>) -> Result<Starting> {
        Ok(Starting {
            plan: Arc::clone(&self.plan),
            engine: self.engine.clone(),
            context: self.context.clone(),
            container: self.child.share()?,
            stream: self.ends.master.try_clone().tried(|| "share the master socket")?,
            words: Arc::clone(&self.words),
            monitor,
            post_start_host: self.hosts.post_start()?,
            limit: self.limit,
            progress: if self.plan.pre_start_process { Progress::AwaitPreStart } else { Progress::AwaitStart },
        })
    }

    /// How the container ended: a shim tells of a signal by which it cannot end itself. What a failed stage 2 said is printed. One
    /// that ended by itself before StartProcess, in InitConfig, is none that ran.
    fn reported(&mut self, status: WaitStatus) -> Result<WaitStatus> {
        self.ended = Some(status);
        match self.words.take() {
            Some(FromContainer::Killed(signal)) => Ok(WaitStatus::killed(signal)),
            Some(FromContainer::Failed(report)) => {
                log::fatal(&Error::from(report));
                Ok(status)
            }
            _ if status.exit_code().is_some() && !self.words.is_starting() => {
                Err(silent(Role::Stage2, Silence::Ended, "a call of it", Some(status)))
            }
            _ => Ok(status),
        }
    }

    /// Cancels, kills, reaps, cleans up.
    fn conclude(&mut self, decided: Result<WaitStatus>) -> Result<WaitStatus> {
        self.context.cancel()?;
        // What cannot be ended is cleaned up after all the same.
        let (fatal, status) = match decided {
            Ok(status) => (self.end_left_over().err(), status),
            Err(error) => {
                let status = self.end_container().unwrap_or_else(|error| {
                    log::error(&error);
                    WaitStatus::exit(FAILURE)
                });
                (Some(self.explained(error)), status)
            }
        };
        self.clean_up(fatal.as_ref(), status);
        match fatal {
            Some(error) => Err(error),
            None => Ok(status),
        }
    }

    /// An error here is printed and hides nothing.
    fn clean_up(&self, fatal: Option<&Error>, status: WaitStatus) {
        const CALLBACK: Callback = Callback::CleanupContainer;
        let cleaned = check(&self.plan, Role::Master, CALLBACK).and_then(|seen| {
            let (engine, context, fatal) = (self.engine.clone(), self.cleanup_context.clone(), fatal.cloned());
            let code = status.exit_code().filter(|_| fatal.is_none()).unwrap_or(FAILURE);
            let call: Arc<dyn Fn() -> Result<()> + Send + Sync> = Arc::new(move || {
                let operations = &engine.operations;
                call_checked(CALLBACK, seen.clone(), || operations.cleanup_container(&context, fatal.as_ref(), status))
            });
            if !self.plan.engine_monitors {
                let _patience = patience::alone(CALLBACK, self.limit, &self.child, code);
                return call();
            }
            let shared = Arc::clone(&call);
            match Activity::begin(CALLBACK, Box::new(move || shared())) {
                Ok(activity) => patience::beside(CALLBACK, self.limit, &activity, &self.queue),
                // Without a thread of its own it is called all the same.
                Err(_) => call(),
            }
        });
        if let Err(error) = cleaned {
            log::error(&error.during("container cleanup failed"));
        }
    }

    /// Whoever monitored has reaped the container process. One that still lives was not waited for: nothing is cleaned up under it.
    fn end_left_over(&mut self) -> Result<()> {
        match self.child.ended()? {
            Ended::Reaped => self.child.release(),
            Ended::No | Ended::As(_) => {
                self.child.kill()?;
                self.child.wait()?;
            }
        }
        Ok(())
    }

    /// Kills the container process and reaps it, unless that has been done: an engine's monitor, cancelled by now, comes first.
    fn end_container(&mut self) -> Result<WaitStatus> {
        if let Some(status) = self.ended {
            self.child.release();
            return Ok(status);
        }
        self.child.kill()?;
        let mut monitored = None;
        if let Some(threads) = &self.threads {
            sys::event::wait_readable(&[threads.monitor.as_fd()], Some(self.limit))?;
            monitored = threads.monitor.peek(|status| *status);
        }
        match self.child.wait() {
            Err(error) if error.errno() == Some(libc::ECHILD) => {
                self.child.release();
                Ok(monitored.unwrap_or(WaitStatus::killed(libc::SIGKILL)))
            }
            status => status,
        }
    }

    /// A fatal error with what the container process or its RPC server said about the reason.
    fn explained(&self, error: Error) -> Error {
        match self.words.take() {
            Some(FromContainer::Failed(report)) => error.because(Error::from(report)),
            _ => error,
        }
    }
}

/// Lets the container process go on. One that is gone is seen by its end.
fn tell_created(control: &Channel<ToContainer, FromContainer>) -> Result<()> {
    match control.send(&ToContainer::Created, &[]) {
        Err(error) if error.kind() == ErrorKind::PeerDied => Ok(()),
        sent => sent,
    }
}
