// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command `pinion`: from its arguments to a starter that is executed, or a plan that is printed. It never has
//! privileges.

mod arguments;
mod container;
mod instance;
mod output;
mod rpc;
mod rpc_call;
mod rpc_trace;
mod run;
mod timing;

use std::ffi::OsString;
use std::io::Write;

use crate::error::{Error, Result};
use crate::ffi::sys;
use crate::{engines, lifecycle, log};
use arguments::{Parsed, Request};

/// Runs the command with the arguments of this process; returns its exit code where nothing was executed in its place.
pub fn main() -> i32 {
    log::install_panic_hook();
    // Under a limit of file sizes a write fails, with a reason, rather than kills.
    sys::signal::ignore(libc::SIGXFSZ, true);
    if let Err(error) = log::set_level_from(log::LEVEL_VARIABLE) {
        log::warning(format_args!("{error}"));
    }
    command(std::env::args_os().collect()).unwrap_or_else(|error| {
        log::fatal(&error);
        lifecycle::FAILURE
    })
}

fn command(arguments: Vec<OsString>) -> Result<i32> {
    match arguments::parse(arguments) {
        Parsed::Usage(text) => {
            // Not through the log: this is no event of a run, and is wanted at every level.
            std::io::stderr().write_all(text.as_bytes()).map_err(|error| Error::io("write to stderr", &error))?;
            Ok(lifecycle::FAILURE)
        }
        Parsed::Text(text) => print(&text),
        Parsed::Request(Request::Run(asked)) => run::run(asked),
        Parsed::Request(Request::Start(asked)) => instance::start(asked),
        Parsed::Request(Request::List(asked)) => print(&instance::list(&asked)?),
        Parsed::Request(Request::Stop(asked)) => instance::stop(&asked),
        Parsed::Request(Request::Wait(name)) => instance::wait(&name),
        Parsed::Request(Request::Exec(asked)) => instance::exec(&asked),
        Parsed::Request(Request::Sweep(asked)) => print(&instance::sweep(&asked)?),
        Parsed::Request(Request::Serve(asked)) => rpc::serve(asked),
        Parsed::Request(Request::Call(asked)) => rpc_call::call(&asked),
        Parsed::Request(Request::Plan(asked)) => {
            engines::oci::register()?;
            print(&lifecycle::explain::explain(
                &container::document(&asked.container)?,
                asked.container.setuid,
                asked.json,
            )?)
        }
    }
}

fn print(text: &str) -> Result<i32> {
    let mut out = std::io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Error::io("write to stdout", &error))?;
    Ok(0)
}
