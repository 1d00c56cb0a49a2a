// SPDX-License-Identifier: Apache-2.0 OR MIT
//! docs/signals.md, as a shell, a terminal and a container's program see it: every cell of its table, job control, exit codes,
//! deaths by signals, and the end after a SIGTERM. `make test-signals` has all codes and signals of ends, `cargo test` a part.

#[path = "signals/cells.rs"]
mod cells;
#[path = "common/mod.rs"]
mod common;
#[path = "signals/ends.rs"]
mod ends;
#[path = "signals/host.rs"]
mod host;
#[path = "signals/stop.rs"]
mod stop;
#[path = "signals/terminal.rs"]
mod terminal;

use std::sync::Mutex;

use host::{First, Host, callers};
use terminal::{Outcome, Terminal};

/// Whether everything is to be run, and not a part.
fn all() -> bool {
    std::env::var_os("PINION_SIGNALS").is_some_and(|value| value == "all")
}

/// One case, and how many things it looked at.
type Case<'a> = (String, Box<dyn Fn(&Host) -> Outcome<usize> + Send + Sync + 'a>);

fn run_all(cases: &[Case<'_>]) {
    let (host, next) = (Host::shared(), Mutex::new(cases.iter()));
    let (count, failed) = (Mutex::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let case = next.lock().expect("queue").next();
                    let Some((name, case)) = case else { break };
                    match case(&host) {
                        Ok(looked_at) => *count.lock().expect("count") += looked_at,
                        Err(wrong) => failed.lock().expect("list").push(format!("{name}: {wrong}")),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("list");
    println!("{} seen to hold in {} cases", count.into_inner().expect("count"), cases.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A case for each caller, with a shim and without.
fn for_each<'a>(
    name: &str,
    case: impl Fn(&Host, &str, First) -> Outcome<usize> + Clone + Send + Sync + 'a,
) -> Vec<Case<'a>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for caller in callers() {
        for first in [First::Shim, First::Program] {
            let case = case.clone();
            cases.push((format!("{name}, {caller}, {first:?}"), Box::new(move |host| case(host, caller, first))));
        }
    }
    cases
}

#[test]
fn every_cell_of_the_page_holds() {
    let mut cases = Vec::new();
    for place in cells::places() {
        let name = place.clone();
        cases.extend(for_each(&name, move |host, caller, first| cells::run(host, &place, caller, first, &[])));
    }
    // The command itself waits for the starter then.
    for place in cells::places() {
        for caller in callers() {
            let (name, place) = (format!("{place}, {caller}, --rpc-trace"), place.clone());
            let case = move |host: &Host| cells::run(host, &place, caller, First::Shim, &["--rpc-trace", "/dev/null"]);
            cases.push((name, Box::new(case)));
        }
    }
    run_all(&cases);
}

/// ^Z, `fg`, `bg`, as a shell does them: the program goes on, and gets the CONT of the whole process group just once.
#[test]
fn a_stopped_job_goes_on() {
    run_all(&for_each("job", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "foreground", caller, first, "job", &[])?;
        terminal.settle()?;
        for _ in 0..2 {
            terminal.stop("type \x1a")?;
            terminal.tell("front")?;
            terminal.expect(&["front"])?;
            terminal.exactly("group 18", &["continued", "got 18 process"])?;
        }
        for (stop, go_on) in [("type \x1a", "group 18"), ("signal 20", "group 18"), ("signal 20", "signal 18")] {
            terminal.stop(stop)?;
            terminal.exactly(go_on, &["continued", "got 18 process"])?;
            terminal.tell("front")?;
            terminal.expect(&["front"])?;
        }
        // One that was not stopped may want to know of it as well.
        for _ in 0..2 {
            terminal.exactly("signal 18", &["got 18 process"])?;
        }
        terminal.end()?;
        Ok(7)
    }));
}

/// A terminal's only process, and a script's: without a shell that could continue them.
#[test]
fn nothing_is_stopped_that_nobody_could_continue() {
    run_all(&for_each("job", |host, caller, first| {
        for (place, stop) in [("leader", "type \x1a"), ("leader", "signal 20"), ("none", "signal 20")] {
            let mut terminal = Terminal::ready(host, place, caller, first, "job", &[])?;
            terminal.settle()?;
            terminal.exactly(stop, &[])?;
            terminal.end()?;
        }
        Ok(3)
    }));
}

/// While it is stopped it does nothing, whoever is the first process.
#[test]
fn a_stopped_job_does_not_run_on() {
    run_all(&for_each("job", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "foreground", caller, first, "job", &[])?;
        terminal.settle()?;
        terminal.stop("signal 20")?;
        terminal.tell("signal 63")?;
        terminal.exactly("signal 18", &["continued", "got 18 process", "got 63 process"])?;
        terminal.end()?;
        Ok(1)
    }));
}

#[test]
fn a_background_job_that_reads_the_terminal_waits_for_it() {
    run_all(&for_each("reader", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "background", caller, first, "read", &[])?;
        terminal.expect(&["stopped 21"])?;
        // In the background still, it asks again.
        terminal.tell("group 18")?;
        // The shell may see the second stop only.
        while terminal.line()? != "stopped 21" {}
        terminal.tell("front")?;
        terminal.expect(&["front"])?;
        terminal.tell("group 18")?;
        terminal.expect(&["continued"])?;
        terminal.tell("type word")?;
        terminal.tell("enter")?;
        terminal.expect(&["read word", "exited 0"])?;
        Ok(2)
    }));
}

/// To the program it comes from its sender, and from master again, which cannot know that.
#[test]
fn a_signal_to_the_whole_job_is_not_lost() {
    run_all(&for_each("group", |host, caller, first| {
        let mut terminal = Terminal::ready(host, "foreground", caller, first, "count", &[])?;
        terminal.settle()?;
        terminal.tell("group 10")?;
        terminal.expect(&["got 10 process"])?;
        terminal.tell("signal 64")?;
        while terminal.line()? != "exited 0" {}
        Ok(1)
    }));
}
