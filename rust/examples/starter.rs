// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole starter with an engine of its own, and the Rust face of the scenarios: its configuration says what each callback
//! does, and each callback writes what it sees to a log.
#![no_main]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use nix::sys::wait::{WaitPidFlag, WaitStatus as Waited, waitpid};
use pinion::config::settings::{IdMapping, Timeouts};
use pinion::config::{Namespace, StarterConfig};
use pinion::engine::{
    CallbackResult, Context, Declaration, EngineConfig, MasterConnection, Monitor, Operations, Pid, SharedCommon,
    Signals, WaitStatus, lock,
};
use pinion::lifecycle::journal::Entry;
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::client::Client;
use pinion::rpc::service::MethodSet;
use pinion::{Error, lifecycle, log, registry};
use serde::{Deserialize, Serialize};

#[path = "starter/begin.rs"]
mod begin;
#[path = "starter/misbehave.rs"]
mod misbehave;

pinion::entry!(start);

fn start() -> i32 {
    begin::begin(register)
}

fn register() -> i32 {
    let methods = MethodSet::new().method("Exec", |_: i64| Err::<i64, _>(misbehave::execute().into()));
    // Two names of one engine, of which the second has no RPC methods of its own.
    let registered = registry::register("probe", Arc::new(Probe::default()))
        .and_then(|()| registry::register_rpc_methods("probe", methods))
        .and_then(|()| registry::register("probe-builtin", Arc::new(Probe::default())));
    match registered {
        Ok(()) => 0,
        Err(error) => {
            log::error(&error);
            lifecycle::FAILURE
        }
    }
}

/// What a scenario configures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The file to which each callback appends a line.
    log: String,
    /// Set by PrepareConfig: every later process must see it.
    prepared: bool,
    /// Callbacks that misbehave, and how (rust/examples/starter/misbehave.rs).
    fail: BTreeMap<String, String>,
    /// Whether PreStartProcess is declared; StartProcess then writes its byte.
    pre_start: bool,
    /// Whether the core monitors.
    core_monitor: bool,
    /// Namespaces to create.
    create: Vec<String>,
    /// In place of those, as CLONE_NEW* bits.
    ns_flags: Option<i32>,
    /// Namespaces to join, by path.
    join: BTreeMap<String, String>,
    /// The same in one call.
    join_spec: BTreeMap<String, String>,
    /// Join only.
    join_only: bool,
    /// The directory that becomes the working directory.
    working_directory: String,
    /// Lines of [container, host, size].
    uid_map: Vec<[u32; 3]>,
    /// As above.
    gid_map: Vec<[u32; 3]>,
    hybrid: bool,
    map_helpers: bool,
    allow_setgroups: bool,
    no_setgroups: bool,
    instance: bool,
    no_new_privs: bool,
    propagation: String,
    share_mounts: bool,
    loopback: bool,
    nvccli: bool,
    native_rpc: bool,
    target_uid: Option<i64>,
    target_gids: Vec<i64>,
    /// Set name to capabilities.
    capabilities: BTreeMap<String, Vec<String>>,
    /// Files that PrepareConfig opens and keeps; their numbers come into `kept`.
    keep: Vec<String>,
    kept: Vec<i32>,
    /// The file that PrepareConfig opens as the image.
    image: String,
    /// What PrepareConfig writes over the engine configuration's document.
    write: String,
    /// Whether PrepareConfig releases the starter configuration, and then goes on with it.
    release: bool,
    /// Directories that PrepareConfig makes on the host, after it has noted them in the journal.
    make: Vec<String>,
    /// The host name that CreateContainer sets through the RPC server, if any.
    hostname: String,
    /// The program to execute.
    exec: Vec<String>,
    /// Instead: the program that an init shim runs and waits for.
    shim: Vec<String>,
    handshake_ms: Option<u32>,
    container_ms: Option<u32>,
    /// The record of this run, in which CleanupHost looks for processes of the container and logs those that still live.
    watch: String,
}

#[derive(Default)]
struct Probe {
    config: Arc<Mutex<Config>>,
    common: OnceLock<SharedCommon>,
}

impl Probe {
    fn config(&self) -> Config {
        lock(&self.config).clone()
    }

    /// Writes the line, and fails as the scenario wants it.
    fn enter(&self, callback: &str, detail: &str) -> CallbackResult {
        let config = self.config();
        if !config.log.is_empty() {
            let line = format!("{callback} pid={} prepared={} {detail}\n", std::process::id(), config.prepared);
            begin::on_main_thread(move || {
                OpenOptions::new().append(true).create(true).open(&config.log)?.write_all(line.as_bytes())
            })?;
        }
        let how = self.config().fail.get(callback).cloned();
        how.map_or(Ok(()), |how| misbehave::misbehave(callback, &how))
    }
}

/// What the starter configuration tells, the beginning of its document last.
fn told(starter: &StarterConfig) -> String {
    let image = starter.image_fd().map_or("none".to_owned(), target);
    let document = String::from_utf8_lossy(&starter.json_config()).chars().take(20).collect::<String>();
    format!("suid={} container={} image={image} document={document}", starter.is_suid(), starter.container_pid())
}

fn mappings(lines: &[[u32; 3]]) -> Vec<IdMapping> {
    lines
        .iter()
        .map(|[container_id, host_id, size]| IdMapping { container_id: *container_id, host_id: *host_id, size: *size })
        .collect()
}

impl Operations for Probe {
    fn declaration(&self) -> CallbackResult<Declaration> {
        let config = self.config();
        let monitor = if config.core_monitor { Monitor::Core } else { Monitor::Engine };
        Ok(Declaration { pre_start_process: config.pre_start, monitor })
    }

    fn config(&self) -> CallbackResult<Arc<dyn EngineConfig>> {
        Ok(self.config.clone())
    }

    fn init_config(&self, common: SharedCommon) {
        let _ = self.common.set(common);
        if self.config().fail.contains_key("InitConfig") {
            misbehave::make_thread();
        }
    }

    fn prepare_config(&self, starter: &mut StarterConfig) -> CallbackResult {
        for directory in &self.config().make {
            starter.note(&Entry::Directory(directory.into()))?;
            std::fs::create_dir(directory)?;
        }
        self.enter("PrepareConfig", "")?;
        let config = self.config();
        let namespace = |kind: &String, path: &str| Namespace { kind: kind.clone(), path: path.to_owned() };
        let create: Vec<Namespace> = config.create.iter().map(|kind| namespace(kind, "")).collect();
        starter.set_ns_flags_from_spec(&create)?;
        if let Some(flags) = config.ns_flags {
            starter.set_ns_flags(flags)?;
        }
        for (kind, path) in &config.join {
            starter.set_ns_path(kind, path)?;
        }
        let join: Vec<Namespace> = config.join_spec.iter().map(|(kind, path)| namespace(kind, path)).collect();
        starter.set_ns_path_from_spec(&join)?;
        starter.set_namespace_join_only(config.join_only)?;
        if !config.working_directory.is_empty() {
            starter.set_working_directory_fd(std::fs::File::open(&config.working_directory)?.into_raw_fd())?;
        }
        starter.add_uid_mappings(&mappings(&config.uid_map))?;
        starter.add_gid_mappings(&mappings(&config.gid_map))?;
        starter.set_hybrid_workflow(config.hybrid)?;
        if config.map_helpers {
            starter.set_newuidmap_path()?;
            starter.set_newgidmap_path()?;
        }
        starter.set_allow_setgroups(config.allow_setgroups)?;
        starter.set_no_setgroups(config.no_setgroups)?;
        starter.set_instance(config.instance)?;
        starter.set_no_new_privs(config.no_new_privs)?;
        starter.set_master_propagate_mount(config.share_mounts)?;
        starter.set_bring_loopback_interface(config.loopback)?;
        starter.set_nvccli_caps(config.nvccli)?;
        starter.set_native_rpc(config.native_rpc)?;
        if !config.propagation.is_empty() {
            starter.set_mount_propagation(&config.propagation)?;
        }
        if let Some(uid) = config.target_uid {
            starter.set_target_uid(uid)?;
        }
        starter.set_target_gid(&config.target_gids)?;
        for (set, names) in &config.capabilities {
            starter.set_capabilities(set, names)?;
        }
        let limits = Timeouts::default();
        starter.set_timeouts(Timeouts {
            handshake_ms: config.handshake_ms.unwrap_or(limits.handshake_ms),
            container_ms: config.container_ms.unwrap_or(limits.container_ms),
            ..limits
        })?;
        let mut kept = Vec::new();
        for path in &config.keep {
            let number = std::fs::File::open(path)?.into_raw_fd();
            starter.keep_file_descriptor(number)?;
            kept.push(number);
        }
        if !config.image.is_empty() {
            starter.set_image_fd(std::fs::File::open(&config.image)?.into_raw_fd())?;
        }
        if !config.write.is_empty() {
            starter.write(&config.write)?;
        }
        self.enter("Configured", &told(starter))?;
        if config.release {
            starter.release()?;
            starter.set_no_new_privs(true)?;
        }
        let mut own = lock(&self.config);
        own.prepared = true;
        own.kept = kept;
        Ok(())
    }

    fn create_container(&self, _: &Context, container: Pid, rpc: UnixStream) -> CallbackResult {
        self.enter("CreateContainer", &format!("container={container}"))?;
        let Config { hostname, fail, .. } = self.config();
        match fail.get("CreateContainer").map(String::as_str) {
            Some("disconnect") => {
                rpc.shutdown(std::net::Shutdown::Both)?;
                loop {
                    std::thread::park();
                }
            }
            // The connection's end is all that there is to hear.
            Some("exec in the server") => {
                let _ = Client::new(rpc, "probe").call::<_, i64>("Exec", &0i64);
                return Ok(());
            }
            _ => {}
        }
        if !hostname.is_empty() {
            let mut client = Client::new(rpc, "probe");
            client.call::<_, i64>("SetHostname", &HostnameArgs { hostname: hostname.into() })?;
        }
        Ok(())
    }

    fn start_process(&self, master: &mut MasterConnection) -> CallbackResult<WaitStatus> {
        let config = self.config();
        let kept: Vec<String> = config.kept.iter().map(|number| target(*number)).collect();
        self.enter("StartProcess", &format!("kept={kept:?}"))?;
        if config.pre_start {
            let mut stream = master.stream().ok_or("the connection is closed")?;
            stream.write_all(b"p")?;
        }
        if config.shim.is_empty() {
            let (program, arguments) = config.exec.split_first().ok_or("no program")?;
            return Err(Command::new(program).args(arguments).exec().into());
        }
        shim(&config.shim, master)
    }

    fn pre_start_process(&self, _: &Context, _: Pid, _: &UnixStream) -> CallbackResult {
        self.enter("PreStartProcess", "")
    }

    fn post_start_host(&self, _: &Context) -> CallbackResult {
        self.enter("PostStartHost", "")
    }

    fn post_start_process(&self, _: &Context, container: Pid) -> CallbackResult {
        self.enter("PostStartProcess", &format!("container={container}"))
    }

    fn monitor_container(&self, container: Pid, signals: &Signals) -> CallbackResult<WaitStatus> {
        let config = self.config();
        if config.fail.contains_key("MonitorContainer") {
            // The other activity comes first, so that what a scenario sees does not hang on which thread is faster.
            await_callback(&config.log, "CreateContainer")?;
        }
        self.enter("MonitorContainer", "")?;
        let container = nix::unistd::Pid::from_raw(container);
        let how = config.fail.get("MonitorContainer").map(String::as_str);
        if how == Some("leave") {
            await_callback(&config.log, "PostStartProcess")?;
            return Ok(WaitStatus::exit(5));
        }
        loop {
            match signals.next()? {
                None => return Err("cancelled".into()),
                Some(libc::SIGTERM) if how == Some("end by SIGTERM") => return Err("interrupted by SIGTERM".into()),
                Some(libc::SIGCHLD) => {
                    if let Some(status) = reap(container)? {
                        return Ok(status);
                    }
                }
                Some(signal) => nix::sys::signal::kill(container, nix::sys::signal::Signal::try_from(signal)?)?,
            }
        }
    }

    fn cleanup_container(&self, _: &Context, fatal: Option<&Error>, status: WaitStatus) -> CallbackResult {
        let fatal = fatal.map(ToString::to_string).unwrap_or_default();
        self.enter("CleanupContainer", &format!("status=[{status}] fatal=[{fatal}]"))
    }

    fn cleanup_host(&self, _: &Context) -> CallbackResult {
        self.enter("CleanupHost", &format!("alive={:?}", alive(&self.config().watch)))
    }
}

/// Waits until a callback has begun.
fn await_callback(log: &str, name: &str) -> CallbackResult {
    while !std::fs::read_to_string(log)?.contains(name) {
        std::thread::yield_now();
    }
    Ok(())
}

fn reap(container: nix::unistd::Pid) -> CallbackResult<Option<WaitStatus>> {
    Ok(match waitpid(container, Some(WaitPidFlag::WNOHANG))? {
        Waited::Exited(_, code) => Some(WaitStatus::exit(code)),
        Waited::Signaled(_, signal, _) => Some(WaitStatus::killed(signal as i32)),
        _ => None,
    })
}

/// The processes of the container that a record names and that have not ended.
fn alive(record: &str) -> Vec<i64> {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of_container = |event: &serde_json::Value| {
        event["event"] == "process" && ["container", "rpc-server", "stage2"].iter().any(|role| event["role"] == *role)
    };
    let pids = events.filter(of_container).filter_map(|event| event["pid"].as_i64());
    let runs = |pid: &i64| {
        // One that has begun to end has no memory any more.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("VmSize:")
    };
    pids.filter(runs).collect()
}

/// Where a descriptor of this number leads.
fn target(number: i32) -> String {
    let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
    link.map_or_else(|error| error.to_string(), |link| link.to_string_lossy().into_owned())
}

/// An init shim: it stays as the container's first process under a name of its own, runs the program as its child, reaps
/// every orphan that comes to it, and ends with the program's exit code.
fn shim(program: &[String], master: &mut MasterConnection) -> CallbackResult<WaitStatus> {
    rustix::thread::set_name(c"probe-shim")?;
    master.close();
    let (name, arguments) = program.split_first().ok_or("no program")?;
    let child = Command::new(name).args(arguments).spawn()?;
    let own = i32::try_from(child.id())?;
    loop {
        match waitpid(None, None)? {
            Waited::Exited(pid, code) if pid.as_raw() == own => return Ok(WaitStatus::exit(code)),
            Waited::Signaled(pid, signal, _) if pid.as_raw() == own => return Ok(WaitStatus::killed(signal as i32)),
            _ => {}
        }
    }
}
