// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The core's own sockets: typed messages on SOCK_SEQPACKET, read whole or not at all, with the descriptors that travel along.

use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Named;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::event;
use crate::trace;

/// The largest message in bytes. It has room for a report whose every byte is escaped and for 253 numbers.
const MESSAGE_BYTES: usize = 16 * 1024;
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
        send(self.fd.as_fd(), serde_json::to_vec(message), message.name(), fds)
    }

    /// Receives a message that is there already, or waits for one without limit.
    pub fn receive(&self) -> Result<Received<R>> {
        let Some((bytes, fds)) = receive(self.fd.as_fd())? else { return Ok(Received::Closed) };
        let message: R = serde_json::from_slice(&bytes).map_err(unreadable)?;
        trace::message("receive", message.name());
        Ok(Received::Message(message, fds))
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

/// What is the same for every type of message.
fn send(fd: BorrowedFd<'_>, message: serde_json::Result<Vec<u8>>, name: &str, fds: &[BorrowedFd<'_>]) -> Result<()> {
    let bytes = message.map_err(|error| Error::invalid(format!("write a message: {error}")))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::invalid(format!("send {} descriptors in one message", fds.len())));
    }
    trace::message("send", name);
    loop {
        match sendmsg(fd, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {
                return Err(Error::new(ErrorKind::PeerDied, "send a message: the other process is gone"));
            }
            Err(errno) => return Err(Error::system("send a message", errno.raw_os_error())),
        }
    }
}

/// A message's bytes and its descriptors; `None` if the other end is gone.
fn receive(fd: BorrowedFd<'_>) -> Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0u8; MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(fd, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
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
    bytes.truncate(received.bytes);
    Ok((received.bytes != 0).then_some((bytes, fds)))
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Protocol, format!("receive a message: {error}"))
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::super::{FromContainer, FromHostProcess, FromStage1, ToContainer, ToHostProcess};
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
}
