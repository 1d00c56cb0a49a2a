// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One end of the connection: what is to be sent waits in a buffer until the next read needs the peer, or until it is
//! flushed. Reading and sending make progress together, so that two ends with full buffers cannot wait for each other.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

use crate::gob::messages::empty;

/// As long as a server has more unsent bytes than this, it reads nothing: a peer that takes no answers gets no more. A
/// client always reads, so that one of the two does.
pub(crate) const SERVER_UNSENT: usize = 1 << 20;

pub(crate) struct Link {
    stream: UnixStream,
    /// What is to be sent, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// The stream has come to its end.
    ended: bool,
    /// The peer takes nothing any more. What it has sent can still be read.
    broken: bool,
    deadline: Option<Instant>,
    /// How long the socket waits by itself.
    limit: Option<Duration>,
    /// The first read after the limit was set, which has all of it, needs no poll.
    whole: bool,
    /// Nothing is read while more bytes are unsent.
    unsent_limit: usize,
}

impl Link {
    pub fn new(stream: UnixStream, unsent_limit: usize) -> Self {
        Link {
            stream,
            out: Vec::new(),
            sent: 0,
            ended: false,
            broken: false,
            deadline: None,
            limit: None,
            whole: false,
            unsent_limit,
        }
    }

    /// Whether the stream has come to its end.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Where to append what is to be sent.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// From now on waits end after `limit`.
    pub fn set_limit(&mut self, limit: Option<Duration>) {
        self.deadline = limit.map(|limit| Instant::now() + limit);
        if self.limit != limit && self.stream.set_read_timeout(limit).is_ok() {
            self.limit = limit;
        }
        self.whole = limit.is_some() && self.limit == limit;
    }

    /// How many bytes are not sent yet.
    pub fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Sends what the socket takes without waiting. Tells whether something is left.
    pub fn push(&mut self) -> io::Result<bool> {
        while self.unsent() > 0 && !self.broken {
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match send(self.stream.as_raw_fd(), &self.out[self.sent..], flags) {
                Ok(count) => self.sent += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(true),
                Err(Errno::EPIPE | Errno::ECONNRESET) => self.broken = true,
                Err(errno) => return Err(errno.into()),
            }
        }
        empty(&mut self.out);
        self.sent = 0;
        Ok(false)
    }

    /// Whether a server takes further requests: as long as the peer takes the answers.
    pub fn takes_more(&self) -> bool {
        self.unsent() <= self.unsent_limit
    }

    /// Waits until the socket can be written if something is unsent, or read if `reading`, or `event` can be read. Tells
    /// whether the socket can be read.
    pub fn wait(&mut self, reading: bool, event: Option<BorrowedFd<'_>>) -> io::Result<bool> {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, reading);
        events.set(PollFlags::POLLOUT, self.unsent() > 0);
        loop {
            let timeout = match self.deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
                }
            };
            let beside = event.unwrap_or(self.stream.as_fd());
            let mut polled = [PollFd::new(self.stream.as_fd(), events), PollFd::new(beside, PollFlags::POLLIN)];
            // A socket that was hung up is always ready, whatever is asked of it.
            let (from, to) = (usize::from(events.is_empty()), 1 + usize::from(event.is_some()));
            match poll(&mut polled[from..to], timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    let ready = polled[0].revents().unwrap_or(PollFlags::POLLIN);
                    return Ok(reading && ready.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Sends the rest, and takes in what is there already: a socket closed with unread bytes would show the peer an
    /// error in place of the end.
    pub fn finish(mut self) -> io::Result<()> {
        while self.push()? {
            self.wait(false, None)?;
        }
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let mut unread = [0; 4096];
        for _ in 0..256 {
            match recv(self.stream.as_raw_fd(), &mut unread, MsgFlags::MSG_DONTWAIT) {
                Ok(1..) | Err(Errno::EINTR) => {}
                _ => break,
            }
        }
        Ok(())
    }
}

impl Read for Link {
    /// Sends what is waiting, then receives. Descriptors that come along are never installed: nothing is given to
    /// the kernel to put them in.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let unsent = self.push()?;
            if unsent && !self.takes_more() {
                self.wait(false, None)?;
                continue;
            }
            let patient = !unsent && (self.deadline.is_none() || self.whole);
            self.whole = false;
            let flags = if patient { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT };
            match recv(self.stream.as_raw_fd(), buffer, flags) {
                Ok(count) => {
                    self.ended = count == 0 && !buffer.is_empty();
                    return Ok(count);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.wait(true, None)?;
                }
                Err(Errno::ECONNRESET) => {
                    self.ended = true;
                    return Ok(0);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
