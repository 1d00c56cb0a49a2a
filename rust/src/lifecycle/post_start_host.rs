// SPDX-License-Identifier: Apache-2.0 OR MIT
//! post-start-host · child of: starter (master) · namespaces: the host's · privileges: real user, for good ·
//! dies with: SIGTERM from parent death, or its socket's end · ends: 0 after PostStartHost, 255 if that failed ·
//! runs it: at most once, when master says so.

use crate::engine::contract::Callback;
use crate::error::Result;
use crate::ffi::sys;
use crate::lifecycle::host_process::{self, HostProcess, Own, Side};
use crate::lifecycle::messages::{Received, ToHostProcess};
use crate::lifecycle::roles::Role;

/// Makes the process. In it `release` lets go of what its parent owns.
pub fn spawn(configuration: &[u8], release: impl FnOnce()) -> Result<HostProcess> {
    match host_process::spawn(Role::PostStartHost)? {
        Side::Parent(process) => Ok(process),
        Side::Child(channel) => {
            release();
            host_process::live(255, || serve(&channel, configuration))
        }
    }
}

fn serve(channel: &Own, configuration: &[u8]) -> Result<()> {
    // So that the parent-death signal ends it.
    sys::signal::unblock_all()?;
    loop {
        match channel.receive()? {
            Received::Message(ToHostProcess::Run, _) => break,
            Received::Message(ToHostProcess::Container, _) => {}
            Received::Message(ToHostProcess::StandDown, _) | Received::Closed => return Ok(()),
        }
    }
    let result = host_process::run(configuration, Callback::PostStartHost, |engine, context| {
        engine.operations.post_start_host(context)
    });
    if !host_process::answer(channel, result)? {
        sys::process::exit(255);
    }
    Ok(())
}
