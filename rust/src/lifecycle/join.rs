// SPDX-License-Identifier: Apache-2.0 OR MIT
//! master when a running container is joined: no engine, no RPC server; the real user's privileges for good; signals passed
//! on; ends as the process that joined, which is killed if it lives longer than the grace time after a request to end, unless
//! its engine monitors by itself.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::engine::WaitStatus;
use crate::error::Error;
use crate::ffi::sys;
use crate::lifecycle::Stop;
use crate::lifecycle::child::Child;
use crate::lifecycle::container::MasterEnds;
use crate::lifecycle::master::Forwarder;
use crate::lifecycle::messages::FromContainer;
use crate::lifecycle::roles::{Role, Step};
use crate::{log, privileges, trace};

/// Waits for the end of the process that joined; `grace` is the time from a request to end to its kill, if there is one.
pub fn watch(mut child: Child, ends: &MasterEnds, grace: Option<Duration>) -> Result<WaitStatus, Stop> {
    trace::enter(Role::Master, None);
    trace::step(Step::Master);
    privileges::drop_for_good()?;
    let queue = sys::signal::queue()?;
    let mut forwarder = Forwarder::new(grace);
    // Nothing says when it runs.
    forwarder.started(&child)?;
    loop {
        let remaining = forwarder.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let ready = sys::event::wait_readable(&[child.as_fd(), queue.as_fd()], remaining)?;
        if ready[0] {
            let status = child.wait()?;
            return Ok(match ends.control.pending() {
                Some(FromContainer::Killed(signal)) => WaitStatus::killed(signal),
                Some(FromContainer::Failed(report)) => {
                    log::fatal(&Error::from(report));
                    status
                }
                Some(FromContainer::Starting) | None => status,
            });
        }
        forwarder.forward(&queue, &child)?;
        if remaining == Some(Duration::ZERO) {
            forwarder.kill(&child)?;
        }
    }
}
