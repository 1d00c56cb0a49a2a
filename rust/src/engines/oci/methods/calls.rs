// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Master's side: actions as calls, sent together and answered one after the other.

use std::os::unix::net::UnixStream;

use serde::Serialize;

use super::served::{self, ActionArgs, ActionReply};
use crate::engines::oci::NAME;
use crate::engines::oci::actions::Action;
use crate::error::{Error, Result};
use crate::rpc::builtin::chdir::ChdirArgs;
use crate::rpc::builtin::chroot::ChrootArgs;
use crate::rpc::builtin::hostname::HostnameArgs;
use crate::rpc::builtin::mount::{MountArgs, MountErrorReply};
use crate::rpc::client::Client;

/// The calls of one container.
pub struct Calls {
    client: Client,
    sent: Vec<(u64, Action)>,
}

impl Calls {
    /// Over a connection to the RPC server.
    pub fn new(rpc: UnixStream) -> Self {
        Calls { client: Client::new(rpc, NAME), sent: Vec::new() }
    }

    /// Prepares one call.
    pub fn send(&mut self, action: Action) -> Result<()> {
        let client = &mut self.client;
        let seq = match &action {
            Action::OpenRoot(request) => own(client, served::OPEN_ROOT, request),
            Action::Mount(request) => own(client, served::MOUNTS, request),
            Action::Furnish(request) => own(client, served::FURNISH, request),
            Action::Cover(request) => own(client, served::COVER, request),
            Action::Enter(request) => own(client, served::ENTER, request),
            Action::SetDomainname(request) => own(client, served::SET_DOMAINNAME, request),
            Action::Pivot => client.send("Chroot", &ChrootArgs { root: ".".into(), method: "pivot".into() }),
            Action::Propagate(flags) => {
                let target = MountArgs { root: "/".into(), target: "/".into(), flags: *flags, ..Default::default() };
                client.send("Mount", &target)
            }
            Action::SetHostname(name) => client.send("SetHostname", &HostnameArgs { hostname: name.as_str().into() }),
            Action::Chdir(path) => client.send("Chdir", &ChdirArgs { dir: path.as_str().into() }),
        }?;
        self.sent.push((seq, action));
        Ok(())
    }

    /// Sends what was prepared.
    pub fn flush(&mut self) -> Result<()> {
        self.client.flush()
    }

    /// Reads all answers. The first failed action is the error: those after it fail because of it.
    pub fn receive_all(mut self) -> Result<()> {
        for (seq, action) in std::mem::take(&mut self.sent) {
            self.receive(seq, &action)?;
        }
        Ok(())
    }

    fn receive(&mut self, seq: u64, action: &Action) -> Result<()> {
        match action {
            Action::Propagate(_) => {
                let reply = self.client.receive(seq).and_then(MountErrorReply::into_result);
                reply.map_err(|error| error.during(action))
            }
            Action::Pivot | Action::SetHostname(_) | Action::Chdir(_) => {
                self.client.receive::<i64>(seq).map(drop).map_err(|error| error.during(action))
            }
            // These name what they do by themselves.
            _ => {
                let reply = self.client.receive::<ActionReply>(seq).map_err(|error| error.during(action))?;
                reply.into_result()
            }
        }
    }
}

fn own<A: Serialize>(client: &mut Client, method: &str, request: &A) -> Result<u64> {
    let json = serde_json::to_string(request)
        .map_err(|error| Error::invalid(format!("write the arguments of {method}: {error}")))?;
    client.send(method, &ActionArgs { json })
}
