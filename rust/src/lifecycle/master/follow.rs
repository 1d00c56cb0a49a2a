// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What master waits for: in one thread, or in the three of an engine that monitors by itself.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::forward::Forwarder;
use super::starting::{Progress, Starting};
use super::{Run, Threads};
use crate::engine::WaitStatus;
use crate::engine::contract::Callback;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys;
use crate::lifecycle::child::Ended;
use crate::lifecycle::limits::{deadline, overdue, remaining, too_long};

impl Run<'_> {
    /// One thread: the start's progress, the container's end and the signals.
    pub(super) fn follow(&mut self, mut starting: Starting) -> Result<WaitStatus> {
        let mut deadline = None;
        let mut forwarder = Forwarder::new(Some(self.plan.timeouts.grace()));
        loop {
            let mut fds: Vec<BorrowedFd<'_>> = vec![self.child.as_fd(), self.queue.as_fd()];
            fds.push(self.context.as_fd());
            if !starting.progress.is_over() {
                fds.push(starting.stream.as_fd());
            }
            fds.extend(self.waiter.as_ref().map(AsFd::as_fd));
            let next = deadline.into_iter().chain(forwarder.deadline()).min();
            let ready = sys::event::wait_readable(&fds, remaining(next))?;
            if !ready.contains(&true) && remaining(deadline) == Some(Duration::ZERO) {
                return Err(too_long(&self.plan.timeouts));
            }
            if remaining(forwarder.deadline()) == Some(Duration::ZERO) {
                forwarder.kill(&self.child)?;
            }
            if ready[2] {
                return Err(self.failure());
            }
            self.hear_waiter()?;
            if ready[1] {
                forwarder.forward(&self.queue, &self.child)?;
            }
            if !starting.progress.is_over() && ready[3] {
                starting.advance()?;
                if starting.progress.is_over() {
                    forwarder.started(&self.child)?;
                }
                deadline = self.container_deadline(starting.progress);
                self.tell_waiter(starting.progress)?;
            }
            if ready[0] {
                let status = self.child.wait()?;
                return self.reported(status);
            }
        }
    }

    /// An instance runs from here on, whoever started it.
    fn tell_waiter(&mut self, progress: Progress) -> Result<()> {
        match self.waiter.take_if(|_| progress == Progress::Started && !self.context.is_cancelled()) {
            Some(waiter) => waiter.tell(),
            None => Ok(()),
        }
    }

    /// An instance whose program has ended while PostStartProcess is called has been one all the same.
    fn tell_late(&mut self, threads: &Threads) -> Result<()> {
        if self.waiter.is_none() || !sys::event::wait_readable(&[threads.start.as_fd()], Some(self.limit))?[0] {
            return Ok(());
        }
        threads.start.result().map_or(Ok(()), |progress| self.tell_waiter(progress))
    }

    /// Who waits for an instance may have heard of it from the engine, or may have died.
    fn hear_waiter(&mut self) -> Result<()> {
        match self.waiter.take_if(|waiter| sys::event::is_readable(&*waiter)) {
            Some(waiter) => waiter.heard(),
            None => Ok(()),
        }
    }

    fn container_deadline(&self, progress: Progress) -> Option<Instant> {
        if progress.is_over() { deadline(&self.plan.timeouts) } else { None }
    }

    /// Three threads: the first error, or the monitor's return.
    pub(super) fn follow_threads(&mut self, threads: &Threads) -> Result<WaitStatus> {
        let (mut creating, mut starting, mut deadline) = (true, true, None);
        let (unread, mut patience) = (sys::signal::termination_queue()?, None);
        loop {
            // What has returned stays readable, and is not asked again.
            let create = creating.then(|| threads.create.as_fd());
            let start = starting.then(|| threads.start.as_fd());
            let always = [Some(threads.monitor.as_fd()), Some(self.context.as_fd())];
            let waiter = self.waiter.as_ref().map(AsFd::as_fd);
            // The engine's monitor reads the signals, and has time for that.
            let asked = patience.is_none().then(|| unread.as_fd());
            let fds = [create, start, waiter, asked];
            let fds: Vec<BorrowedFd<'_>> = always.into_iter().chain(fds).flatten().collect();
            let next = deadline.into_iter().chain(patience).min();
            let ready = sys::event::wait_readable(&fds, remaining(next))?;
            if remaining(deadline) == Some(Duration::ZERO) && !ready.contains(&true) {
                return Err(too_long(&self.plan.timeouts));
            }
            if remaining(patience) == Some(Duration::ZERO) {
                patience = None;
                if sys::event::is_readable(&unread) {
                    return Err(overdue(Callback::MonitorContainer.name(), self.plan.timeouts.patience()));
                }
            } else if asked.is_some() && sys::event::is_readable(&unread) {
                patience = Some(Instant::now() + self.plan.timeouts.patience());
            }
            self.hear_waiter()?;
            if creating && threads.create.has_returned() {
                if let Err(error) = self.primary(threads.create.result()) {
                    // A signal that ends the container takes the RPC server along, of which CreateContainer's error speaks.
                    return match self.signalled(threads)? {
                        Some(status) => self.reported(status),
                        None => Err(error),
                    };
                }
                creating = false;
                self.end_rpc();
            }
            if starting && threads.start.has_returned() {
                let progress = self.primary(threads.start.result())?;
                starting = false;
                deadline = self.container_deadline(progress);
                self.tell_waiter(progress)?;
            }
            if ready[0] {
                let monitored = threads.monitor.result().map_err(|error| error.during("container monitoring failed"));
                let status = self.primary(monitored)?;
                if starting {
                    self.tell_late(threads)?;
                }
                return self.reported(status);
            }
            if ready[1] {
                return Err(self.failure());
            }
        }
    }

    /// The signal by which the container process has ended, which the engine's monitor reaps.
    fn signalled(&self, threads: &Threads) -> Result<Option<WaitStatus>> {
        // Its children, the RPC server among them, are killed before its end can be waited for.
        if self.child.has_executed_or_exits().is_some_and(|(_, exits)| exits) {
            sys::event::wait_readable(&[self.child.as_fd()], Some(self.limit))?;
        }
        let ended_by_itself = match self.child.ended()? {
            Ended::No => true,
            Ended::As(status) => status.signal().is_none(),
            Ended::Reaped => false,
        };
        if ended_by_itself {
            return Ok(None);
        }
        sys::event::wait_readable(&[threads.monitor.as_fd()], Some(self.limit))?;
        Ok(threads.monitor.peek(|status| *status).filter(|status| status.signal().is_some()))
    }

    /// What an activity returned, unless that is an error and the context was cancelled by one: the activity's comes of it.
    fn primary<T>(&self, returned: Result<T>) -> Result<T> {
        returned.map_err(|error| if self.context.is_cancelled() { self.failure() } else { error })
    }

    /// Why the context was cancelled before the run was decided.
    fn failure(&self) -> Error {
        match self.context.failure() {
            Some(error) => error.during("pre start process failed"),
            None => Error::new(ErrorKind::Misuse, "watch over the container: a callback cancelled the run's context"),
        }
    }
}
