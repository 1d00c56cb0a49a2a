// SPDX-License-Identifier: Apache-2.0 OR MIT
//! post-start-host · child of: starter (master) · namespaces: the host's · privileges: real user, for good, from before its
//! role · dies with: SIGTERM from parent death, or its socket's end · ends: 0 after PostStartHost, 255 if that failed ·
//! runs it: at most once, when master says so.

use crate::engine::contract::Callback;
use crate::error::Result;
use crate::ffi::sys;
use crate::lifecycle::ending;
use crate::lifecycle::host_process::{self, Own};
use crate::lifecycle::messages::{Received, ToHostProcess};
use crate::lifecycle::pending::{Pending, Work};
use crate::lifecycle::roles::Role;

/// The process before its role.
pub struct PostStart {
    configuration: Vec<u8>,
    channel: Own,
}

/// Its exit code if anything fails.
const FAILED: i32 = 255;

impl PostStart {
    /// Step 3, in the new process: returns when PostStartHost is to run. A process that is not needed ends; until then it has
    /// nothing of the program's own runtime.
    pub fn enter(channel: Own, configuration: Vec<u8>) -> Pending {
        // The mask is opened so that the parent-death signal ends it.
        let entered = host_process::enter().and_then(|()| sys::signal::unblock_all());
        if !host_process::end_unless(FAILED, entered.and_then(|()| is_needed(&channel))) {
            ending::end(0);
        }
        Pending::from(PostStart { configuration, channel })
    }
}

/// Waits for master's word.
fn is_needed(channel: &Own) -> Result<bool> {
    loop {
        match channel.receive()? {
            Received::Message(ToHostProcess::Run, _) => return Ok(true),
            Received::Message(ToHostProcess::Stage1 | ToHostProcess::Container, _) => {}
            Received::Message(ToHostProcess::StandDown, _) | Received::Closed => return Ok(false),
        }
    }
}

impl Work for PostStart {
    fn role(&self) -> Role {
        Role::PostStartHost
    }

    /// The rest of its life.
    fn run(self: Box<Self>) -> ! {
        let result = host_process::run(&self.configuration, Callback::PostStartHost, |engine, context| {
            engine.operations.post_start_host(context)
        });
        let succeeded = host_process::end_unless(FAILED, host_process::answer(&self.channel, result));
        ending::end(if succeeded { 0 } else { FAILED })
    }
}
