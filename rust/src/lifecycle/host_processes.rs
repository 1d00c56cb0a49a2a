// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step 3: the processes on the host that the launcher asked for, in the hands of their owner.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::engine::WaitStatus;
use crate::error::Result;
use crate::lifecycle::child::Child;
use crate::lifecycle::cleanup_host::{self, CleanupHost};
use crate::lifecycle::host_process::{Asker, HostProcess};
use crate::lifecycle::journal::Journal;
use crate::lifecycle::messages::ToHostProcess;
use crate::lifecycle::roles::Step;
use crate::lifecycle::{Start, Stop, post_start_host};
use crate::{log, trace};

/// Whichever of them there are.
pub struct HostProcesses {
    post_start: Option<HostProcess>,
    cleanup: Option<CleanupHost>,
}

impl HostProcesses {
    /// Makes those that the launcher asked for. The journal exists where there is a process to undo its entries.
    pub fn spawn(start: &mut Start) -> Result<Self> {
        let mut hosts = HostProcesses { post_start: None, cleanup: None };
        if start.facts.cleanup_host {
            let journal = Journal::new()?;
            hosts.cleanup = Some(cleanup_host::spawn(&start.configuration, &journal)?);
            start.journal = Some(journal);
        }
        if start.facts.post_start_host {
            hosts.post_start = Some(post_start_host::spawn(&start.configuration, || drop(hosts.release()))?);
        }
        trace::step(Step::HostProcesses);
        Ok(hosts)
    }

    /// The descriptors behind them.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all: Vec<BorrowedFd<'_>> = Vec::new();
        if let Some(process) = &self.post_start {
            all.extend(process.descriptors());
        }
        if let Some(cleanup) = &self.cleanup {
            all.extend(cleanup.descriptors());
        }
        all
    }

    /// Tells the clean-up processes of the container, whose end they wait for should master die.
    pub fn container(&self, container: &Child) -> Result<()> {
        self.cleanup.as_ref().map_or(Ok(()), |cleanup| cleanup.container(container.as_fd()))
    }

    /// The means to have PostStartHost run, if that was asked for.
    pub fn post_start(&self) -> Result<Option<Asker>> {
        self.post_start.as_ref().map(HostProcess::asker).transpose()
    }

    /// The end of everything: has CleanupHost run unless stage 1 has done so, and returns what came of the run. A failure of
    /// the clean-up is printed and hides nothing.
    pub fn clean_up(mut self, outcome: Result<WaitStatus, Stop>, limit: Duration) -> Result<WaitStatus, Stop> {
        if let Some(process) = self.post_start.take() {
            // Heard if it still waits for its word. One that is gone needs none.
            let _ = process.tell(&ToHostProcess::StandDown, None);
            process.end(limit);
        }
        let Some(cleanup) = self.cleanup.take() else { return outcome };
        let cleaned = match &outcome {
            Err(Stop::Failed { cleaned: true, .. }) => cleanup.stand_down(limit),
            _ => cleanup.run(limit),
        };
        if let Err(error) = cleaned {
            log::error(&error);
        }
        outcome
    }

    /// In a fork of the owner: lets go of them. Until the clean-up processes' sockets, which this returns, are dropped, they
    /// do not take the owner for dead.
    pub fn release(&mut self) -> Option<CleanupHost> {
        if let Some(mut process) = self.post_start.take() {
            process.release();
        }
        let mut cleanup = self.cleanup.take()?;
        cleanup.release();
        Some(cleanup)
    }
}
