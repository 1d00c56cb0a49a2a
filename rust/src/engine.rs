// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an engine is: the ten callbacks of its life, one optional one, and its [`Common`] configuration.
//!
//! | callback | process | called |
//! | --- | --- | --- |
//! | [`config`](Operations::config), [`init_config`](Operations::init_config) | every process | at [`registry::get`](crate::registry) |
//! | [`prepare_config`](Operations::prepare_config) | stage 1 | once, first |
//! | [`create_container`](Operations::create_container) | master | once |
//! | [`start_process`](Operations::start_process) | stage 2 | after the RPC server has ended well |
//! | [`pre_start_process`](Operations::pre_start_process) | master | after stage 2 wrote one byte, if declared |
//! | [`post_start_host`](Operations::post_start_host) | post-start-host | after the container process executed |
//! | [`post_start_process`](Operations::post_start_process) | master | after that |
//! | [`monitor_container`](Operations::monitor_container) | master | from the start until the container ends |
//! | [`cleanup_container`](Operations::cleanup_container) | master | once, after the monitor or the first fatal error |
//! | [`cleanup_host`](Operations::cleanup_host) | cleanup-host | exactly once, if asked for |
//!
//! The privileges of each are data: [`contract`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

pub use crate::config::StarterConfig;
use crate::error::{CallbackError, Error};
use crate::ffi::sys;

pub mod common;
pub mod contract;
pub(crate) mod json;

pub use common::{Common, Document, EngineConfig, WholeDocument};

/// What a callback returns.
pub type CallbackResult<T = ()> = Result<T, CallbackError>;

/// The container's process as a pid of the host's PID namespace.
pub type Pid = libc::pid_t;

/// One `Common`, shared by the engine and the core: what the engine changes in PrepareConfig is what
/// the later processes see.
pub type SharedCommon = Arc<Mutex<Common>>;

/// Reads or changes a shared value whatever happened to an earlier holder of its lock.
pub fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What an engine says of itself once, before anything is started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// Whether [`Operations::pre_start_process`] is to be called: stage 2 then writes one byte before it
    /// executes.
    pub pre_start_process: bool,
    /// Who waits for the container.
    pub monitor: Monitor,
}

/// Who waits for the container and handles master's signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Monitor {
    /// [`Operations::monitor_container`], beside the other two activities of master, in a thread of its own.
    #[default]
    Engine,
    /// The core, with master's other two activities in one thread: signals are passed on to the
    /// container, its end is read from its pidfd. [`Operations::monitor_container`] is not called.
    Core,
}

/// The callbacks of an engine. Unless a callback says otherwise, it may block, and an error or a panic in it
/// ends the run after clean-up. Except for [`start_process`](Operations::start_process) it leaves the process as it was:
/// `lifecycle/callback.rs` lists what is looked at, and what becomes of one that does not.
///
/// Callbacks get `&self`: [`create_container`](Operations::create_container) and
/// [`monitor_container`](Operations::monitor_container) run at the same time in two threads of one process.
/// State does not travel from process to process but through the [`Common`].
pub trait Operations: Send + Sync {
    /// What the engine says of itself. Called in stage 1 after PrepareConfig.
    fn declaration(&self) -> CallbackResult<Declaration> {
        Ok(Declaration::default())
    }

    /// The engine's own configuration object at its zero value; the document is decoded into this very
    /// object. Called in every process, with any privileges.
    fn config(&self) -> CallbackResult<Arc<dyn EngineConfig>>;

    /// Stores the parsed configuration. Called in every process, with any privileges, and often before the process's role: a
    /// thread that it has made then is an error.
    fn init_config(&self, common: SharedCommon);

    /// Stage 1: validates the configuration and decides how the container is to be started. No
    /// privileges, none to be gained.
    fn prepare_config(&self, config: &mut StarterConfig) -> CallbackResult;

    /// Master: prepares the container's environment through the RPC server at the other end of `rpc`.
    /// When this has returned well, the connection is closed, which ends the server and releases stage 2; after an error it
    /// stays open until clean-up.
    fn create_container(&self, context: &Context, container: Pid, rpc: UnixStream) -> CallbackResult;

    /// Stage 2, the container's process itself: replaces the process, or closes `master` and goes on as the
    /// container's first process for as long as it likes, an init shim. What that returns is how the container ended:
    /// master repeats it, signals included, by which the first process of a PID namespace cannot end itself.
    fn start_process(&self, master: &mut MasterConnection) -> CallbackResult<WaitStatus>;

    /// Master, only if [declared](Declaration::pre_start_process): after stage 2 wrote one byte to `master` and
    /// before it executes.
    fn pre_start_process(&self, context: &Context, container: Pid, master: &UnixStream) -> CallbackResult {
        let _ = (context, container, master);
        Ok(())
    }

    /// Post-start-host process: after the container process executed. Host namespaces, never privileged.
    fn post_start_host(&self, context: &Context) -> CallbackResult {
        let _ = context;
        Ok(())
    }

    /// Master: after the container process executed and PostStartHost succeeded.
    fn post_start_process(&self, context: &Context, container: Pid) -> CallbackResult {
        let _ = (context, container);
        Ok(())
    }

    /// Master: waits for the container process and reaps it. Only the engine reaps: the core waits for no
    /// child until this has returned.
    fn monitor_container(&self, container: Pid, signals: &Signals) -> CallbackResult<WaitStatus>;

    /// Master: tears down what CreateContainer made, in whatever state it is. `fatal` is the error that ended
    /// the run, `status` the container's. An error is logged and never hides the exit code.
    fn cleanup_container(&self, context: &Context, fatal: Option<&Error>, status: WaitStatus) -> CallbackResult {
        let _ = (context, fatal, status);
        Ok(())
    }

    /// Cleanup-host process (stage 1 if PrepareConfig failed): undoes what was made on the host. Runs exactly once, if
    /// the launcher asked for it.
    fn cleanup_host(&self, context: &Context) -> CallbackResult {
        let _ = context;
        Ok(())
    }
}

/// The combination of operations and configuration that [`registry::get`](crate::registry) returns.
#[derive(Clone)]
pub struct Engine {
    /// The callbacks.
    pub operations: Arc<dyn Operations>,
    /// The parsed configuration, the same that `init_config` stored.
    pub common: SharedCommon,
}

/// StartProcess's connection to master, which executing a program closes: master takes its end for the start of the
/// container.
pub struct MasterConnection(Option<UnixStream>);

impl MasterConnection {
    pub(crate) fn new(stream: UnixStream) -> Self {
        MasterConnection(Some(stream))
    }

    /// The stream, on which bytes go to PreStartProcess; `None` once it is closed.
    pub fn stream(&self) -> Option<&UnixStream> {
        self.0.as_ref()
    }

    /// Says that the container has started, without executing a program.
    pub fn close(&mut self) {
        self.0 = None;
    }
}

/// Tells a callback that its result is no longer wanted.
#[derive(Clone)]
pub struct Context(Arc<Cancellation>);

/// What all clones of a context share.
pub struct Cancellation {
    event: OwnedFd,
    failure: Mutex<Option<Error>>,
}

impl Context {
    /// A context that is not cancelled.
    pub fn new() -> crate::Result<Self> {
        Ok(Context(Arc::new(Cancellation { event: sys::event::eventfd()?, failure: Mutex::new(None) })))
    }

    /// Cancels the context for every holder of a clone.
    pub fn cancel(&self) -> crate::Result<()> {
        sys::event::notify(&self.0.event)
    }

    /// Ends what the context belongs to by an error of work that goes on after its callback has returned, as PreStartProcess's
    /// may. In a run it is the fatal error, unless another one came before, and cancels the context.
    pub fn fail(&self, error: CallbackError) -> crate::Result<()> {
        lock(&self.0.failure).get_or_insert(Error::callback(error));
        self.cancel()
    }

    /// The error of such work.
    pub(crate) fn failure(&self) -> Option<Error> {
        lock(&self.0.failure).clone()
    }

    /// Whether the context was cancelled.
    pub fn is_cancelled(&self) -> bool {
        sys::event::is_readable(&self.0.event)
    }
}

impl From<Arc<Cancellation>> for Context {
    fn from(shared: Arc<Cancellation>) -> Self {
        Context(shared)
    }
}

impl From<Context> for Arc<Cancellation> {
    fn from(context: Context) -> Self {
        context.0
    }
}

impl AsFd for Context {
    /// A descriptor that is readable once the context is cancelled, for `poll`.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

/// The signals that master received since before CreateContainer. Each kind that arrived is delivered at
/// least once; SIGCHLD always.
#[derive(Clone)]
pub struct Signals {
    queue: Arc<OwnedFd>,
    context: Context,
}

impl Signals {
    pub(crate) fn new(queue: Arc<OwnedFd>, context: Context) -> Self {
        Signals { queue, context }
    }

    /// What to wait for beside something else: a signal, and the run's cancellation.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.queue.as_fd(), self.context.as_fd()]
    }

    /// Waits for the next signal and returns its number; `None` once the run was cancelled.
    pub fn next(&self) -> crate::Result<Option<i32>> {
        loop {
            if let Some(signal) = sys::signal::read(&*self.queue)? {
                return Ok(Some(signal.number));
            }
            let ready = sys::event::wait_readable(&self.descriptors(), None)?;
            if !ready[0] && ready[1] {
                return Ok(None);
            }
        }
    }
}

/// How a process ended, as wait(2) encodes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitStatus(i32);

impl WaitStatus {
    /// From the number that wait4(2) filled in.
    pub const fn from_raw(raw: i32) -> Self {
        WaitStatus(raw)
    }

    /// The end of a process that called `exit(code)`; only the low 8 bits count.
    pub const fn exit(code: i32) -> Self {
        WaitStatus((code & 0xff) << 8)
    }

    /// The end of a process by `signal`.
    pub const fn killed(signal: i32) -> Self {
        WaitStatus(signal & 0x7f)
    }

    /// The number as wait4(2) fills it in.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The exit code, 0 to 255, if the process ended by itself.
    pub const fn exit_code(self) -> Option<i32> {
        if self.0 & 0x7f == 0 { Some((self.0 >> 8) & 0xff) } else { None }
    }

    /// The signal that ended the process, if one did.
    pub const fn signal(self) -> Option<i32> {
        let signal = self.0 & 0x7f;
        if signal == 0 || signal == 0x7f { None } else { Some(signal) }
    }
}

impl std::fmt::Display for WaitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.exit_code(), self.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => write!(f, "status {:#x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_status_tells_exit_from_signal() {
        assert_eq!(WaitStatus::exit(255).exit_code(), Some(255));
        assert_eq!(WaitStatus::exit(255).signal(), None);
        assert_eq!(WaitStatus::killed(9).signal(), Some(9));
        assert_eq!(WaitStatus::killed(9).exit_code(), None);
        assert_eq!(WaitStatus::from_raw(0x86).signal(), Some(6));
    }
}
