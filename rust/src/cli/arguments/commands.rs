// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The subcommands and their options, as help, completions and man pages show them.

use std::ffi::OsString;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, Command, value_parser};

use crate::rpc::builtin::PRODUCTS;

pub(super) const RUN: &str = "run";
pub(super) const START: &str = "start";
pub(super) const LIST: &str = "list";
pub(super) const STOP: &str = "stop";
pub(super) const WAIT: &str = "wait";
pub(super) const EXEC: &str = "exec";
pub(super) const SWEEP: &str = "sweep";
pub(super) const PLAN: &str = "plan";
pub(super) const RPC: &str = "rpc";
pub(super) const SERVE: &str = "serve";
pub(super) const CALL: &str = "call";

/// The whole command, as help shows it and as completions and man pages are made from.
pub fn whole() -> Command {
    Command::new("pinion")
        .about("Starts containers through all processes of their life")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run_command())
        .subcommand(start_command())
        .subcommand(list_command())
        .subcommand(exec_command())
        .subcommand(stop_command())
        .subcommand(wait_command())
        .subcommand(sweep_command())
        .subcommand(plan_command())
        .subcommand(rpc_command())
        .subcommand(Command::new("version").about("Prints the version"))
}

pub(super) fn run_command() -> Command {
    container_options(Command::new(RUN).bin_name("pinion run").about("Runs a program in a new container"))
        .arg(
            option("record", "FILE|FD", "Writes the record of this life, JSON lines, to a file or an open descriptor")
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            option("rpc-trace", "FILE|-", "Prints each RPC call of this run to a file, or to stderr")
                .value_parser(value_parser!(OsString)),
        )
        .arg(flag("timing", "Prints when each step of the start was reached"))
}

pub(super) fn start_command() -> Command {
    let command = Command::new(START)
        .bin_name("pinion start")
        .about("Starts an instance: a container that runs on by itself and is found again by its name")
        .arg(instance_name());
    container_options(command)
        .arg(flag("json", "Prints the instance's record, for programs"))
        .arg(
            option(
                "log-size",
                "BYTES",
                "Limits each file with its output, whose older content goes to NAME.out.1 … [default: no limit]",
            )
            .value_parser(value_parser!(u64).range(1..)),
        )
        .arg(
            option("log-files", "N", "How many such files are kept for a stream, the latest among them [default: 2]")
                .value_parser(value_parser!(u32).range(1..=1000))
                .requires("log-size"),
        )
}

pub(super) fn list_command() -> Command {
    Command::new(LIST)
        .bin_name("pinion list")
        .about("Shows the caller's instances")
        .disable_version_flag(true)
        .arg(flag("json", "For programs"))
}

pub(super) fn stop_command() -> Command {
    Command::new(STOP)
        .bin_name("pinion stop")
        .about("Ends an instance, and waits until everything of it is gone")
        .disable_version_flag(true)
        .arg(instance_name())
        .arg(
            option("signal", "SIGNAL", "What asks it to end, by name or number [default: TERM]")
                .value_parser(signal_number),
        )
        .arg(
            option("timeout", "SECONDS", "How long it may take before it is killed [default: 10]")
                .value_parser(value_parser!(u32)),
        )
}

pub(super) fn wait_command() -> Command {
    Command::new(WAIT)
        .bin_name("pinion wait")
        .about("Waits for an instance's end, and ends as it did")
        .disable_version_flag(true)
        .arg(instance_name())
}

pub(super) fn exec_command() -> Command {
    Command::new(EXEC)
        .bin_name("pinion exec")
        .about("Runs a program in an instance, with the instance's user, capabilities and environment")
        .disable_version_flag(true)
        .arg(instance_name())
        .arg(option("cwd", "DIR", "Starts in this directory of the container"))
        .arg(option("env", "NAME=VALUE", "Adds to the program's environment").short('e').action(ArgAction::Append))
        .arg(preserve_fds())
        .arg(stop_timeout())
        .arg(program("The program and its arguments [default: /bin/sh]"))
}

pub(super) fn sweep_command() -> Command {
    Command::new(SWEEP)
        .bin_name("pinion sweep")
        .about("Removes what is left of the caller's instances that are gone: records and output")
        .disable_version_flag(true)
        .arg(flag("dry-run", "Only says what it would remove"))
}

fn instance_name() -> Arg {
    word("name", "NAME", "The instance's name: letters, digits and -_.")
}

/// `TERM`, `SIGTERM` or 15.
fn signal_number(text: &str) -> Result<i32, String> {
    let known = || {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name).to_owned();
        format!("SIG{name}").parse::<nix::sys::signal::Signal>().ok().map(|signal| signal as i32)
    };
    let number = text.parse::<i32>().ok().filter(|number| (1..=64).contains(number));
    number.or_else(known).ok_or_else(|| format!("there is no signal {text}"))
}

pub(super) fn plan_command() -> Command {
    container_options(Command::new(PLAN).bin_name("pinion plan").about("Shows what `run` would do, and does nothing"))
        .arg(flag("json", "For programs"))
}

pub(super) fn rpc_command() -> Command {
    let fd = option("fd", "N", "The inherited descriptor of a connected Unix stream socket")
        .value_parser(value_parser!(i32).range(0..))
        .required(true);
    Command::new(RPC)
        .bin_name("pinion rpc")
        .about("Speaks Go's net/rpc on an inherited socket")
        .disable_version_flag(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new(SERVE)
                .about("Serves the built-in methods until the peer closes, with the caller's privileges and namespaces")
                .arg(fd.clone())
                .arg(option("name", "ENGINE", "The service's name: methods are ENGINE.Method").required(true))
                .arg(
                    option("product", "NAME", "Whose methods to serve [default: singularityce]")
                        .value_parser(PossibleValuesParser::new(PRODUCTS.iter().map(|product| product.name))),
                )
                .arg(
                    option(
                        "mount-reply",
                        "FORM",
                        "How Mount answers: the error itself, or a struct [default: the product's]",
                    )
                    .value_parser(["plain", "struct"]),
                )
                .arg(
                    option("names", "FILE", "A JSON object: names of registered types here, and on the wire")
                        .value_parser(ValueParser::path_buf()),
                ),
        )
        .subcommand(
            Command::new(CALL)
                .about("Calls one method and prints its reply as JSON")
                .arg(fd)
                .arg(option("type", "TYPE", "The argument's type as Go writes it: struct { Path string; Perm uint32 }"))
                .arg(word("method", "METHOD", "ENGINE.Method"))
                .arg(word("argument", "JSON", "The argument with Go's field names; a built-in method's type is known, others are taken from the JSON")),
        )
}

fn container_options(command: Command) -> Command {
    let path = || ValueParser::path_buf();
    command
        .disable_version_flag(true)
        .after_help(
            "Without --root and --bundle, a root is made of the host's own system directories, read-only.\n\
             What comes after the program is the program's.",
        )
        .arg(option("root", "DIR", "Runs in this directory as root").value_parser(path()))
        .arg(
            option("bundle", "DIR", "Runs the OCI bundle in this directory")
                .value_parser(path())
                .conflicts_with("root"),
        )
        .arg(option("cwd", "DIR", "Starts in this directory of the container"))
        .arg(option("env", "NAME=VALUE", "Adds to the program's environment").short('e').action(ArgAction::Append))
        .arg(option("hostname", "NAME", "Names the container's host"))
        .arg(preserve_fds())
        .arg(flag("setuid", "Starts by the setuid-root starter, if one is installed: an ordinary user's container needs no user namespace"))
        .arg(flag("init", "Runs the program as the child of a small first process; always without a bundle"))
        .arg(stop_timeout())
        .arg(program("The program and its arguments [default: the bundle's, or /bin/sh]"))
}

fn stop_timeout() -> Arg {
    option("stop-timeout", "SECONDS", "Kills a program that lives so long after a SIGTERM [default: 10]")
        .value_parser(value_parser!(u32).range(..=86_400))
}

fn preserve_fds() -> Arg {
    option("preserve-fds", "N", "Hands N descriptors down to the program, from 3 on").value_parser(value_parser!(u32))
}

fn program(help: &'static str) -> Arg {
    Arg::new("program")
        .value_name("PROGRAM")
        .help(help)
        .num_args(0..)
        .trailing_var_arg(true)
        .value_parser(ValueParser::string())
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn word(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).help(help).required(true)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}
