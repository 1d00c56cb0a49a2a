// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The start activity: what comes on the master socket, and the callbacks that follow.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::activity::Activity;
use super::patience;
use super::words::Words;
use crate::engine::contract::Callback;
use crate::engine::{CallbackResult, Context, Engine, Pid, WaitStatus};
use crate::error::Result;
use crate::lifecycle::FAILURE;
use crate::lifecycle::callback::call_checked;
use crate::lifecycle::check::check;
use crate::lifecycle::child::Watched;
use crate::lifecycle::host_process::Asker;
use crate::lifecycle::messages::{Handshake, read_byte};
use crate::lifecycle::roles::Role;
use crate::plan::Plan;
use crate::trace;

/// How far the container's start has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// PreStartProcess waits for its byte.
    AwaitPreStart,
    /// The end-of-file, or a byte, has not come yet.
    AwaitStart,
    /// The program runs: only the end is left to wait for.
    Started,
    /// StartProcess failed: the same.
    Failed,
}

impl Progress {
    /// Whether only the end is left to wait for.
    pub fn is_over(self) -> bool {
        matches!(self, Progress::Started | Progress::Failed)
    }
}

/// Everything that it needs, since it may run in a thread of its own.
pub struct Starting {
    pub plan: Arc<Plan>,
    pub engine: Engine,
    pub context: Context,
    pub container: Watched,
    /// Master's end of the master socket.
    pub stream: UnixStream,
    /// What the container process says.
    pub words: Arc<Words>,
    /// The engine's monitor, if it has one.
    pub monitor: Option<Arc<Activity<WaitStatus>>>,
    pub post_start_host: Option<Asker>,
    /// Of the answer of post-start-host.
    pub limit: Duration,
    pub progress: Progress,
}

impl Starting {
    /// The whole activity.
    pub fn run(mut self) -> Result<Progress> {
        while !self.progress.is_over() {
            self.advance()?;
        }
        Ok(self.progress)
    }

    /// Takes what comes on the master socket, and does what follows from it.
    pub fn advance(&mut self) -> Result<()> {
        let byte = read_byte(&self.stream)?;
        let failed = byte == Some(Handshake::StartFailed.byte());
        if failed || self.context.is_cancelled() || (byte.is_none() && !self.has_started()?) {
            // Only its wait status counts; the reason is printed at its end.
            self.progress = Progress::Failed;
            return Ok(());
        }
        if self.progress == Progress::AwaitPreStart && byte.is_some() {
            trace::message("receive", "about to start");
            self.callback(Callback::PreStartProcess, "pre start process failed", |starting| {
                let engine = &starting.engine.operations;
                engine.pre_start_process(&starting.context, starting.pid(), &starting.stream)
            })?;
            self.progress = Progress::AwaitStart;
            return Ok(());
        }
        trace::message("receive", "started");
        self.progress = Progress::Started;
        if let Some(process) = &self.post_start_host {
            process.ask(self.limit).map_err(|error| error.during("host post start process failed"))?;
        }
        if self.context.is_cancelled() {
            return Ok(());
        }
        self.callback(Callback::PostStartProcess, "post start process failed", |starting| {
            starting.engine.operations.post_start_process(&starting.context, starting.pid())
        })
    }

    fn pid(&self) -> Pid {
        self.container.pid().as_raw_pid()
    }

    fn callback(&self, callback: Callback, prefix: &str, body: impl FnOnce(&Self) -> CallbackResult) -> Result<()> {
        let seen = check(&self.plan, Role::Master, callback)?;
        let is_alone = self.monitor.is_none();
        let _patience =
            is_alone.then(|| patience::alone(callback, self.plan.timeouts.patience(), &self.container, FAILURE));
        call_checked(callback, seen, || body(self)).map_err(|error| error.during(prefix))
    }
}
