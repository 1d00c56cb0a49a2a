// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the end-of-file on the master socket was the start of the container's program, or the end of a process that never
//! got so far. A program may be faster than master: then both look the same but for what the kernel notes of the process.

use std::os::fd::AsFd;

use super::starting::Starting;
use crate::engine::WaitStatus;
use crate::error::Result;
use crate::ffi::sys;
use crate::lifecycle::child::Ended;

impl Starting {
    /// Whether the program was executed, or an init shim went on without one.
    pub(super) fn has_started(&self) -> Result<bool> {
        if self.words.is_failure() || !self.words.is_starting() {
            return Ok(false);
        }
        let container = &self.container;
        if !matches!(container.ended()?, Ended::Reaped) {
            match container.has_executed_or_exits() {
                Some((true, _)) => return Ok(true),
                // Its end is on the way, and tells more.
                Some((false, true)) => drop(sys::event::wait_readable(&[container.as_fd()], None)?),
                Some((false, false)) | None => {}
            }
        }
        Ok(match container.ended()? {
            Ended::No => true,
            Ended::As(status) => ended_by_itself(status),
            Ended::Reaped => self.monitored()?.is_some_and(ended_by_itself),
        })
    }

    /// What an engine's monitor, which has reaped the container process, makes of its end.
    fn monitored(&self) -> Result<Option<WaitStatus>> {
        let Some(monitor) = &self.monitor else { return Ok(None) };
        sys::event::wait_readable(&[monitor.as_fd()], Some(self.limit))?;
        Ok(monitor.peek(|status| *status))
    }
}

/// A core that failed before StartProcess has said so: any other exit code comes from what StartProcess led to.
fn ended_by_itself(status: WaitStatus) -> bool {
    status.exit_code().is_some()
}
