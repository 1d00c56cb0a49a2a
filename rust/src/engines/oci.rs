// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bundled engine: a container from an OCI bundle, from a root directory, or from nothing but the host's own system
//! directories.
//!
//! Stage 1 reads what is asked for ([`config`]), refuses what is not done here by its name ([`spec`]), and
//! [decides](decisions) everything: what the starter is told, and a list of [`actions`]. Master sends these to the RPC
//! server, all at once; most of them are [methods] of this engine's own, which work on a root whose content nobody
//! trusts ([`in_root`]). Stage 2 becomes the [program](process).

pub mod actions;
pub mod config;
pub mod decisions;
pub mod default_root;
pub mod identity;
pub mod in_root;
mod init;
pub mod instance;
pub mod methods;
pub mod options;
pub mod process;
pub mod spec;

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use nix::sys::wait::{WaitPidFlag, WaitStatus as Waited, waitpid};

use crate::config::{Namespace, NamespaceKind, StarterConfig};
use crate::engine::{
    CallbackResult, Context, Declaration, EngineConfig, MasterConnection, Monitor, Operations, Pid, SharedCommon,
    Signals, WaitStatus, lock,
};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::registry;
use config::{OciConfig, Prepared};
use decisions::Decisions;
use identity::{Caller, Maps};
use instance::Instance;

/// The engine's name in the registry.
pub const NAME: &str = "oci";

/// Makes the engine and its RPC methods known.
pub fn register() -> Result<()> {
    registry::register(NAME, Arc::new(OciEngine::default()))?;
    registry::register_rpc_methods(NAME, methods::served::set())
}

/// The engine.
#[derive(Default)]
pub struct OciEngine {
    config: Arc<Mutex<OciConfig>>,
    /// In master: what an instance's record is to say once the container runs.
    running: Mutex<Option<Vec<u8>>>,
}

impl OciEngine {
    fn prepared<T>(&self, pick: impl FnOnce(&Prepared) -> T) -> Result<T> {
        lock(&self.config).prepared().map(pick)
    }
}

impl Operations for OciEngine {
    fn declaration(&self) -> CallbackResult<Declaration> {
        Ok(Declaration { pre_start_process: false, monitor: Monitor::Core })
    }

    fn config(&self) -> CallbackResult<Arc<dyn EngineConfig>> {
        Ok(self.config.clone())
    }

    fn init_config(&self, _: SharedCommon) {}

    fn prepare_config(&self, starter: &mut StarterConfig) -> CallbackResult {
        let mut config = lock(&self.config);
        let (decisions, prepared) = match &config.target {
            Some(target) => {
                starter.set_namespace_join_only(true)?;
                starter.set_working_directory_fd(target.container.open_directory()?)?;
                decisions::decide_join(&config, target)?
            }
            None => decisions::decide(&config, Caller::of_this_process(starter.is_suid()))?,
        };
        starter.set_instance(prepared.started.is_some())?;
        if let Some(seconds) = config.stop_timeout {
            starter.set_timeouts(starter.settings().timeouts.with_stop(seconds))?;
        }
        // The later processes read nothing but this: the smaller, the sooner each of them has parsed it.
        *config = OciConfig { prepared: Some(prepared), ..Default::default() };
        Ok(tell(starter, &decisions)?)
    }

    fn create_container(&self, _: &Context, container: Pid, rpc: UnixStream) -> CallbackResult {
        let prepared = self.prepared(Prepared::clone)?;
        let mut calls = methods::calls::Calls::new(rpc);
        for action in prepared.actions {
            calls.send(action)?;
        }
        calls.flush()?;
        // While the server works. These are limits of the container's process, which waits for it.
        if !prepared.own_limits {
            prepared.process.set_limits(container)?;
        }
        if let Some(started) = &prepared.started {
            *lock(&self.running) = Some(started.running(container)?);
        }
        Ok(calls.receive_all()?)
    }

    fn start_process(&self, master: &mut MasterConnection) -> CallbackResult<WaitStatus> {
        let Prepared { process, started, hidden, own_limits, cwd, .. } = self.prepared(Prepared::clone)?;
        if let Some(started) = started {
            started.enter()?;
        }
        if own_limits {
            process.set_own_limits()?;
        }
        if let Some(cwd) = cwd {
            std::env::set_current_dir(&cwd).tried(|| format!("change to the working directory {cwd:?}"))?;
        }
        if process.init {
            return Ok(init::run(&process, hidden, master)?);
        }
        match process.execute()? {}
    }

    fn post_start_process(&self, _: &Context, _: Pid) -> CallbackResult {
        let Some(text) = lock(&self.running).take() else { return Ok(()) };
        Ok(self.prepared(|prepared| prepared.started.as_ref().map_or(Ok(()), |started| started.runs(&text)))??)
    }

    fn cleanup_container(&self, _: &Context, _: Option<&Error>, status: WaitStatus) -> CallbackResult {
        Ok(self.prepared(|prepared| prepared.started.clone())?.map_or(Ok(()), |started| started.ended(status))?)
    }

    fn cleanup_host(&self, _: &Context) -> CallbackResult {
        Ok(lock(&self.config).instance.as_ref().map_or(Ok(()), Instance::forget)?)
    }

    fn monitor_container(&self, container: Pid, signals: &Signals) -> CallbackResult<WaitStatus> {
        let container = nix::unistd::Pid::from_raw(container);
        loop {
            match signals.next()? {
                None => return Err(Error::new(ErrorKind::Callback, "wait for the container: cancelled").into()),
                Some(libc::SIGCHLD) => match waitpid(container, Some(WaitPidFlag::WNOHANG))? {
                    Waited::Exited(_, code) => return Ok(WaitStatus::exit(code)),
                    Waited::Signaled(_, signal, _) => return Ok(WaitStatus::killed(signal as i32)),
                    _ => {}
                },
                Some(signal) => nix::sys::signal::kill(container, nix::sys::signal::Signal::try_from(signal)?)?,
            }
        }
    }
}

fn tell(starter: &mut StarterConfig, decisions: &Decisions) -> Result<()> {
    let created = decisions.create.iter().map(|kind| Namespace { kind: word(*kind).into(), path: String::new() });
    starter.set_ns_flags_from_spec(&created.collect::<Vec<_>>())?;
    for (kind, path) in &decisions.join {
        starter.set_ns_path(word(*kind), path)?;
    }
    starter.set_bring_loopback_interface(decisions.create.contains(&NamespaceKind::Network))?;
    if decisions.join.iter().all(|(kind, _)| *kind != NamespaceKind::Mount) {
        starter.set_mount_propagation(decisions.propagation)?;
    }
    starter.set_no_new_privs(decisions.no_new_privs)?;
    for (set, names) in &decisions.capabilities {
        starter.set_capabilities(set, names)?;
    }
    let identity = &decisions.identity;
    starter.add_uid_mappings(&identity.uid_mappings)?;
    starter.add_gid_mappings(&identity.gid_mappings)?;
    let creates_user = decisions.create.contains(&NamespaceKind::User);
    starter.set_hybrid_workflow(
        creates_user && matches!(identity.maps, Maps::Helpers | Maps::Root | Maps::OwnIdsBySetuid),
    )?;
    starter.set_allow_setgroups(matches!(identity.maps, Maps::Helpers | Maps::Root))?;
    starter.set_no_setgroups(matches!(identity.maps, Maps::OwnIds | Maps::OwnIdsBySetuid))?;
    if creates_user && identity.maps == Maps::Helpers {
        starter.set_newuidmap_path()?;
        starter.set_newgidmap_path()?;
    }
    starter.set_target_uid(identity.uid.into())?;
    starter.set_target_gid(&identity.gids.iter().map(|gid| i64::from(*gid)).collect::<Vec<_>>())
}

/// The kind's name in the specification.
fn word(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::User => "user",
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "network",
        NamespaceKind::Uts => "uts",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Mount => "mount",
    }
}
