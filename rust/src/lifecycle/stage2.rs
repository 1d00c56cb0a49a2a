// SPDX-License-Identifier: Apache-2.0 OR MIT
//! stage 2 · was: container process · privileges: the container's own, from before its role · dies with: SIGKILL from parent
//! death, armed before its role and again in the thread that runs it, until it executes a program · ends as: the container's
//! program, or an init shim of the engine's · tells: master.

use std::os::unix::net::UnixStream;

use crate::engine::contract::Callback;
use crate::engine::contract::holdings::DeathSignal;
use crate::engine::{Engine, MasterConnection, WaitStatus};
use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::lifecycle::callback::call_checked;
use crate::lifecycle::check::check;
use crate::lifecycle::child::arm_death_signal;
use crate::lifecycle::ending::end;
use crate::lifecycle::messages::{Channel, FromContainer, Handshake, Report, ToContainer};
use crate::lifecycle::pending::{Pending, Readied, Work};
use crate::lifecycle::roles::{Role, Step};
use crate::plan::{Flow, Plan};
use crate::privileges::posture::set_dumpable;
use crate::{privileges, trace};

/// The process before its role.
pub struct Stage2 {
    /// The plan.
    pub plan: Plan,
    /// The engine, by the configuration as PrepareConfig left it.
    pub engine: Readied,
    /// Its end of the stream to master.
    pub master: UnixStream,
    /// Its end of the core's own channel.
    pub control: Channel<FromContainer, ToContainer>,
}

impl Stage2 {
    /// Step 16, in the container process: applies the container's privileges.
    pub fn enter(self) -> Pending {
        trace::enter(Role::Stage2, None);
        if let Err(error) = apply(&self.plan) {
            give_up(&self.control, Some(&self.master), &error);
        }
        Pending::from(self)
    }
}

impl Work for Stage2 {
    fn role(&self) -> Role {
        Role::Stage2
    }

    /// The rest of its life: calls StartProcess.
    fn run(self: Box<Self>) -> ! {
        let Stage2 { plan, engine, master, control } = *self;
        let mut master = MasterConnection::new(master);
        match engine.get().and_then(|engine| start(&plan, &engine, &mut master, &control)) {
            Ok(status) => end_shim(&control, status),
            Err(error) => give_up(&control, master.stream(), &error),
        }
    }
}

/// Tells master why the program does not start, and ends.
fn give_up(control: &Channel<FromContainer, ToContainer>, master: Option<&UnixStream>, error: &Error) -> ! {
    // The reason first: when master reads the 'f' it is there already.
    let report = FromContainer::Failed(Report::from(error));
    if control.send(&report, &[]).is_ok()
        && let Some(stream) = master
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

fn apply(plan: &Plan) -> Result<()> {
    if plan.flow == Flow::SetuidHybrid {
        // A later start, without root's id, is to find this process's namespaces in /proc.
        set_dumpable(true)?;
    }
    privileges::apply(&plan.container, plan.facts.known_capabilities)
        .map_err(|error| error.during("apply the container's privileges"))?;
    arm_death_signal(DeathSignal::of(Role::Stage2))?;
    trace::step(Step::Stage2);
    Ok(())
}

fn start(
    plan: &Plan,
    engine: &Engine,
    master: &mut MasterConnection,
    control: &Channel<FromContainer, ToContainer>,
) -> Result<WaitStatus> {
    // It belongs to a thread, and the program gets that of the thread which executes it.
    arm_death_signal(DeathSignal::of(Role::Stage2))?;
    let seen = check(plan, Role::Stage2, Callback::StartProcess)?;
    sys::signal::ignore(libc::SIGXFSZ, false);
    // That of this thread, which need not be the one that came here.
    sys::signal::unblock_all()?;
    if !plan.join_only {
        // From here on an exit code is the container's. Without master nobody asks.
        let _ = control.send(&FromContainer::Starting, &[]);
    }
    call_checked(Callback::StartProcess, seen, || engine.operations.start_process(master))
}
