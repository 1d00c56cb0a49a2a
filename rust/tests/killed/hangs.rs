// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A callback never comes back: a SIGTERM to the outermost process ends everything, and nothing is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinion::engine::contract::Callback;
use pinion::lifecycle::roles::Role;
use serde_json::json;

use crate::common::{self, Run, Running, Starter};
use crate::joins::Target;
use crate::observer::{self, Expected};
use crate::{CODE, Case, Flow, LONG, chosen, chosen_ways, flows, run_in};

/// A callback that hangs in a flow.
struct Hang {
    flow: Flow,
    callback: Callback,
}

impl Hang {
    fn all(flow: &Flow) -> Vec<Hang> {
        let callbacks: &[Callback] = if flow.joins() {
            &[Callback::PrepareConfig, Callback::StartProcess, Callback::CleanupHost]
        } else {
            &[
                Callback::PrepareConfig,
                Callback::CreateContainer,
                Callback::StartProcess,
                Callback::PreStartProcess,
                Callback::PostStartHost,
                Callback::PostStartProcess,
                Callback::MonitorContainer,
                Callback::CleanupContainer,
                Callback::CleanupHost,
            ]
        };
        let core_monitors = flow.configuration["core_monitor"] == json!(true);
        let called = callbacks.iter().filter(|callback| !core_monitors || **callback != Callback::MonitorContainer);
        called.map(|callback| Hang { flow: flow.clone(), callback: *callback }).collect()
    }

    /// Whether the starter of an instance has ended by then.
    fn after_start(&self) -> bool {
        let after = [Callback::MonitorContainer, Callback::CleanupContainer, Callback::CleanupHost];
        self.flow.configuration["instance"] == json!(true) && after.contains(&self.callback)
    }

    fn run(&self, starter: &Starter) -> Run {
        let mut flow = self.flow.clone();
        flow.configuration["pre_start"] = json!(!flow.joins());
        if self.callback == Callback::CleanupHost {
            // Both who clean up are killed while they do: nobody is left to undo what the journal lists.
            flow.configuration["make"] = json!([]);
        }
        // Short where it is waited for, and long enough for the other steps on a slow machine.
        flow.configuration["handshake_ms"] = json!(5000);
        let mut fail = json!({ self.callback.name(): "hang" });
        if self.callback != Callback::MonitorContainer {
            // What a signal means is the engine's to decide, where that monitors.
            fail["MonitorContainer"] = json!("end by SIGTERM");
        }
        // A program that ends by itself is what the clean-up comes after.
        let cleanup = [Callback::CleanupContainer, Callback::CleanupHost].contains(&self.callback);
        let script = if cleanup { flow.script() } else { LONG };
        let mut running = flow.launch(starter, script, &fail).spawn();
        let name = self.callback.name();
        running.until(name, |event| event["event"] == "callback" && event["name"] == name);
        let outermost = self.outermost(&mut running);
        kill(Pid::from_raw(outermost), Signal::SIGTERM).expect("it is there");
        if self.is_deaf(starter) {
            common::kill(outermost);
        }
        running.wait()
    }

    /// Whether the callback keeps master from hearing SIGTERM: Go's runtime has it (docs/lifecycle.md, "Callbacks that hang").
    fn is_deaf(&self, starter: &Starter) -> bool {
        let in_go = starter.program().ends_with(Starter::GO);
        let for_itself = self.after_start() || self.flow.configuration["instance"] != json!(true);
        let in_master = Callback::of(Role::Master).contains(&self.callback);
        let core_monitors = self.flow.configuration["core_monitor"] == json!(true);
        in_go && for_itself && in_master && (core_monitors || self.callback == Callback::MonitorContainer)
    }

    fn outermost(&self, running: &mut Running) -> i32 {
        if self.after_start() {
            running.child.wait().expect("the instance's start");
            return running.pid("master");
        }
        i32::try_from(running.child.id()).expect("pid")
    }

    fn judge(&self, starter: &Starter) -> Result<(), String> {
        let run = &self.run(starter);
        // Its spare runs it as well.
        let cleanups = if self.callback == Callback::CleanupHost { 2 } else { 1 };
        let exits: &[i32] = match self.callback {
            _ if self.after_start() => &[0],
            _ if self.is_deaf(starter) => &[-libc::SIGKILL],
            Callback::PrepareConfig => &[-libc::SIGTERM],
            Callback::CleanupContainer | Callback::CleanupHost => &[CODE],
            _ => &[255, -libc::SIGTERM, -libc::SIGKILL],
        };
        if !exits.contains(&run.exit) {
            return Err(format!("its caller sees exit {}\n{run}", run.exit));
        }
        Expected { cleanups: cleanups..=cleanups, ran_on: false, exec: Some(run.exit) }.compare(run)
    }
}

#[test]
fn nothing_is_left_of_a_callback_that_hangs_until_a_sigterm() {
    let probe = Starter::probe();
    let targets = Target::all(&probe);
    let flows: Vec<Flow> = chosen().into_iter().chain(targets.iter().map(Target::joined)).collect();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for hang in flows.iter().flat_map(Hang::all) {
        let name = format!("{}: {} hangs", hang.flow.name, hang.callback.name());
        cases.push((name, Box::new(move |starter: &Starter| hang.judge(starter))));
    }
    // Most of them wait.
    run_in(chosen_ways(), &cases, 16);
}

/// Where the core monitors, SIGTERM is open in master's callbacks, and so in the threads that those make.
#[test]
fn a_thread_that_a_callback_leaves_behind_takes_no_sigterm() {
    let starter = Starter::probe();
    let flow = flows().into_iter().find(|flow| flow.configuration["core_monitor"] == json!(true)).expect("one");
    let script = "trap 'exit 9' TERM; sleep 1000 & echo ran >>$LOG; wait";
    let running = flow.launch(&starter, script, &json!({ "CreateContainer": "thread" })).spawn();
    observer::until_it_ran(&running);
    running.until("the start", |event| event["event"] == "returned" && event["name"] == "PostStartProcess");
    kill(Pid::from_raw(running.pid("master")), Signal::SIGTERM).expect("it is there");
    let run = running.wait();
    Expected { cleanups: 1..=1, ran_on: true, exec: Some(9) }.compare(&run).unwrap_or_else(|wrong| panic!("{wrong}"));
}
