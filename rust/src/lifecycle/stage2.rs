// SPDX-License-Identifier: Apache-2.0 OR MIT
//! stage 2 · was: container process · privileges: the container's own · dies with: SIGKILL from parent death, until it
//! executes a program · ends as: the container's program, or an init shim of the engine's · tells: master.

use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::engine::contract::Callback;
use crate::engine::{Engine, MasterConnection, WaitStatus};
use crate::error::Result;
use crate::ffi::sys;
use crate::lifecycle::call;
use crate::lifecycle::check::check;
use crate::lifecycle::ending::end;
use crate::lifecycle::messages::{Channel, FromContainer, Handshake, Report, ToContainer};
use crate::lifecycle::roles::{Role, Step};
use crate::plan::Plan;
use crate::{privileges, trace};

/// Step 16: applies the container's privileges and calls StartProcess.
pub fn live(plan: &Plan, engine: &Engine, master: UnixStream, control: &Channel<FromContainer, ToContainer>) -> ! {
    trace::enter(Role::Stage2, None);
    let mut master = MasterConnection::new(master);
    let error = match start(plan, engine, &mut master) {
        Ok(status) => end_shim(control, status),
        Err(error) => error,
    };
    // The reason first: when master reads the 'f' it is there already.
    let report = FromContainer::Failed(Report::from(&error));
    if control.send(&report, &[]).is_ok()
        && let Some(stream) = master.stream()
    {
        // Nothing is left to do where that cannot be said.
        let _ = Handshake::StartFailed.send(stream);
    }
    end(255)
}

/// An init shim has come to its end. A signal that ended its program is told to master, since the exit code alone could
/// also be the program's own.
fn end_shim(control: &Channel<FromContainer, ToContainer>, status: WaitStatus) -> ! {
    match (status.exit_code(), status.signal()) {
        (Some(code), _) => end(code),
        (None, signal) => {
            let signal = signal.unwrap_or(libc::SIGKILL);
            // Without master nobody asks for the difference any more.
            let _ = control.send(&FromContainer::Killed(signal), &[]);
            end(128 + signal)
        }
    }
}

fn start(plan: &Plan, engine: &Engine, master: &mut MasterConnection) -> Result<WaitStatus> {
    privileges::apply(&plan.container, plan.facts.known_capabilities)
        .map_err(|error| error.during("apply the container's privileges"))?;
    privileges::arm_death_signal(Signal::KILL)?;
    trace::step(Step::Stage2);
    check(plan, Role::Stage2, Callback::StartProcess)?;
    // The container's program starts with default dispositions and an empty mask, whatever the caller's were.
    sys::signal::ignore(libc::SIGXFSZ, false);
    sys::signal::unblock_all()?;
    call(Callback::StartProcess, || engine.operations.start_process(master))
}
