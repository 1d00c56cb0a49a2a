// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Raising effective capabilities for a scope.

use std::cell::Cell;
use std::process::abort;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::error::{Result, Tried};

thread_local! {
    /// The calling thread's sets as they were last seen or set here: one question to the kernel for a whole server.
    static PRESENT: Cell<Option<CapabilitySets>> = const { Cell::new(None) };
}

/// Falls back to the capabilities from before when it is dropped.
#[must_use = "the capabilities fall back at once"]
pub struct Raised(Option<CapabilitySets>);

/// Makes those of `wanted` effective in the calling thread that are permitted; the kernel then judges what lacks the
/// others. The parent-death signal stays: the kernel clears it only when ids change or the permitted set grows.
pub fn raise(wanted: CapabilitySet) -> Result<Raised> {
    let present = match PRESENT.get() {
        Some(present) => present,
        None => {
            let present = capabilities(None).tried(|| "read capabilities")?;
            PRESENT.set(Some(present));
            present
        }
    };
    let missing = (wanted & present.permitted) - present.effective;
    if missing.is_empty() {
        return Ok(Raised(None));
    }
    let raised = CapabilitySets { effective: present.effective | missing, ..present };
    set_capabilities(None, raised).tried(|| "raise capabilities")?;
    PRESENT.set(Some(raised));
    Ok(Raised(Some(present)))
}

/// Forgets what is known of the calling thread's capabilities: after someone else changed them.
pub fn forget() {
    PRESENT.set(None);
}

impl Drop for Raised {
    /// A thread that cannot give capabilities back must not go on.
    fn drop(&mut self) {
        let Some(before) = self.0.take() else { return };
        if set_capabilities(None, before).is_err() {
            eprintln!("pinion: cannot lower capabilities again");
            abort();
        }
        PRESENT.set(Some(before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, parent_process_death_signal, set_parent_process_death_signal};

    #[test]
    fn capabilities_are_raised_for_a_scope_only() {
        let before = capabilities(None).unwrap();
        if !before.permitted.contains(CapabilitySet::CHOWN) {
            println!("skipped: raising capabilities needs root");
            return;
        }
        let lowered = CapabilitySets { effective: before.effective - CapabilitySet::CHOWN, ..before };
        set_capabilities(None, lowered).unwrap();
        set_parent_process_death_signal(Some(Signal::HUP)).unwrap();
        forget();
        {
            let _raised = raise(CapabilitySet::CHOWN | CapabilitySet::KILL).unwrap();
            assert!(capabilities(None).unwrap().effective.contains(CapabilitySet::CHOWN));
        }
        assert_eq!(capabilities(None).unwrap().effective, lowered.effective);
        assert_eq!(parent_process_death_signal().unwrap(), Some(Signal::HUP));
        set_parent_process_death_signal(None).unwrap();
    }
}
