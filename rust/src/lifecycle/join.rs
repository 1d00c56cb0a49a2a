// SPDX-License-Identifier: Apache-2.0 OR MIT
//! master when a running container is joined: no engine, no RPC server; the real user's privileges for good, which for the root
//! of a joined user namespace are all of it there; signals passed on; ends as the process that joined, which is killed if it
//! lives longer than the grace time after a request to end, unless its engine monitors by itself. That process waits for nothing of
//! master's: it may run its program while stage 1 has still to end.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::engine::WaitStatus;
use crate::error::Error;
use crate::ffi::sys;
use crate::lifecycle::Stop;
use crate::lifecycle::child::Child;
use crate::lifecycle::container::MasterEnds;
use crate::lifecycle::limits::{deadline, remaining, too_long};
use crate::lifecycle::master::Forwarder;
use crate::lifecycle::messages::FromContainer;
use crate::lifecycle::roles::{Role, Step};
use crate::lifecycle::stage1;
use crate::plan::Plan;
use crate::{log, privileges, trace};

/// Waits for the end of the process that joined, and for that of stage 1 if it is still to come.
pub fn watch(mut child: Child, mut stage1: Option<Child>, ends: &MasterEnds, plan: &Plan) -> Result<WaitStatus, Stop> {
    trace::enter(Role::Master, None);
    trace::step(Step::Master);
    privileges::drop_for_good()?;
    let queue = sys::signal::queue()?;
    let grace = (!plan.engine_monitors).then(|| plan.timeouts.grace());
    let mut forwarder = Forwarder::new(grace);
    // Nothing says when it runs.
    forwarder.started(&child)?;
    let deadline = deadline(&plan.timeouts);
    loop {
        let next = deadline.into_iter().chain(forwarder.deadline()).min();
        let awaited: Vec<_> =
            [child.as_fd(), queue.as_fd()].into_iter().chain(stage1.as_ref().map(AsFd::as_fd)).collect();
        let ready = sys::event::wait_readable(&awaited, remaining(next))?;
        if !ready.contains(&true) && remaining(deadline) == Some(Duration::ZERO) {
            return Err(too_long(&plan.timeouts).into());
        }
        if remaining(forwarder.deadline()) == Some(Duration::ZERO) {
            forwarder.kill(&child)?;
        }
        if ready[0] {
            let status = child.wait()?;
            stage1.into_iter().for_each(|stage1| stage1.finish(plan.timeouts.patience()));
            return Ok(match ends.control.pending() {
                Some(FromContainer::Killed(signal)) => WaitStatus::killed(signal),
                Some(FromContainer::Failed(report)) => {
                    log::fatal(&Error::from(report));
                    status
                }
                Some(FromContainer::Starting) | None => status,
            });
        }
        if ready.get(2) == Some(&true) {
            stage1.take().map_or(Ok(()), stage1::reap)?;
        }
        forwarder.forward(&queue, &child)?;
    }
}
