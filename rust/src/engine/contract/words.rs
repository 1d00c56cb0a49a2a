// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The contract in words, for `pinion plan` and docs/privileges.md.

use super::holdings::{DeathSignal, Descriptor, Threads};
use super::{Dumpable, Privileges, Securebits, Set, Sets};
use crate::config::names::capability_names;

impl Set {
    /// `configured` are the words for what the starter configuration set.
    pub fn words(self, configured: &str) -> String {
        match self {
            Set::None => "none".into(),
            Set::Callers => "the caller's".into(),
            Set::SetuidProgram => "root's".into(),
            Set::SetuidProgramButFiles => "root's but those about files".into(),
            Set::Full => "all of its user namespace".into(),
            Set::Only(bits) => capability_names(bits).join(" "),
            Set::Configured => configured.into(),
        }
    }
}

impl Sets {
    /// Each by its name.
    pub const fn named(self) -> [(&'static str, Set); 5] {
        [
            ("effective", self.effective),
            ("permitted", self.permitted),
            ("inheritable", self.inheritable),
            ("bounding", self.bounding),
            ("ambient", self.ambient),
        ]
    }
}

impl Securebits {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Securebits::None => "none",
            Securebits::Callers => "the caller's",
            Securebits::KeepCaps => "the caller's and KEEP_CAPS",
        }
    }
}

impl Dumpable {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Dumpable::AsCalled => "as the caller",
            Dumpable::Hidden => "no",
            Dumpable::AsCalledUnlessTarget => "as the caller; no with target ids",
            Dumpable::OpenedUnlessTarget => "yes; no with target ids",
        }
    }
}

impl Threads {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Threads::One => "one",
            Threads::OneUntilRole => "one until its role begins",
        }
    }
}

impl DeathSignal {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            DeathSignal::Kill => "SIGKILL",
            DeathSignal::Term => "SIGTERM",
        }
    }
}

impl Descriptor {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Descriptor::StandardStreams => "standard streams",
            Descriptor::Callers => "what the caller has left open",
            Descriptor::Record => "record",
            Descriptor::Kept => "kept descriptors",
            Descriptor::NullDevice => "null device in place of the starter's",
            Descriptor::Decisions => "memory file of the decisions",
            Descriptor::Journal => "journal",
            Descriptor::TerminationQueue => "termination queue",
            Descriptor::SignalQueue => "signal queue",
            Descriptor::EventCounters => "event counters",
            Descriptor::DecisionSocket => "socket of stage1",
            Descriptor::Stage1Pidfd => "pidfd of stage1",
            Descriptor::PostStartSocket => "socket of post-start-host",
            Descriptor::PostStartPidfd => "pidfd of post-start-host",
            Descriptor::CleanupSockets => "sockets of the clean-up processes",
            Descriptor::CleanupPidfds => "pidfds of the clean-up processes",
            Descriptor::SpareSocket => "socket between the clean-up processes",
            Descriptor::InstanceSocket => "line to who waits for the instance",
            Descriptor::MasterSocket => "master socket",
            Descriptor::ControlSocket => "control socket",
            Descriptor::RpcConnection => "RPC connection",
            Descriptor::ServerSocket => "socket of the RPC server",
            Descriptor::ServerPidfd => "pidfd of the RPC server",
            Descriptor::ContainerPidfd => "pidfd of the container",
        }
    }
}

impl Privileges {
    /// All of it but ids and what is effective. `configured` has the words for a set of the starter configuration, by
    /// its name.
    pub fn attributes(&self, configured: impl Fn(&str) -> String) -> String {
        let mut words: Vec<String> = Vec::new();
        for (name, set) in self.sets.named().into_iter().skip(1) {
            words.push(format!("{name} {}", set.words(&configured(name))));
        }
        words.push(format!("securebits {}", self.securebits.words()));
        words.push(format!("dumpable {}", self.dumpable.words()));
        words.push(format!("threads {}", self.threads.words()));
        words.join(", ")
    }
}
