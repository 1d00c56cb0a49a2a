// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything about a thread's privileges that the kernel tells it in a few system calls: seven, and one more for each
//! capability that could be ambient. The bounding set would take one for each capability there is; it can only shrink.

use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet};
use serde::Serialize;

use super::Credentials;
use crate::error::{Result, Tried};

/// What the kernel says of the calling thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posture {
    /// Ids and capabilities.
    pub credentials: Credentials,
    /// The rest.
    pub attributes: Attributes,
    /// The signal that it gets when its parent dies.
    pub death_signal: Option<Signal>,
}

/// What stays the caller's in most processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attributes {
    /// Ambient capabilities.
    pub ambient: u64,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// Securebits (capabilities(7)).
    pub securebits: u32,
    /// Whether others of its user may look into its process.
    pub dumpable: bool,
}

impl Posture {
    /// Reads it: [`Credentials::read`], prctl(2).
    pub fn read() -> Result<Self> {
        let credentials = Credentials::read()?;
        let attributes = Attributes::read(&credentials)?;
        let death_signal = rustix::process::parent_process_death_signal().tried(|| "read the parent-death signal")?;
        Ok(Posture { credentials, attributes, death_signal })
    }
}

impl Attributes {
    /// Those of the calling thread, which has these credentials.
    pub fn read(credentials: &Credentials) -> Result<Self> {
        Ok(Attributes {
            // The kernel keeps nothing ambient that is not permitted and inheritable as well.
            ambient: ambient_among(credentials.permitted & credentials.inheritable)?,
            no_new_privs: rustix::thread::no_new_privs().tried(|| "read no_new_privs")?,
            securebits: rustix::thread::capabilities_secure_bits().tried(|| "read the securebits")?.bits(),
            dumpable: is_dumpable()?,
        })
    }
}

/// A signal as the kernel has it: 0 for none.
pub fn number_of(signal: Option<Signal>) -> u32 {
    signal.map_or(0, |signal| signal.as_raw().unsigned_abs())
}

/// The securebit that keeps capabilities over a change of ids.
pub const KEEP_CAPS: u32 = CapabilitiesSecureBits::KEEP_CAPS.bits();

/// Opens the process to others of its user, or closes it, and reads that back.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    let behavior = if dumpable { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    rustix::process::set_dumpable_behavior(behavior)
        .tried(|| format!("set whether the process is dumpable: {dumpable}"))?;
    super::read_back("whether the process is dumpable", u32::from(is_dumpable()?), dumpable.into())
}

/// Whether others of its user may look into the process.
pub fn is_dumpable() -> Result<bool> {
    let is = rustix::process::dumpable_behavior().tried(|| "read whether the process is dumpable")?;
    Ok(is == DumpableBehavior::Dumpable)
}

fn ambient_among(possible: u64) -> Result<u64> {
    each(possible, rustix::thread::capability_is_in_ambient_set, "read the ambient set")
}

/// Which of these capabilities are in the bounding set.
pub fn bounding_among(asked: u64) -> Result<u64> {
    each(asked, rustix::thread::capability_is_in_bounding_set, "read the bounding set")
}

fn each(among: u64, is_in: impl Fn(CapabilitySet) -> rustix::io::Result<bool>, what: &str) -> Result<u64> {
    let bits = (0..u64::BITS).map(|number| 1 << number).filter(|bit| among & bit != 0);
    bits.map(|bit: u64| {
        Ok(if is_in(CapabilitySet::from_bits_retain(bit)).tried(|| what.to_owned())? { bit } else { 0 })
    })
    .try_fold(0, |all, bit: Result<u64>| Ok(all | bit?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// proc(5) has the same for any thread.
    #[test]
    fn it_is_what_the_status_file_says() {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("status");
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            u64::from_str_radix(line.expect(name).trim(), 16).expect("a number")
        };
        let is = Posture::read().expect("posture");
        assert_eq!(is.credentials.effective, value("CapEff"));
        assert_eq!(is.credentials.inheritable, value("CapInh"));
        assert_eq!(is.attributes.ambient, value("CapAmb"));
        assert_eq!(u64::from(is.attributes.no_new_privs), value("NoNewPrivs"));
        let known = crate::privileges::known_capabilities().expect("known");
        assert_eq!(bounding_among(known).expect("bounding set"), value("CapBnd"));
        assert_eq!(bounding_among(known & !1).expect("bounding set"), value("CapBnd") & !1);
    }
}
