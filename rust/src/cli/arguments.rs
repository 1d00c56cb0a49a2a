// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The arguments of the command. Only the subcommand that is asked for is built, since each start of a container pays
//! for it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

use super::output::Limits;

mod commands;

pub use commands::whole;
use commands::*;

/// What the arguments come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Something to do.
    Request(Request),
    /// Help or version, for stdout.
    Text(String),
    /// What is wrong with them, for stderr.
    Usage(String),
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Start a container.
    Run(Run),
    /// Start an instance.
    Start(Start),
    /// Show the instances.
    List(List),
    /// End an instance.
    Stop(Stop),
    /// Wait for an instance's end.
    Wait(String),
    /// Run a program in an instance.
    Exec(Exec),
    /// Remove what is left of instances that are gone.
    Sweep(Sweep),
    /// Show what would be done.
    Plan(Plan),
    /// Serve the built-in RPC methods.
    Serve(Serve),
    /// Make one RPC call.
    Call(Call),
}

/// A container, as the options describe it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// `--root`
    pub root: Option<PathBuf>,
    /// `--bundle`
    pub bundle: Option<PathBuf>,
    /// `--cwd`
    pub cwd: Option<String>,
    /// `--env`
    pub env: Vec<String>,
    /// `--hostname`
    pub hostname: Option<String>,
    /// `--preserve-fds`
    pub preserve_fds: u32,
    /// `--init`
    pub init: bool,
    /// `--setuid`
    pub setuid: bool,
    /// `--stop-timeout`
    pub stop_timeout: Option<u32>,
    /// Program and arguments.
    pub args: Vec<String>,
}

/// `pinion run`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The container.
    pub container: Container,
    /// `--record`
    pub record: Option<OsString>,
    /// `--rpc-trace`
    pub rpc_trace: Option<OsString>,
    /// `--timing`
    pub timing: bool,
}

/// `pinion start`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// `NAME`
    pub name: String,
    /// The container.
    pub container: Container,
    /// `--json`
    pub json: bool,
    /// `--log-size` and `--log-files`
    pub log: Option<Limits>,
}

/// `pinion list`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct List {
    /// `--json`
    pub json: bool,
}

/// `pinion stop`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// `NAME`
    pub name: String,
    /// `--signal`
    pub signal: i32,
    /// `--timeout`, in seconds
    pub timeout: u32,
}

/// `pinion exec`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// `NAME`
    pub name: String,
    /// `--cwd`
    pub cwd: Option<String>,
    /// `--env`
    pub env: Vec<String>,
    /// `--preserve-fds`
    pub preserve_fds: u32,
    /// `--stop-timeout`
    pub stop_timeout: Option<u32>,
    /// Program and arguments.
    pub args: Vec<String>,
}

/// `pinion sweep`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// `--dry-run`
    pub dry_run: bool,
}

/// `pinion plan`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The container.
    pub container: Container,
    /// `--json`
    pub json: bool,
}

/// `pinion rpc serve`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Serve {
    /// `--fd`
    pub fd: i32,
    /// `--name`
    pub name: String,
    /// `--product`
    pub product: Option<String>,
    /// `--mount-reply`
    pub mount_reply: Option<String>,
    /// `--names`
    pub names: Option<PathBuf>,
}

/// `pinion rpc call`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// `--fd`
    pub fd: i32,
    /// `--type`
    pub notation: Option<String>,
    /// `NAME.Method`
    pub method: String,
    /// The argument as JSON.
    pub argument: String,
}

/// Reads the arguments, the first being the program's own name.
pub fn parse(arguments: Vec<OsString>) -> Parsed {
    let word = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    match word {
        RUN => parse_as(run_command(), arguments, |matches| Request::Run(run(matches))),
        START => parse_as(start_command(), arguments, |matches| Request::Start(start(matches))),
        LIST => parse_as(list_command(), arguments, |matches| Request::List(List { json: matches.get_flag("json") })),
        STOP => parse_as(stop_command(), arguments, |matches| Request::Stop(stop(matches))),
        WAIT => parse_as(wait_command(), arguments, |matches| Request::Wait(name(matches))),
        EXEC => parse_as(exec_command(), arguments, |matches| Request::Exec(exec(matches))),
        SWEEP => parse_as(sweep_command(), arguments, |matches| {
            Request::Sweep(Sweep { dry_run: matches.get_flag("dry-run") })
        }),
        PLAN => parse_as(plan_command(), arguments, |matches| Request::Plan(plan(matches))),
        RPC => parse_as(rpc_command(), arguments, rpc),
        // clap takes what comes after `help` for a command's name.
        "help" if arguments.get(2).is_some_and(|word| word == "-h" || word == "--help") => {
            parse(["pinion", "help", "help"].map(OsString::from).to_vec())
        }
        // Everything else is version, help, or wrong.
        _ => match whole().try_get_matches_from(arguments) {
            Ok(_) => Parsed::Text(whole().render_version()),
            Err(error) => from_clap(&error),
        },
    }
}

fn parse_as(command: Command, mut arguments: Vec<OsString>, request: fn(&mut ArgMatches) -> Request) -> Parsed {
    arguments.remove(0);
    match command.try_get_matches_from(arguments) {
        Ok(mut matches) => Parsed::Request(request(&mut matches)),
        Err(error) => from_clap(&error),
    }
}

fn from_clap(error: &clap::Error) -> Parsed {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Text(text),
        _ => Parsed::Usage(text),
    }
}

fn run(matches: &mut ArgMatches) -> Run {
    let (record, rpc_trace) = (matches.remove_one("record"), matches.remove_one("rpc-trace"));
    let timing = matches.get_flag("timing");
    Run { container: container(matches), record, rpc_trace, timing }
}

fn name(matches: &mut ArgMatches) -> String {
    // It is required.
    matches.remove_one("name").unwrap_or_default()
}

fn start(matches: &mut ArgMatches) -> Start {
    let json = matches.get_flag("json");
    let files = matches.remove_one("log-files").unwrap_or(2);
    let log = matches.remove_one("log-size").map(|size| Limits { size, files });
    Start { name: name(matches), container: container(matches), json, log }
}

fn stop(matches: &mut ArgMatches) -> Stop {
    let signal = matches.remove_one("signal").unwrap_or(libc::SIGTERM);
    Stop { name: name(matches), signal, timeout: matches.remove_one("timeout").unwrap_or(10) }
}

fn exec(matches: &mut ArgMatches) -> Exec {
    Exec {
        name: name(matches),
        cwd: matches.remove_one("cwd"),
        env: matches.remove_many("env").map(Iterator::collect).unwrap_or_default(),
        preserve_fds: matches.remove_one("preserve-fds").unwrap_or_default(),
        stop_timeout: matches.remove_one("stop-timeout"),
        args: matches.remove_many("program").map(Iterator::collect).unwrap_or_default(),
    }
}

fn plan(matches: &mut ArgMatches) -> Plan {
    let json = matches.get_flag("json");
    Plan { container: container(matches), json }
}

fn rpc(matches: &mut ArgMatches) -> Request {
    // One is required.
    let (word, mut matches) = matches.remove_subcommand().unwrap_or_default();
    let fd = matches.remove_one("fd").unwrap_or_default();
    if word == CALL {
        let notation = matches.remove_one("type");
        let mut word = |name| matches.remove_one(name).unwrap_or_default();
        return Request::Call(Call { fd, notation, method: word("method"), argument: word("argument") });
    }
    Request::Serve(Serve {
        fd,
        name: matches.remove_one("name").unwrap_or_default(),
        product: matches.remove_one("product"),
        mount_reply: matches.remove_one("mount-reply"),
        names: matches.remove_one("names"),
    })
}

fn container(matches: &mut ArgMatches) -> Container {
    Container {
        root: matches.remove_one("root"),
        bundle: matches.remove_one("bundle"),
        cwd: matches.remove_one("cwd"),
        env: matches.remove_many("env").map(Iterator::collect).unwrap_or_default(),
        hostname: matches.remove_one("hostname"),
        preserve_fds: matches.remove_one("preserve-fds").unwrap_or_default(),
        init: matches.get_flag("init"),
        setuid: matches.get_flag("setuid"),
        stop_timeout: matches.remove_one("stop-timeout"),
        args: matches.remove_many("program").map(Iterator::collect).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
