// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exit codes, and deaths by signals.

use crate::host::{First, Host, callers};
use crate::terminal::{Outcome, Terminal};
use crate::{Case, all, run_all};

/// What does not end a process by its default action.
const HARMLESS: [i32; 8] = [
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGURG,
    libc::SIGWINCH,
];

/// A container's end, and what its caller is told.
fn end(host: &Host, caller: &str, first: First, receiver: &[&str], told: &str) -> Outcome {
    let mut terminal = Terminal::start(host, "none", caller, &host.command(caller, first, &[], receiver));
    terminal.line()?;
    terminal.expect(&[told])
}

fn for_each(ends: &[(Vec<String>, String)], firsts: &[First]) {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for caller in callers() {
        for first in firsts {
            for (receiver, told) in ends {
                let case = move |host: &Host| {
                    let words: Vec<&str> = receiver.iter().map(String::as_str).collect();
                    end(host, caller, *first, &words, told).map(|()| 1)
                };
                cases.push((format!("{receiver:?}, {caller}, {first:?}"), Box::new(case)));
            }
        }
    }
    run_all(&cases);
}

#[test]
fn exit_codes_are_the_programs() {
    let codes = (0..=255).filter(|code| all() || [0, 1, 2, 127, 128, 137, 254, 255].contains(code));
    let ends: Vec<_> =
        codes.map(|code| (vec!["exit".to_owned(), code.to_string()], format!("exited {code}"))).collect();
    for_each(&ends, &[First::Shim, First::Program]);
}

#[test]
fn deaths_by_signals_are_the_programs() {
    let some = [1, 2, 6, 9, 11, 13, 15, 32, 33, 34, 64];
    let numbers = (1..=64).filter(|number| !HARMLESS.contains(number) && (all() || some.contains(number)));
    let ends: Vec<_> =
        numbers.map(|number| (vec!["die".to_owned(), number.to_string()], format!("killed {number}"))).collect();
    for_each(&ends, &[First::Shim, First::ProgramOutside]);
}

/// As a shell with job control does it.
#[test]
fn a_program_that_left_the_process_group_is_waited_for() {
    for_each(&[(vec!["apart".to_owned(), "5".to_owned()], "exited 5".to_owned())], &[First::Shim]);
}

/// A first process has no default actions, but for what the kernel does to it.
#[test]
fn a_first_process_dies_by_a_fault_and_not_by_itself() {
    let ends = [
        (vec!["fault".to_owned()], "killed 11".to_owned()),
        (vec!["die".to_owned(), "9".to_owned()], "exited 99".to_owned()),
        (vec!["die".to_owned(), "15".to_owned()], "exited 99".to_owned()),
    ];
    for_each(&ends, &[First::Program]);
}
