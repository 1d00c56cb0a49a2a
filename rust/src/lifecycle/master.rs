// SPDX-License-Identifier: Apache-2.0 OR MIT
//! master · was: starter · namespaces: the host's, or the container's user namespace · privileges: root's, or those of that
//! user namespace · ends: as the container ended, 255 if something failed.
//!
//! Three activities run at the same time: *create* (CreateContainer, then the end of the RPC connection), *start* (waits on
//! the master socket; PreStartProcess, PostStartHost, PostStartProcess) and *monitor*. The first fatal error or the
//! monitor's return decides; then the contexts are cancelled, a container that still lives is killed and reaped, and
//! CleanupContainer is called.
//!
//! An engine that monitors by itself gets a thread for its CreateContainer and one for its MonitorContainer, since both may
//! block for as long as they like. For one that leaves that to the core, all happens in one thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::contract::{self, Callback};
use crate::engine::{CallbackResult, Context, Engine, Pid, Signals, WaitStatus};
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::lifecycle::child::Child;
use crate::lifecycle::container::MasterEnds;
use crate::lifecycle::host_processes::HostProcesses;
use crate::lifecycle::messages::{FromContainer, Handshake, read_byte};
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Stop, call};
use crate::plan::Plan;
use crate::{log, trace};

mod activity;
mod forward;

use activity::Activity;

/// What master has to do with.
pub struct Master<'a> {
    /// The plan.
    pub plan: Plan,
    /// The engine.
    pub engine: Engine,
    /// The container process.
    pub child: Child,
    /// Its ends of the sockets.
    pub ends: MasterEnds,
    /// The host processes.
    pub hosts: &'a mut HostProcesses,
}

/// Step 17: returns how the container ended, after everything was cleaned up.
pub fn run(master: Master<'_>) -> Result<WaitStatus, Stop> {
    trace::enter(Role::Master, None);
    trace::step(Step::Master);
    let queue = Arc::new(sys::signal::queue()?);
    let limit = Duration::from_millis(u64::from(master.plan.timeouts.handshake_ms));
    let mut run = Run { context: Context::new()?, limit, queue, master, threads: None };
    if run.master.plan.join_only {
        return run.watch_joined();
    }
    let decided = run.decide();
    run.conclude(decided)
}

struct Run<'a> {
    master: Master<'a>,
    /// The engine's activities in threads of their own, if it monitors by itself.
    threads: Option<Threads>,
    /// Every signal since before anything was started.
    queue: Arc<OwnedFd>,
    /// Cancelled when the run is decided.
    context: Context,
    limit: Duration,
}

/// What the event loop woke up for.
struct Ready {
    /// The monitor's return, or the container's end.
    end: bool,
    /// CreateContainer's return, or a signal.
    work: bool,
    /// The master socket.
    stream: bool,
}

/// How far the container's start has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// PreStartProcess waits for its byte.
    AwaitPreStart,
    /// Its end-of-file, or a byte, has not come yet.
    AwaitStart,
    /// The program runs, or StartProcess failed: only the end is left to wait for.
    Over,
}

/// CreateContainer and MonitorContainer, each in a thread.
struct Threads {
    create: Activity<()>,
    monitor: Activity<WaitStatus>,
}

impl Run<'_> {
    fn pid(&self) -> Pid {
        self.master.child.pid().as_raw_pid()
    }

    /// The three activities, until the first fatal error or the container's end.
    fn decide(&mut self) -> Result<WaitStatus> {
        contract::check(&self.master.plan, Role::Master, Callback::CreateContainer)?;
        let rpc = self.master.ends.rpc.take();
        let rpc =
            rpc.ok_or_else(|| Error::new(ErrorKind::Protocol, "create the container: there is no RPC connection"))?;
        let engine = self.master.engine.clone();
        let (pid, context) = (self.pid(), self.context.clone());
        let create = move || call(Callback::CreateContainer, || engine.operations.create_container(&context, pid, rpc));
        if !self.master.plan.engine_monitors {
            create().map_err(creation_failed)?;
            return self.follow();
        }
        let engine = self.master.engine.clone();
        let signals = Signals::new(Arc::clone(&self.queue), self.context.clone());
        let monitor = move || call(Callback::MonitorContainer, || engine.operations.monitor_container(pid, &signals));
        self.threads = Some(Threads { create: Activity::begin(create)?, monitor: Activity::begin(monitor)? });
        self.follow()
    }

    /// The event loop: the start's progress, and either the engine's threads or the container's end and the signals.
    fn follow(&mut self) -> Result<WaitStatus> {
        let mut progress =
            if self.master.plan.pre_start_process { Progress::AwaitPreStart } else { Progress::AwaitStart };
        let mut created = false;
        let mut deadline = None;
        loop {
            let ready = self.wait(progress, created, remaining(deadline))?;
            if let Some(threads) = self.threads.as_ref().filter(|_| ready.work && !created) {
                threads.create.result().map_err(creation_failed)?;
                created = true;
            } else if ready.work {
                self.forward_signals()?;
            }
            if ready.stream {
                progress = self.advance(progress)?;
                let limit = self.master.plan.timeouts.container_ms;
                if progress == Progress::Over && limit != 0 {
                    deadline = Some(Instant::now() + Duration::from_millis(limit.into()));
                }
            }
            if ready.end {
                return self.end();
            }
            if !ready.work && !ready.stream {
                let limit = self.master.plan.timeouts.container_ms;
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!("wait for the container: it ran longer than {limit} ms"),
                ));
            }
        }
    }

    fn wait(&self, progress: Progress, created: bool, limit: Option<Duration>) -> Result<Ready> {
        let (end, work) = match &self.threads {
            Some(threads) => (threads.monitor.as_fd(), (!created).then(|| threads.create.as_fd())),
            None => (self.master.child.as_fd(), Some(self.queue.as_fd())),
        };
        let stream = (progress != Progress::Over).then(|| self.master.ends.master.as_fd());
        let fds: Vec<BorrowedFd<'_>> = [Some(end), work, stream].into_iter().flatten().collect();
        let mut ready = sys::event::wait_readable(&fds, limit)?.into_iter();
        Ok(Ready {
            end: ready.next() == Some(true),
            work: work.is_some() && ready.next() == Some(true),
            stream: stream.is_some() && ready.next() == Some(true),
        })
    }

    /// The monitor has returned, or the core's own has seen the end: the container process is reaped.
    fn end(&mut self) -> Result<WaitStatus> {
        let status = match &self.threads {
            None => self.master.child.wait()?,
            Some(threads) => {
                let status = threads.monitor.result().map_err(|error| error.during("container monitoring failed"))?;
                self.master.child.release();
                status
            }
        };
        match self.master.ends.control.pending() {
            Some(FromContainer::Killed(signal)) => Ok(WaitStatus::killed(signal)),
            Some(FromContainer::Failed(report)) => {
                log::error(&Error::from(report));
                Ok(status)
            }
            None => Ok(status),
        }
    }

    /// Something came on the master socket.
    fn advance(&mut self, progress: Progress) -> Result<Progress> {
        let byte = read_byte(&self.master.ends.master)?;
        let failed = byte == Some(Handshake::StartFailed.byte());
        if failed || (byte.is_none() && self.master.child.has_ended()) {
            // Only its wait status counts; the reason is printed at its end.
            return Ok(Progress::Over);
        }
        if progress == Progress::AwaitPreStart && byte.is_some() {
            trace::message("receive", "about to start");
            self.callback(Callback::PreStartProcess, "pre start process failed", |run| {
                let stream = &run.master.ends.master;
                run.master.engine.operations.pre_start_process(&run.context, run.pid(), stream)
            })?;
            return Ok(Progress::AwaitStart);
        }
        trace::message("receive", "started");
        self.master.hosts.post_start(self.limit).map_err(|error| error.during("host post start process failed"))?;
        self.callback(Callback::PostStartProcess, "post start process failed", |run| {
            run.master.engine.operations.post_start_process(&run.context, run.pid())
        })?;
        Ok(Progress::Over)
    }

    fn callback(&self, callback: Callback, prefix: &str, body: impl FnOnce(&Self) -> CallbackResult) -> Result<()> {
        contract::check(&self.master.plan, Role::Master, callback)?;
        call(callback, || body(self)).map_err(|error| error.during(prefix))
    }

    /// Cancels, kills, reaps, cleans up.
    fn conclude(&mut self, decided: Result<WaitStatus>) -> Result<WaitStatus, Stop> {
        self.context.cancel()?;
        let (fatal, status) = match decided {
            Ok(status) => (None, status),
            Err(error) => {
                let status = self.end_container()?;
                (Some(self.explained(error)), status)
            }
        };
        let context = Context::new()?;
        let cleaned = self.callback(Callback::CleanupContainer, "container cleanup failed", |run| {
            run.master.engine.operations.cleanup_container(&context, fatal.as_ref(), status)
        });
        if let Err(error) = cleaned {
            log::error(&error);
        }
        if let Some(image) = self.master.plan.descriptors.image {
            sys::descriptor::close(image);
        }
        match fatal {
            Some(error) => Err(Stop::from(error)),
            None => Ok(status),
        }
    }

    /// Kills the container process and reaps it, unless an engine's monitor does: that one, cancelled by now, comes first.
    fn end_container(&mut self) -> Result<WaitStatus> {
        self.master.child.kill()?;
        if let Some(threads) = &self.threads {
            sys::event::wait_readable(&[threads.monitor.as_fd()], Some(self.limit))?;
        }
        match self.master.child.wait() {
            Err(error) if error.errno() == Some(libc::ECHILD) => {
                self.master.child.release();
                Ok(WaitStatus::killed(libc::SIGKILL))
            }
            status => status,
        }
    }

    /// A fatal error with what the container process or its RPC server said about the reason.
    fn explained(&self, error: Error) -> Error {
        match self.master.ends.control.pending() {
            Some(FromContainer::Failed(report)) => error.because(Error::from(report)),
            _ => error,
        }
    }

    /// Joining: no engine here; privileges dropped for good, signals passed on, the process's end is the run's.
    fn watch_joined(&mut self) -> Result<WaitStatus, Stop> {
        crate::privileges::drop_for_good()?;
        loop {
            let ready = sys::event::wait_readable(&[self.master.child.as_fd(), self.queue.as_fd()], None)?;
            if ready[0] {
                return Ok(self.end()?);
            }
            self.forward_signals()?;
        }
    }
}

fn creation_failed(error: Error) -> Error {
    error.during("container creation failed")
}

fn remaining(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
