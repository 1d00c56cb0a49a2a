// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RPC server · child of: container process, whose root and working directory it shares (CLONE_FS) · namespaces: the
//! container's · privileges: those of its user namespace, or root's · dies with: SIGKILL from parent death, armed before its
//! role · ends: 0 when its connection ends · tells: the container process that it is through · does: what master's engine asks
//! for.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::config::settings::NamespaceKind;
use crate::engine::WaitStatus;
use crate::engine::contract::holdings::DeathSignal;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys::event;
use crate::gob::{Limits, Raw};
use crate::lifecycle::child::{self, Child, Forked, Silence, not_cloned};
use crate::lifecycle::cleanup_host::Held;
use crate::lifecycle::ending::{end, fail};
use crate::lifecycle::messages::{Channel, FromContainer, FromServer, Received, ToContainer, channel};
use crate::lifecycle::pending::{Pending, Work};
use crate::lifecycle::roles::{Role, Step};
use crate::plan::{Flow, Plan};
use crate::privileges::setuid;
use crate::rpc::builtin::{self, Product};
use crate::rpc::server::{Call, Observer};
use crate::rpc::service::{MethodSet, Service};
use crate::{policy, registry, rpc, trace};

/// The two ends of what the server says to its parent.
type Line = Channel<FromServer, FromServer>;

/// The container process's side.
pub struct Served {
    process: Child,
    line: Line,
}

/// Which side of [`fork`] this is.
pub enum Side {
    /// The new process, with its end of the line.
    Child(Line),
    /// The container process.
    Parent(Served),
}

/// Step 15, in the container process: makes the RPC server.
pub fn fork() -> Result<Side> {
    trace::step(Step::RpcServer);
    let (ours, theirs) = channel()?;
    let forked = child::fork(Role::RpcServer, libc::CLONE_FS as u64);
    match forked.map_err(|errno| not_cloned(Role::RpcServer, &[], errno))? {
        Forked::Child => Ok(Side::Child(theirs)),
        Forked::Parent(process) => Ok(Side::Parent(Served { process, line: ours })),
    }
}

impl Served {
    /// Waits for the server's end, and for master's word that CreateContainer succeeded, since the connection ends as well when
    /// that failed or when master died. Only exit code 0 after the server's word goes on: a method may have executed a program,
    /// whose exit code says nothing. The wait has no limit, since CreateContainer may take any time: it ends with master or
    /// with the server.
    pub fn wait(mut self, control: &Channel<FromContainer, ToContainer>) -> Result<()> {
        if !self.has_served()? {
            return Err(self.silent_end()?);
        }
        match self.process.wait()? {
            status if status == WaitStatus::exit(0) => match control.receive()? {
                Received::Message(ToContainer::Created, _) => Ok(()),
                Received::Closed => Err(Error::new(ErrorKind::PeerDied, "prepare the container: master is gone")),
            },
            status => Err(ended(&format!("ended with {status}"))),
        }
    }

    fn has_served(&self) -> Result<bool> {
        // Its end counts too: a process that a method left behind may hold the line open.
        let ready = event::wait_readable(&[self.line.as_fd(), self.process.as_fd()], None)?;
        if !ready[0] && !event::is_readable(&self.line) {
            return Ok(false);
        }
        Ok(matches!(self.line.receive()?, Received::Message(FromServer::Served, _)))
    }

    fn silent_end(&mut self) -> Result<Error> {
        let silence = self.process.silenced()?;
        let status = self.process.wait()?;
        Ok(match silence {
            Silence::Executed => ended("executed another program in one of its methods"),
            Silence::Lives => ended("closed its connections in one of its methods"),
            Silence::Ended if status == WaitStatus::exit(0) => ended("was ended by one of its methods"),
            Silence::Ended => ended(&format!("ended with {status}")),
        })
    }
}

fn ended(how: &str) -> Error {
    Error::new(ErrorKind::PeerDied, format!("prepare the container: the RPC server {how}"))
}

/// The process before its role.
pub struct RpcServer {
    /// Whose methods it serves.
    pub engine_name: String,
    /// The built-in methods, where they are all that is served: then the program's own runtime is not needed.
    pub native: Option<builtin::Options>,
    /// Its end of the RPC connection.
    pub connection: UnixStream,
    /// Its end of the line to the container process.
    pub line: Line,
    /// The container process's end of the core's own channel.
    pub control: Channel<FromContainer, ToContainer>,
    /// The clean-up processes, which do not take master for dead as long as this process holds them.
    pub cleanup: Option<Held>,
}

impl RpcServer {
    /// Step 15, in the new process.
    pub fn enter(mut self, plan: &Plan) -> Pending {
        let lowered = match plan.flow {
            Flow::Setuid => {
                // In a user namespace, the hybrid flow's too, the kernel judges what may be mounted.
                policy::serve(NamespaceKind::ALL.into_iter().filter(|kind| plan.creates(*kind)).collect());
                setuid::become_server(plan.nvidia_capabilities, plan.facts.known_capabilities)
            }
            Flow::SetuidHybrid => setuid::become_server(plan.nvidia_capabilities, plan.facts.known_capabilities),
            _ => Ok(()),
        };
        // Should the container process have died before this was armed, then because master did, and the connection ends.
        if let Err(error) = lowered.and_then(|()| child::arm_death_signal(DeathSignal::of(Role::RpcServer))) {
            fail(&self.control, &error.during("serve RPC requests"));
        }
        trace::step(Step::RpcServer);
        match self.native.take() {
            Some(options) => {
                let service = builtin::methods(&options)
                    .map(|methods| Service::new(&self.engine_name, MethodSet::new(), methods));
                self.serve(service, options.product)
            }
            None => Pending::from(self),
        }
    }

    /// Serves, tells the container process and ends.
    fn serve(self, service: Result<Service>, product: &'static Product) -> ! {
        match service.and_then(|service| serve(&service, product, self.connection)) {
            Ok(()) => {
                // A container process that is gone does not ask any more.
                let _ = self.line.send(&FromServer::Served, &[]);
                end(0)
            }
            Err(error) => fail(&self.control, &error.during("serve RPC requests")),
        }
    }
}

impl Work for RpcServer {
    fn role(&self) -> Role {
        Role::RpcServer
    }

    /// The rest of its life.
    fn run(self: Box<Self>) -> ! {
        let service = registry::service(&self.engine_name);
        let product = registry::builtin_methods(&self.engine_name).product;
        (*self).serve(service, product)
    }
}

fn serve(service: &Service, product: &'static Product, connection: UnixStream) -> Result<()> {
    let mut recorder = Recorder(product);
    let observer: Option<&mut dyn Observer> = if trace::is_on() { Some(&mut recorder) } else { None };
    rpc::server::serve_observed(connection, service, &Limits::default(), observer)
}

/// Writes each call into the record.
struct Recorder(&'static Product);

/// An argument or reply that is longer than this as JSON is shown by its length: a line has to fit into one packet.
const SHOWN: usize = 32 << 10;

/// An argument or reply as JSON, without what nobody may see.
fn shown(value: &Raw<'_>, secrets: &[&str]) -> Value {
    let mut json = value.json().unwrap_or_else(|error| Value::String(error.to_string()));
    for secret in secrets {
        if let Some(hidden) = json.get_mut(*secret) {
            *hidden = "hidden".into();
        }
    }
    match json.to_string().len() {
        ..=SHOWN => json,
        length => format!("{length} bytes of JSON").into(),
    }
}

impl Observer for Recorder {
    fn called(&mut self, call: &Call<'_>) {
        trace::event("rpc", || {
            let duration = u64::try_from(call.duration.as_nanos()).unwrap_or(u64::MAX);
            let (reply, error) = match &call.outcome {
                Ok(reply) => (Some(shown(reply, &[])), None),
                Err(error) => (None, Some(error)),
            };
            let args = call.args.as_ref().map(|args| shown(args, self.0.secrets(call.service_method)));
            let (method, ok) = (call.service_method, error.is_none());
            json!({ "method": method, "args": args, "reply": reply, "ok": ok, "error": error, "duration": duration })
        });
    }
}
