// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SIGTERM to the outermost process ends everything, whatever the container's program makes of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::{First, Host, callers};
use crate::terminal::{Outcome, Terminal};
use crate::{Case, common, for_each, run_all};

/// That it was killed, as its caller sees it, and nothing of it lives, in the time that it should take.
fn killed(mut terminal: Terminal, asked: Instant, least: u64, most: u64) -> Outcome {
    let lived = asked.elapsed();
    if lived < Duration::from_secs(least) || lived > Duration::from_secs(most) {
        return Err(format!("it was killed after {lived:?}"));
    }
    terminal.expect(&["gone"])?;
    terminal.nobody_left()
}

#[test]
fn a_program_that_does_not_end_is_killed_after_the_grace_time() {
    run_all(&for_each("deaf", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "none", caller, first, "family", &["--stop-timeout", "2"])?;
        terminal.settle()?;
        let asked = Instant::now();
        terminal.exactly("signal 15", &["got 15 process"])?;
        // timeout(1) sends one to the process and one to its group: that is no second request.
        terminal.exactly("signal 15", &["got 15 process"])?;
        terminal.expect(&["killed 9"])?;
        killed(terminal, asked, 2, 9).map(|()| 1)
    }));
}

#[test]
fn a_second_sigterm_kills_it() {
    run_all(&for_each("deaf", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "none", caller, first, "family", &["--stop-timeout", "600"])?;
        terminal.settle()?;
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(20) {
            terminal.tell("signal 15")?;
            match terminal.line_within(Duration::from_millis(100)).as_deref() {
                Some("killed 9") => return killed(terminal, asked, 1, 20).map(|()| 1),
                Some("got 15 process") | None => {}
                Some(other) => return Err(format!("unexpected: {other}")),
            }
        }
        Err("it lives on".to_owned())
    }));
}

#[test]
fn without_a_grace_time_it_is_killed_at_once() {
    run_all(&for_each("deaf", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "none", caller, first, "family", &["--stop-timeout", "0"])?;
        let asked = Instant::now();
        terminal.tell("signal 15")?;
        while terminal.line()? != "killed 9" {}
        killed(terminal, asked, 0, 8).map(|()| 1)
    }));
}

/// A record that every user may write.
fn record(host: &Host, name: &str) -> String {
    let path = host.path(name);
    fs::write(&path, "").expect("record");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("mode");
    path.to_str().expect("UTF-8").to_owned()
}

/// The steps that a record tells of by now.
fn steps(record: &str) -> BTreeSet<u64> {
    let text = fs::read_to_string(Path::new(record)).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|event| event["step"].as_u64()).collect()
}

/// Sends a signal when a step of the start has been reached. The start ends by it, or the program gets it.
fn during_the_start(host: &Host, (place, caller, first): (&str, &str, First), what: (&str, i32), step: u64) -> Outcome {
    let (command, signal) = what;
    let record = record(host, &format!("record-{caller}-{first:?}-{signal}-{step}"));
    let words = host.command(caller, first, &["--record", &record, "--stop-timeout", "600"], &["count"]);
    let mut terminal = Terminal::start(host, place, caller, &words);
    terminal.line()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !steps(&record).contains(&step) {
        if Instant::now() > deadline {
            return Err(format!("step {step} was not reached"));
        }
        common::look_again();
    }
    terminal.tell(command)?;
    let first_line = terminal.line()?;
    if first_line == format!("killed {signal}") {
        return Ok(());
    }
    if first_line != "ready" {
        return Err(format!("it said {first_line}"));
    }
    let got = terminal.line()?;
    if !got.starts_with(&format!("got {signal} ")) {
        return Err(format!("it said {got}"));
    }
    terminal.tell("signal 64")?;
    while terminal.line()? != "exited 0" {}
    Ok(())
}

#[test]
fn no_signal_is_lost_during_the_start() {
    let host = Host::shared();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for caller in callers() {
        let clean = record(&host, &format!("clean-{caller}"));
        let words = host.command(caller, First::Shim, &["--record", &clean], &["exit", "0"]);
        let mut terminal = Terminal::start(&host, "none", caller, &words);
        assert_eq!((terminal.line(), terminal.expect(&["exited 0"])).1, Ok(()));
        for step in steps(&clean) {
            for (place, command, signal) in [("none", "signal 15", 15), ("foreground", "type \x03", 2)] {
                let name = format!("{command:?} at step {step}, {caller}");
                let case = move |host: &Host| {
                    during_the_start(host, (place, caller, First::Shim), (command, signal), step).map(|()| 1)
                };
                cases.push((name, Box::new(case)));
            }
        }
    }
    run_all(&cases);
}
