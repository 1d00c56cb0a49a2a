// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The arguments of the command. Only the subcommand that is asked for is built, since each start of a container pays
//! for it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::rpc::builtin::PRODUCTS;
use clap::builder::{PossibleValuesParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

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

const RUN: &str = "run";
const PLAN: &str = "plan";
const RPC: &str = "rpc";
const SERVE: &str = "serve";
const CALL: &str = "call";

/// Reads the arguments, the first being the program's own name.
pub fn parse(arguments: Vec<OsString>) -> Parsed {
    let word = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    match word {
        RUN => parse_as(run_command(), arguments, |matches| Request::Run(run(matches))),
        PLAN => parse_as(plan_command(), arguments, |matches| Request::Plan(plan(matches))),
        RPC => parse_as(rpc_command(), arguments, rpc),
        "version" => Parsed::Text(whole().render_version()),
        "help" => help(arguments.get(2)),
        // Everything else is help, version, or wrong.
        _ => match whole().try_get_matches_from(arguments) {
            Ok(_) => Parsed::Usage(whole().render_usage().to_string() + "\n"),
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

fn help(about: Option<&OsString>) -> Parsed {
    let mut command = match about.and_then(|word| word.to_str()) {
        None => whole(),
        Some(RUN) => run_command(),
        Some(PLAN) => plan_command(),
        Some(RPC) => rpc_command(),
        Some(word) => return Parsed::Usage(format!("error: unrecognized subcommand '{word}'\n")),
    };
    Parsed::Text(command.render_help().to_string())
}

/// The whole command, as help shows it and as completions and man pages are made from.
pub fn whole() -> Command {
    Command::new("pinion")
        .about("Starts containers through all processes of their life")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run_command())
        .subcommand(plan_command())
        .subcommand(rpc_command())
        .subcommand(Command::new("version").about("Prints the version"))
}

fn run_command() -> Command {
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

fn plan_command() -> Command {
    container_options(Command::new(PLAN).bin_name("pinion plan").about("Shows what `run` would do, and does nothing"))
        .arg(flag("json", "For programs"))
}

fn rpc_command() -> Command {
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
        .arg(
            option("preserve-fds", "N", "Hands N descriptors down to the program, from 3 on")
                .value_parser(value_parser!(u32)),
        )
        .arg(flag("setuid", "Starts by the setuid-root starter, if one is installed: an ordinary user's container needs no user namespace"))
        .arg(flag("init", "Runs the program as the child of a small first process; always without a bundle"))
        .arg(
            Arg::new("program")
                .value_name("PROGRAM")
                .help("The program and its arguments [default: the bundle's, or /bin/sh]")
                .num_args(0..)
                .trailing_var_arg(true)
                .value_parser(ValueParser::string()),
        )
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

fn run(matches: &mut ArgMatches) -> Run {
    let (record, rpc_trace) = (matches.remove_one("record"), matches.remove_one("rpc-trace"));
    let timing = matches.get_flag("timing");
    Run { container: container(matches), record, rpc_trace, timing }
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
        args: matches.remove_many("program").map(Iterator::collect).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
