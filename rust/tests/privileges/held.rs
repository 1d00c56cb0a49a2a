// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many descriptors of each kind a process has beside its caller's, as data.

use crate::flows::{Flow, Hold, Stop};
use crate::rows::{INSTANCE, PROGRAM, WAITS};

/// Numbers by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub null_device: usize,
    pub journal: usize,
    pub decisions: usize,
    pub signal_queues: usize,
    pub event_counters: usize,
    pub packets: usize,
    pub streams: usize,
    pub pidfds: usize,
}

const NONE: Held = Held {
    null_device: 0,
    journal: 0,
    decisions: 0,
    signal_queues: 0,
    event_counters: 0,
    packets: 0,
    streams: 0,
    pidfds: 0,
};

/// cleanup-host and its spare: a socket and a pidfd of each.
const CLEANUP: usize = 2;

impl Held {
    /// Those of a process of `role` at a moment of a flow that is stopped.
    pub fn of(role: &str, moment: &str, flow: &Flow, stop: &Stop) -> Held {
        // post-start-host has a socket and a pidfd as well.
        let host_processes = CLEANUP + usize::from(!flow.joins);
        match (role, moment) {
            // Requests to end, as in every starter, and what comes while it waits.
            ("starter", INSTANCE) => Held { signal_queues: 2, packets: 1, pidfds: 1, ..NONE },
            // Those of the processes on the host, and of stage 1.
            ("starter", _) => Held {
                journal: 1,
                decisions: 1,
                signal_queues: 1,
                packets: host_processes + 1,
                pidfds: host_processes + 1,
                ..NONE
            },
            // For all of those, and the starter's queue. The journal is PrepareConfig's as well.
            ("stage1", _) => Held { null_device: 2 * host_processes + 2, journal: 2, decisions: 1, packets: 1, ..NONE },
            // Until it has a role it has the starter's queue as well.
            ("post-start-host", WAITS) => Held { signal_queues: 1, packets: 1, ..NONE },
            ("post-start-host", _) => Held { event_counters: 1, packets: 1, ..NONE },
            // To master, and between the two. The pidfd is stage 1's until there is a container.
            ("cleanup-host" | "cleanup-spare", WAITS) => {
                Held { journal: 1, signal_queues: 1, packets: 2, pidfds: 1, ..NONE }
            }
            ("cleanup-host" | "cleanup-spare", _) => {
                Held { journal: 1, event_counters: 1, packets: 2, pidfds: 1, ..NONE }
            }
            // To master, and between the two.
            ("container", _) => Held { packets: CLEANUP + 2, streams: 1, pidfds: 1, ..NONE },
            ("rpc-server", _) => Held { packets: CLEANUP + 2, streams: 1, ..NONE },
            ("stage2", PROGRAM) => NONE,
            ("stage2", _) => Held { packets: 1, streams: 1, ..NONE },
            ("master", WAITS) => waiting_master(flow, stop),
            ("master", _) => Self::master(moment, flow, stop, host_processes),
            _ => panic!("{role} in {moment}"),
        }
    }

    /// In one of its callbacks. Each activity has descriptors of its own for what it shares.
    fn master(moment: &str, flow: &Flow, stop: &Stop, host_processes: usize) -> Held {
        let create = usize::from(moment == "CreateContainer");
        let cleans_up = moment == "CleanupContainer";
        let ended = cleans_up || stop.hold == Hold::In("master", "MonitorContainer");
        let (start, instance) = (usize::from(!ended), usize::from(!ended && flow.instance));
        Held {
            journal: 1,
            // Its own, and where the engine monitors one that tells whether the engine takes the signals.
            signal_queues: if flow.core_monitors || cleans_up { 1 } else { 2 },
            // Two contexts, and the ends of three activities, at last a fourth.
            event_counters: if flow.core_monitors { 2 } else { 5 + usize::from(cleans_up) },
            // To the container process twice, since what it says is read beside; for create and start once more; to a starter that waits.
            packets: host_processes + 2 + create + start + instance,
            // The master socket, and the RPC connection.
            streams: 1 + start + 2 * create,
            // The container process's; for start also post-start-host's.
            pidfds: host_processes + 1 + 2 * start,
            ..NONE
        }
    }
}

/// At the end, as it has one of the clean-up processes asked; where it joins, until the container's end.
fn waiting_master(flow: &Flow, stop: &Stop) -> Held {
    let last = Held { journal: 1, packets: CLEANUP + 1, pidfds: CLEANUP + 1, ..NONE };
    let cleans_up = matches!(stop.hold, Hold::Spare | Hold::In("cleanup-host", _));
    if flow.joins && !cleans_up { Held { signal_queues: 2, streams: 1, ..last } } else { last }
}
