// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that the processes say to each other: who, to whom, when, and how it looks on the wire.
//!
//! Between master and the container process runs one stream socket that engines get as their connection
//! ([`Handshake`]). Everything else is the core's own: typed messages on SOCK_SEQPACKET sockets ([`Channel`]), so that a
//! message is read whole or not at all.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::lifecycle::roles::Role;

mod channel;
mod stream;

pub use channel::{Channel, MESSAGE_FDS, Received, channel};
pub use stream::{Handshake, read_byte};

/// In which runs a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// In every run.
    Always,
    /// If a user namespace was created.
    NewUserNamespace,
    /// If a container is created, not just joined.
    Creation,
    /// If the mount namespace is shared with master.
    Propagation,
    /// If the engine declares PreStartProcess.
    PreStartProcess,
    /// If master runs on as a daemon.
    Instance,
    /// If something failed.
    Failure,
}

/// One row of the table of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The message.
    pub name: &'static str,
    /// Sender.
    pub from: Role,
    /// Receiver.
    pub to: Role,
    /// The step, by its number, in which the receiver accepts it.
    pub step: u8,
    /// In which runs.
    pub condition: Condition,
    /// On the wire.
    pub wire: &'static str,
}

const fn row(name: &'static str, from: Role, to: Role, step: u8, condition: Condition, wire: &'static str) -> Row {
    Row { name, from, to, step, condition, wire }
}

/// Every message there is, in the order of a start. docs/lifecycle.md shows the same rows; a test compares them.
pub const TABLE: &[Row] = &[
    row("planned", Role::Stage1, Role::Starter, 6, Condition::Always, "packet with the kept descriptors"),
    row("stage 1", Role::Stage1, Role::CleanupHost, 6, Condition::Always, "packet with its pidfd"),
    row("stage 1", Role::Stage1, Role::CleanupSpare, 6, Condition::Always, "packet with its pidfd"),
    row("cleans up", Role::Stage1, Role::Starter, 6, Condition::Failure, "packet"),
    row("run", Role::Starter, Role::Stage1, 6, Condition::Failure, "packet"),
    row("failed", Role::Stage1, Role::Starter, 6, Condition::Failure, "packet"),
    row("container", Role::Master, Role::CleanupHost, 13, Condition::Always, "packet with the container's pidfd"),
    row("container", Role::Master, Role::CleanupSpare, 13, Condition::Always, "packet with the container's pidfd"),
    row("container", Role::Container, Role::CleanupHost, 13, Condition::Always, "packet with the container's pidfd"),
    row("container", Role::Container, Role::CleanupSpare, 13, Condition::Always, "packet with the container's pidfd"),
    row("maps written", Role::Master, Role::Container, 14, Condition::NewUserNamespace, "stream byte 0x01"),
    row("namespaces ready", Role::Container, Role::Master, 14, Condition::Always, "stream byte 0x01"),
    row("joined", Role::Master, Role::Container, 14, Condition::Propagation, "stream byte 0x01"),
    row("served", Role::RpcServer, Role::Container, 15, Condition::Creation, "packet"),
    row("created", Role::Master, Role::Container, 17, Condition::Creation, "packet"),
    row("failed", Role::Container, Role::Master, 17, Condition::Failure, "packet"),
    row(
        "about to start",
        Role::Stage2,
        Role::Master,
        17,
        Condition::PreStartProcess,
        "one stream byte of the engine's",
    ),
    row("started", Role::Stage2, Role::Master, 17, Condition::Always, "stream end-of-file, or a byte that is no 'f'"),
    row("start failed", Role::Stage2, Role::Master, 17, Condition::Failure, "stream byte 'f'"),
    row("failed", Role::Stage2, Role::Master, 17, Condition::Failure, "packet"),
    row("killed", Role::Stage2, Role::Master, 17, Condition::Failure, "packet, from an init shim"),
    row("run", Role::Master, Role::PostStartHost, 17, Condition::Always, "packet"),
    row("done", Role::PostStartHost, Role::Master, 17, Condition::Always, "packet"),
    row("failed", Role::PostStartHost, Role::Master, 17, Condition::Failure, "packet"),
    row("run", Role::Master, Role::CleanupHost, 17, Condition::Always, "packet"),
    row("done", Role::CleanupHost, Role::Master, 17, Condition::Always, "packet"),
    row("failed", Role::CleanupHost, Role::Master, 17, Condition::Failure, "packet"),
    row("done", Role::CleanupHost, Role::CleanupSpare, 17, Condition::Always, "packet"),
    row("run", Role::Master, Role::CleanupSpare, 17, Condition::Failure, "packet"),
    row("done", Role::CleanupSpare, Role::Master, 17, Condition::Failure, "packet"),
    row("failed", Role::CleanupSpare, Role::Master, 17, Condition::Failure, "packet"),
    row(
        "runs",
        Role::Master,
        Role::Starter,
        9,
        Condition::Instance,
        "one byte on a line of theirs, or SIGUSR1 of the engine's",
    ),
    row("heard", Role::Starter, Role::Master, 17, Condition::Instance, "one byte on that line"),
    row("stand down", Role::Starter, Role::CleanupHost, 6, Condition::Failure, "packet"),
    row("stand down", Role::Starter, Role::CleanupSpare, 6, Condition::Failure, "packet"),
];

/// The most bytes of a report's text, and of its help; a longer text is cut.
const REPORT_BYTES: usize = 1200;

/// A failure as it travels from one process to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The line of text.
    pub text: String,
    /// What helps.
    pub help: Option<String>,
    /// The errno of the call that failed.
    pub errno: Option<i32>,
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Self {
        let mut text = error.to_string();
        text.truncate(text.floor_char_boundary(REPORT_BYTES));
        let help = error.help().filter(|help| help.len() <= REPORT_BYTES).map(str::to_owned);
        Report { text, help, errno: error.errno() }
    }
}

impl From<Report> for Error {
    fn from(report: Report) -> Self {
        let mut error = Error::new(ErrorKind::Callback, report.text);
        if let Some(errno) = report.errno {
            error = error.with_errno(errno);
        }
        match report.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}

/// A message's name in the table and in records.
pub trait Named {
    /// The name.
    fn name(&self) -> &'static str;
}

impl Named for FromStage1 {
    fn name(&self) -> &'static str {
        match self {
            FromStage1::Planned { .. } => "planned",
            FromStage1::CleansUp => "cleans up",
            FromStage1::Failed { .. } => "failed",
        }
    }
}

impl Named for FromContainer {
    fn name(&self) -> &'static str {
        match self {
            FromContainer::Failed(_) => "failed",
            FromContainer::Starting => "starting",
            FromContainer::Killed(_) => "killed",
        }
    }
}

impl Named for FromServer {
    fn name(&self) -> &'static str {
        match self {
            FromServer::Served => "served",
        }
    }
}

impl Named for ToContainer {
    fn name(&self) -> &'static str {
        match self {
            ToContainer::Created => "created",
        }
    }
}

impl Named for ToHostProcess {
    fn name(&self) -> &'static str {
        match self {
            ToHostProcess::Stage1 => "stage 1",
            ToHostProcess::Container => "container",
            ToHostProcess::Run => "run",
            ToHostProcess::StandDown => "stand down",
        }
    }
}

impl Named for FromHostProcess {
    fn name(&self) -> &'static str {
        match self {
            FromHostProcess::Done => "done",
            FromHostProcess::Failed(_) => "failed",
        }
    }
}

/// What stage 1 says to the starter.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromStage1 {
    /// Settings and engine configuration stand in the hand-over; the descriptors that travel with this are the kept ones,
    /// in this order. More than 253 come in several messages; the last says so.
    Planned {
        /// Their numbers.
        fds: Vec<i32>,
        /// Whether this is the last message.
        last: bool,
    },
    /// PrepareConfig failed, and CleanupHost is to be run where it can find what that left: it is if the starter says so.
    CleansUp,
    /// PrepareConfig failed.
    Failed {
        /// Why.
        report: Report,
        /// Whether CleanupHost has been run by stage 1 itself.
        cleaned: bool,
        /// Whether stage 1 has said it, in the program's own log.
        said: bool,
    },
}

/// What the container process says to master, as RPC server and as stage 2 as well.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromContainer {
    /// It cannot go on.
    Failed(Report),
    /// Its engine is ready, and StartProcess is called.
    Starting,
    /// The program of an init shim ended by this signal.
    Killed(i32),
}

/// What the RPC server says to the container process.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromServer {
    /// Its connection has ended, and every request was answered.
    Served,
}

/// What master says to the container process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToContainer {
    /// CreateContainer has succeeded: the program may start.
    Created,
}

/// What the starter, later master, says to a host process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHostProcess {
    /// Stage 1's pidfd travels with this: clean-up after the starter's death waits for it, until there is a container.
    Stage1,
    /// The container's pidfd travels with this: clean-up after master's death waits for it.
    Container,
    /// Run the callback and answer.
    Run,
    /// There is nothing left to do.
    StandDown,
}

/// What a host process answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromHostProcess {
    /// The callback succeeded.
    Done,
    /// The callback failed.
    Failed(Report),
}
