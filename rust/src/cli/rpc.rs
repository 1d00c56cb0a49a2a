// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion rpc`: the RPC server alone, for Go programs and tests to be pointed at.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{FileType, fstat};

use super::arguments;
use crate::error::{Error, Result, Tried};
use crate::ffi::sys::{inherited, signal};
use crate::gob::Limits;
use crate::rpc::builtin::{self, MountReply, Options};
use crate::rpc::{MethodSet, Service, serve as answer};

/// Serves the built-in methods until the peer closes the connection.
pub fn serve(asked: arguments::Serve) -> Result<i32> {
    // A launcher that ignores it would make the programs that methods run vanish before their end is looked at.
    signal::ignore(libc::SIGCHLD, false);
    let connection = connection(asked.fd)?;
    let product = builtin::PRODUCTS.iter().find(|product| Some(product.name) == asked.product.as_deref());
    let mut options = product.map_or_else(Options::default, |product| Options::of(product));
    match asked.mount_reply.as_deref() {
        Some("plain") => options.mount_reply = MountReply::Plain,
        Some(_) => options.mount_reply = MountReply::Struct,
        None => {}
    }
    if let Some(file) = asked.names {
        options.names = names(&file)?;
    }
    let service = Service::new(&asked.name, MethodSet::new(), builtin::methods(&options)?);
    answer(connection, &service, &Limits::default())?;
    Ok(0)
}

pub fn connection(fd: i32) -> Result<UnixStream> {
    let during = |error: Error| error.during(format!("--fd {fd}"));
    let fd = inherited::adopt(fd).map_err(during)?;
    let kind = fstat(&fd).tried(|| "look at the descriptor").map_err(during)?.st_mode;
    if FileType::from_raw_mode(kind) != FileType::Socket {
        let error = Error::invalid("no socket").with_help("hand down one end of a Unix stream socket pair");
        return Err(during(error));
    }
    Ok(fd.into())
}

fn names(file: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read(file).tried(|| format!("--names: read {file:?}"))?;
    let names: BTreeMap<String, String> = serde_json::from_slice(&text).map_err(|error| {
        Error::invalid(format!("--names: {file:?}: {error}")).with_help("{\"*rpc.fileInfo\": \"*other.fileInfo\"}")
    })?;
    Ok(names.into_iter().collect())
}
