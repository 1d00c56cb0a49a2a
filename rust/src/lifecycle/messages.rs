// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that the processes say to each other: who, to whom, when, and how it looks on the wire.
//!
//! Between master and the container process runs one stream socket that engines get as their connection
//! ([`Handshake`]). Everything else is the core's own: typed messages on SOCK_SEQPACKET sockets ([`Channel`]), so that a
//! message is read whole or not at all.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::settings::NamespaceKind;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::event;
use crate::lifecycle::roles::Role;
use crate::plan::Plan;
use crate::trace;

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
    /// If something failed.
    Failure,
}

impl Condition {
    /// Whether it can be sent under a plan.
    pub fn holds(self, plan: &Plan) -> bool {
        match self {
            Condition::Always | Condition::Failure => true,
            Condition::Creation => !plan.join_only,
            Condition::NewUserNamespace => plan.creates_user_namespace(),
            Condition::Propagation => plan.propagate_to_master && plan.creates(NamespaceKind::Mount),
            Condition::PreStartProcess => plan.pre_start_process && !plan.join_only,
        }
    }
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
    row("failed", Role::Stage1, Role::Starter, 6, Condition::Failure, "packet"),
    row("container", Role::Master, Role::CleanupHost, 13, Condition::Always, "packet with the container's pidfd"),
    row("container", Role::Master, Role::CleanupSpare, 13, Condition::Always, "packet with the container's pidfd"),
    row("maps written", Role::Master, Role::Container, 14, Condition::NewUserNamespace, "stream byte 0x01"),
    row("namespaces ready", Role::Container, Role::Master, 14, Condition::Always, "stream byte 0x01"),
    row("joined", Role::Master, Role::Container, 14, Condition::Propagation, "stream byte 0x01"),
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
    row("stand down", Role::Starter, Role::CleanupHost, 6, Condition::Failure, "packet"),
    row("stand down", Role::Starter, Role::CleanupSpare, 6, Condition::Failure, "packet"),
];

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
            FromStage1::Failed { .. } => "failed",
        }
    }
}

impl Named for FromContainer {
    fn name(&self) -> &'static str {
        match self {
            FromContainer::Failed(_) => "failed",
            FromContainer::Killed(_) => "killed",
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
    /// PrepareConfig failed.
    Failed {
        /// Why.
        report: Report,
        /// Whether CleanupHost has been run by stage 1 itself.
        cleaned: bool,
    },
}

/// What the container process says to master, as RPC server and as stage 2 as well.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromContainer {
    /// It cannot go on.
    Failed(Report),
    /// The program of an init shim ended by this signal.
    Killed(i32),
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

/// The largest message in bytes. It has room for a report whose every byte is escaped and for 253 numbers.
const MESSAGE_BYTES: usize = 16 * 1024;
/// The most bytes of a report's text, and of its help; a longer text is cut.
const REPORT_BYTES: usize = 1200;
/// The most descriptors that one message carries (SCM_MAX_FD of the kernel).
pub const MESSAGE_FDS: usize = 253;

/// One end of a packet socket on which `S` is sent and `R` received. Close-on-exec.
pub struct Channel<S, R> {
    fd: OwnedFd,
    types: PhantomData<fn(S) -> R>,
}

/// What came on a channel.
pub enum Received<R> {
    /// A message, with the descriptors that travelled with it.
    Message(R, Vec<OwnedFd>),
    /// The other end is gone.
    Closed,
}

/// Two connected channel ends.
pub fn channel<S, R>() -> Result<(Channel<S, R>, Channel<R, S>)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .tried(|| "make a socket pair between two processes")?;
    Ok((Channel { fd: ours, types: PhantomData }, Channel { fd: theirs, types: PhantomData }))
}

impl<S: Serialize + Named, R: DeserializeOwned + Named> Channel<S, R> {
    /// Another handle of the same end.
    pub fn share(&self) -> Result<Self> {
        let fd = self.fd.try_clone().tried(|| "share a socket between two processes")?;
        Ok(Channel { fd, types: PhantomData })
    }

    /// Sends a message. A peer that is gone is an error of kind [`PeerDied`](ErrorKind::PeerDied).
    pub fn send(&self, message: &S, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = serde_json::to_vec(message).map_err(|error| Error::invalid(format!("write a message: {error}")))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Error::invalid(format!("send {} descriptors in one message", fds.len())));
        }
        trace::message("send", message.name());
        loop {
            match sendmsg(&self.fd, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {
                    return Err(Error::new(ErrorKind::PeerDied, "send a message: the other process is gone"));
                }
                Err(errno) => return Err(Error::system("send a message", errno.raw_os_error())),
            }
        }
    }

    /// Receives a message that is there already, or waits for one without limit.
    pub fn receive(&self) -> Result<Received<R>> {
        let mut bytes = vec![0u8; MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(&self.fd, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
                // The other end was closed with a message unread. That is told once; what it has sent before comes after.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                other => break other.tried(|| "receive a message")?,
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(Error::new(ErrorKind::Protocol, "receive a message: it was cut off"));
        }
        if received.bytes == 0 {
            return Ok(Received::Closed);
        }
        match serde_json::from_slice(&bytes[..received.bytes]) {
            Ok(message) => {
                let message: R = message;
                trace::message("receive", message.name());
                Ok(Received::Message(message, fds))
            }
            Err(error) => Err(Error::new(ErrorKind::Protocol, format!("receive a message: {error}"))),
        }
    }

    /// The message that is there at this moment, if there is one.
    pub fn pending(&self) -> Option<R> {
        if !event::is_readable(&self.fd) {
            return None;
        }
        match self.receive() {
            Ok(Received::Message(message, _)) => Some(message),
            _ => None,
        }
    }

    /// Whether the other end is gone and nothing is left to read.
    pub fn is_closed(&self) -> bool {
        let mut byte = [0u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(rustix::net::recv(&self.fd, &mut byte, flags), Ok((0, _)) | Err(rustix::io::Errno::CONNRESET))
    }
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The core's own bytes on the stream between master and the container process (`spec`: line 8 of what engines rely
/// on). What follows them belongs to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// To the container: the id maps are written.
    MapsWritten,
    /// To master: the namespaces are ready.
    NamespacesReady,
    /// To the container: master has joined the shared mount namespace.
    Joined,
    /// To master: StartProcess failed.
    StartFailed,
}

impl Handshake {
    /// Its byte.
    pub const fn byte(self) -> u8 {
        match self {
            Handshake::MapsWritten | Handshake::NamespacesReady | Handshake::Joined => 1,
            Handshake::StartFailed => b'f',
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Handshake::MapsWritten => "maps written",
            Handshake::NamespacesReady => "namespaces ready",
            Handshake::Joined => "joined",
            Handshake::StartFailed => "start failed",
        }
    }

    /// Sends it.
    pub fn send(self, mut stream: &UnixStream) -> Result<()> {
        trace::message("send", self.name());
        stream.write_all(&[self.byte()]).map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => {
                Error::new(ErrorKind::PeerDied, format!("say '{}': the other process is gone", self.name()))
            }
            _ => Error::io(format!("say '{}'", self.name()), &error),
        })
    }

    /// Expects it within `limit`. End-of-file is an error of kind [`PeerDied`](ErrorKind::PeerDied).
    pub fn expect(self, stream: &UnixStream, limit: Duration) -> Result<()> {
        let ready = event::wait_readable(&[stream.as_fd()], Some(limit))?;
        if !ready[0] {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("wait for '{}': nothing came within {} ms", self.name(), limit.as_millis()),
            ));
        }
        self.take(stream)
    }

    /// Reads it where it is known to be readable.
    pub fn take(self, stream: &UnixStream) -> Result<()> {
        match read_byte(stream)? {
            Some(byte) if byte == self.byte() => {
                trace::message("receive", self.name());
                Ok(())
            }
            Some(byte) => Err(Error::new(
                ErrorKind::Protocol,
                format!("wait for '{}': byte {byte:#04x} came instead", self.name()),
            )),
            None => {
                Err(Error::new(ErrorKind::PeerDied, format!("wait for '{}': the other process ended", self.name())))
            }
        }
    }
}

/// One byte of the stream; `None` at its end.
pub fn read_byte(mut stream: &UnixStream) -> Result<Option<u8>> {
    let mut byte = [0u8; 1];
    loop {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(Error::io("read from the master socket", &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_whole_with_its_descriptors() {
        let (ours, theirs) = channel::<FromStage1, ToHostProcess>().expect("channel");
        let (left, _right) = UnixStream::pair().expect("pair");
        ours.send(&FromStage1::Planned { fds: vec![7], last: true }, &[left.as_fd()]).expect("send");
        match theirs.receive().expect("receive") {
            Received::Message(FromStage1::Planned { fds, last: true }, rights) => {
                assert_eq!((fds, rights.len()), (vec![7], 1));
            }
            _ => panic!("another message"),
        }
    }

    #[test]
    fn a_dead_peer_is_an_answer_and_not_a_hang() {
        let (ours, theirs) = channel::<ToHostProcess, FromHostProcess>().expect("channel");
        drop(theirs);
        assert!(ours.is_closed());
        assert!(matches!(ours.receive(), Ok(Received::Closed)));
        assert_eq!(ours.send(&ToHostProcess::Run, &[]).expect_err("no peer").kind(), ErrorKind::PeerDied);
        let (stream, peer) = UnixStream::pair().expect("pair");
        drop(peer);
        let error = Handshake::NamespacesReady.expect(&stream, Duration::from_secs(60)).expect_err("no peer");
        assert_eq!(error.kind(), ErrorKind::PeerDied);
    }

    #[test]
    fn last_words_are_heard_although_the_peer_did_not_listen() {
        let (ours, theirs) = channel::<ToContainer, FromContainer>().expect("channel");
        ours.send(&ToContainer::Created, &[]).expect("send");
        theirs.send(&FromContainer::Killed(9), &[]).expect("send");
        drop(theirs);
        assert!(matches!(ours.pending(), Some(FromContainer::Killed(9))));
        assert!(matches!(ours.receive(), Ok(Received::Closed)));
    }

    #[test]
    fn another_message_than_the_expected_one_is_named() {
        let (stream, peer) = UnixStream::pair().expect("pair");
        Handshake::StartFailed.send(&peer).expect("send");
        let error = Handshake::NamespacesReady.expect(&stream, Duration::from_secs(60)).expect_err("wrong byte");
        assert_eq!(error.to_string(), "wait for 'namespaces ready': byte 0x66 came instead");
    }

    #[test]
    fn a_silent_peer_ends_the_wait() {
        let (stream, _peer) = UnixStream::pair().expect("pair");
        let error = Handshake::Joined.expect(&stream, Duration::from_millis(1)).expect_err("silence");
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
}
