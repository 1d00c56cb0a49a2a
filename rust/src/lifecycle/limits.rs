// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long something may take: what is left of it, and what is said when nothing is.

use std::time::{Duration, Instant};

use crate::config::Timeouts;
use crate::error::{Error, ErrorKind};

/// When a container that begins to run now has run too long.
pub fn deadline(timeouts: &Timeouts) -> Option<Instant> {
    let limit = Duration::from_millis(timeouts.container_ms.into());
    (!limit.is_zero()).then(|| Instant::now() + limit)
}

/// The time until then.
pub fn remaining(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// A container has run too long.
pub fn too_long(timeouts: &Timeouts) -> Error {
    let limit = timeouts.container_ms;
    Error::new(ErrorKind::Timeout, format!("wait for the container: it ran longer than {limit} ms"))
}

/// What was asked to end by a SIGTERM has had its time.
pub fn overdue(what: &str, limit: Duration) -> Error {
    let text = format!("{what} did not come to its end within {} ms after a SIGTERM", limit.as_millis());
    Error::new(ErrorKind::Timeout, text).with_help("what a callback waits for should have a limit")
}
