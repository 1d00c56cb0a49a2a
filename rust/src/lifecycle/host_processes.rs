// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step 3: the processes on the host that the launcher asked for, in the hands of their owner.

use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::Duration;

use crate::error::Result;
use crate::ffi::sys::descriptor;
use crate::lifecycle::child::Child;
use crate::lifecycle::cleanup_host::{self, CleanUp, CleanupHost, Held};
use crate::lifecycle::host_process::{self, Asker, HostProcess, Side};
use crate::lifecycle::journal::Journal;
use crate::lifecycle::messages::ToHostProcess;
use crate::lifecycle::post_start_host::PostStart;
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::{Start, Stop};
use crate::plan::Plan;
use crate::{log, trace};

/// Whichever of them there are.
#[derive(Default)]
pub struct HostProcesses {
    post_start: Option<HostProcess>,
    cleanup: Option<CleanupHost>,
    /// What was made on the host, if there is a process to undo it.
    journal: Option<Journal>,
    /// The limit of one answer, until the plan says another.
    limit: Duration,
    /// The image, which may be in use no more when CleanupHost runs.
    image: Option<RawFd>,
}

/// Before there is a plan.
const LIMIT: Duration = Duration::from_secs(60);

impl HostProcesses {
    /// Makes those that the launcher asked for. The journal exists where there is a process to undo its entries.
    pub fn spawn(start: &mut Start) -> Result<Self, Stop> {
        let mut hosts = HostProcesses { limit: LIMIT, ..HostProcesses::default() };
        let configuration = &mut start.configuration;
        if start.facts.cleanup_host {
            let journal = Journal::new()?;
            match cleanup_host::spawn()? {
                cleanup_host::Side::Parent(cleanup) => hosts.cleanup = Some(cleanup),
                cleanup_host::Side::Child(seat) => {
                    start.waiter = None;
                    return Err(CleanUp::enter(seat, std::mem::take(configuration), journal).into());
                }
            }
            hosts.journal = Some(journal);
        }
        if start.facts.post_start_host {
            match host_process::spawn(Role::PostStartHost)? {
                Side::Parent(process) => hosts.post_start = Some(process),
                Side::Child(channel) => {
                    start.waiter = None;
                    drop(hosts.release());
                    return Err(PostStart::enter(channel, std::mem::take(configuration)).into());
                }
            }
        }
        trace::step(Step::HostProcesses);
        Ok(hosts)
    }

    /// The descriptors behind them.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let post_start = self.post_start.iter().flat_map(HostProcess::descriptors);
        post_start.chain(self.cleanup.iter().flat_map(CleanupHost::descriptors)).collect()
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Stage 1, before the engine's code runs in it: tells the clean-up processes of itself, whose end they wait for should the
    /// starter die.
    pub fn announce_stage1(&self) -> Result<()> {
        let Some(cleanup) = &self.cleanup else { return Ok(()) };
        cleanup_host::own_pidfd()?.map_or(Ok(()), |pidfd| cleanup.stage1(pidfd.as_fd()))
    }

    /// Tells the clean-up processes of the container, whose end they wait for should master die.
    pub fn container(&self, container: &Child) -> Result<()> {
        self.cleanup.as_ref().map_or(Ok(()), |cleanup| cleanup.container(container.as_fd()))
    }

    /// The means to have PostStartHost run, if that was asked for.
    pub fn post_start(&self) -> Result<Option<Asker>> {
        self.post_start.as_ref().map(HostProcess::asker).transpose()
    }

    /// What the plan, whose descriptors are in their places, says of the end.
    pub fn planned(&mut self, plan: &Plan) {
        self.limit = plan.timeouts.handshake();
        self.image = plan.descriptors.image;
    }

    /// Lets go of the image: CleanupHost may be about to unmount what it lies on.
    pub fn close_image(&mut self) {
        if let Some(image) = self.image.take() {
            descriptor::close(image);
        }
    }

    /// The end of everything: has CleanupHost run unless stage 1 has done so, and returns why that end has come. A failure of the
    /// clean-up is printed and hides nothing. A process that has let go of them has nothing to do here.
    pub fn clean_up(self, stop: Stop) -> Stop {
        self.end(matches!(stop, Stop::Failed { cleaned: true, .. }));
        stop
    }

    /// As [`clean_up`](Self::clean_up); `cleaned` says whether stage 1 has run CleanupHost.
    pub fn end(mut self, cleaned: bool) {
        self.close_image();
        let limit = self.limit;
        if let Some(process) = self.post_start.take() {
            // Heard if it still waits for its word. One that is gone needs none.
            let _ = process.tell(&ToHostProcess::StandDown, None);
            process.end(limit);
        }
        let Some(cleanup) = self.cleanup.take() else { return };
        let ended = if cleaned { cleanup.stand_down(limit) } else { cleanup.run(limit) };
        if let Err(error) = ended {
            log::error(&error);
        }
    }

    /// In a fork of the owner: lets go of them. Until the clean-up processes' sockets, which this returns, are dropped, they
    /// do not take the owner for dead.
    pub fn release(&mut self) -> Option<Held> {
        self.disown();
        let HostProcesses { cleanup, .. } = std::mem::take(self);
        cleanup.map(CleanupHost::hold)
    }

    /// In a fork of the owner: they are that one's to reap.
    pub fn disown(&mut self) {
        if let Some(process) = &mut self.post_start {
            process.release();
        }
        if let Some(cleanup) = &mut self.cleanup {
            cleanup.release();
        }
    }
}
