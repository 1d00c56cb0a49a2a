// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stage 1: from what a caller asks for to what the starter is told and what is left to do. Pure but for reading the
//! bundle.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxNamespaceType;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde_json::Value;

use super::actions::{self, RootDirectory};
use super::config::{OciConfig, Prepared};
use super::default_root;
use super::identity::{Caller, Identity, UserNamespace};
use super::instance::{Join, Started, Target};
use super::process::{Process, no_nul};
use super::spec::{self, Capabilities, Spec};
use crate::config::settings::NamespaceKind;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The most bytes of a document.
const LARGEST: u64 = 16 << 20;

/// What the starter is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Ids and id maps.
    pub identity: Identity,
    /// Namespaces to make.
    pub create: Vec<NamespaceKind>,
    /// Namespaces to join, by path.
    pub join: Vec<(NamespaceKind, String)>,
    /// Names of capabilities by set.
    pub capabilities: Vec<(String, Vec<String>)>,
    /// no_new_privs.
    pub no_new_privs: bool,
    /// Propagation of `/` before anything is mounted.
    pub propagation: &'static str,
}

impl Decisions {
    /// How another program comes to run beside that of this container.
    fn to_join(&self, process: &Process, cwd: &str) -> Join {
        let joined = self.join.iter().map(|(kind, _)| *kind);
        Join {
            namespaces: self.create.iter().copied().chain(joined).collect(),
            maps: self.identity.maps,
            uid: self.identity.uid,
            gids: self.identity.gids.clone(),
            capabilities: self.capabilities.clone(),
            no_new_privs: self.no_new_privs,
            process: process.clone(),
            cwd: cwd.into(),
        }
    }

    /// Of a program that joins a container: from the directory of its first process in /proc.
    fn of_join(join: &Join) -> Self {
        let path = |kind: &NamespaceKind| (*kind, format!("ns/{}", kind.file()));
        let Join { maps, uid, gids, capabilities, no_new_privs, namespaces, .. } = join.clone();
        Decisions {
            identity: Identity { maps, uid, gids, ..Default::default() },
            create: Vec::new(),
            join: namespaces.iter().map(path).collect(),
            capabilities,
            no_new_privs,
            propagation: "",
        }
    }
}

/// Decides for a program in a running container.
pub fn decide_join(config: &OciConfig, target: &Target) -> Result<(Decisions, Prepared)> {
    let Target { join, .. } = target;
    let mut env: Vec<Value> = join.process.env.iter().map(|entry| entry.as_str().into()).collect();
    add_env(&mut env, &config.env)?;
    let env = env.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let args = if config.args.is_empty() { vec!["/bin/sh".to_owned()] } else { config.args.clone() };
    args.iter().try_for_each(|text| no_nul(text, || "engineConfig.args".into()))?;
    let mut process = Process { args, env, init: false, preserve_fds: config.preserve_fds, ..join.process.clone() };
    process.lower_limits();
    let cwd = config.cwd.clone().unwrap_or_else(|| join.cwd.clone());
    let prepared = Prepared { process, own_limits: true, cwd: Some(cwd), ..Default::default() };
    Ok((Decisions::of_join(join), prepared))
}

/// Decides all of a container's life that is not left to the moment.
pub fn decide(config: &OciConfig, caller: Caller) -> Result<(Decisions, Prepared)> {
    let (mut document, mut root) = document(config, caller)?;
    override_process(&mut document, config)?;
    let spec = spec::parse(&document)?;
    root.path = root_path(&spec, &root.bundle)?;
    let mut process = Process::from_spec(&spec.process, config.preserve_fds, config.init)?;
    if config.instance.is_some() && process.umask.is_none() {
        // The caller's, as without an instance; master, from which the program would have it, has an empty one.
        process.umask = Some(own_umask()?);
    }
    let decisions = decisions(&spec, caller)?;
    let actions = actions::plan(&spec, root)?;
    let started = config.instance.clone().map(|instance| {
        let join = decisions.to_join(&process, &spec.process.cwd);
        Started { instance, join, setuid: caller.setuid }
    });
    // Master has no more rights over the container's process than its user, whose it is not yet.
    let own_limits = caller.setuid;
    // Who joins an instance has to find its namespaces in /proc.
    let hidden = started.is_none() || caller.traces_everybody()?;
    Ok((decisions, Prepared { actions, process, started, hidden, own_limits, cwd: None }))
}

fn own_umask() -> Result<u32> {
    const STATUS: &str = "/proc/self/status";
    let text = fs::read_to_string(STATUS).tried(|| format!("read {STATUS:?}"))?;
    let umask = text.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok());
    umask.ok_or_else(|| Error::new(ErrorKind::Protocol, format!("read {STATUS:?}: no umask")))
}

fn document(config: &OciConfig, caller: Caller) -> Result<(Value, RootDirectory)> {
    let (found, bundle) = match (&config.bundle, &config.root, &config.spec) {
        (Some(_), Some(_), _) | (None, Some(_), Some(_)) => {
            return Err(Error::invalid("engineConfig.root: a bundle has a root of its own"));
        }
        (None, None, None) => (default_root::of_host(caller)?, PathBuf::new()),
        (None, Some(root), None) => {
            absolute(root, "root")?;
            (default_root::of_directory(Path::new(root), caller)?, PathBuf::new())
        }
        (None, None, Some(_)) => return Err(Error::invalid("engineConfig.spec: needs engineConfig.bundle")),
        (Some(bundle), None, spec) => {
            absolute(bundle, "bundle")?;
            let document = match spec {
                Some(spec) => spec.clone(),
                None => read(&Path::new(bundle).join("config.json"))?,
            };
            return Ok((document, RootDirectory { bundle: bundle.into(), ..Default::default() }));
        }
    };
    Ok((found.document, RootDirectory { fresh: found.fresh, items: found.items, bundle, ..Default::default() }))
}

fn read(path: &Path) -> Result<Value> {
    let opened = openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map(File::from);
    let text = opened.map_err(io::Error::from).and_then(regular).and_then(|file| {
        let mut text = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut text).map(|_| text)
    });
    let text = text.tried(|| format!("read {path:?}"));
    let text = text.map_err(|error| error.with_help("a bundle is a directory with a config.json, see `runc spec`"))?;
    if text.len() as u64 > LARGEST {
        return Err(Error::invalid(format!("read {path:?}: it has more than {LARGEST} bytes")));
    }
    serde_json::from_slice(&text).map_err(|error| Error::invalid(format!("read {path:?}: {error}")))
}

/// What could keep its reader waiting, or never end, is no document.
fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
    }
}

fn absolute(path: &str, name: &str) -> Result<()> {
    if path.starts_with('/') {
        return Ok(());
    }
    Err(Error::invalid(format!("engineConfig.{name}: {path:?} is not an absolute path")))
}

/// What the caller gives instead of the document's.
fn override_process(document: &mut Value, config: &OciConfig) -> Result<()> {
    let Some(members) = document.as_object_mut() else { return Ok(()) };
    if let Some(hostname) = &config.hostname {
        members.insert("hostname".into(), hostname.as_str().into());
    }
    let Some(process) = members.get_mut("process").and_then(Value::as_object_mut) else { return Ok(()) };
    if !config.args.is_empty() {
        process.insert("args".into(), config.args.clone().into());
    }
    if let Some(cwd) = &config.cwd {
        process.insert("cwd".into(), cwd.as_str().into());
    }
    let env = process.entry("env").or_insert(Value::Null);
    if env.is_null() {
        *env = Value::Array(Vec::new());
    }
    let Some(env) = env.as_array_mut() else { return Ok(()) };
    add_env(env, &config.env)
}

fn add_env(env: &mut Vec<Value>, added: &[String]) -> Result<()> {
    for entry in added {
        let Some((name, _)) = entry.split_once('=') else {
            return Err(Error::invalid(format!("engineConfig.env: {entry:?} is not NAME=VALUE")));
        };
        let same = |old: &Value| old.as_str().and_then(|old| old.split_once('=')).is_some_and(|(old, _)| old == name);
        env.retain(|old| !same(old));
        env.push(entry.as_str().into());
    }
    Ok(())
}

/// The root directory without links, so that what is mounted there is found again by the same name.
fn root_path(spec: &Spec, bundle: &Path) -> Result<String> {
    let path = bundle.join(spec.root.path());
    if spec.root.path().as_os_str().is_empty() {
        return Err(Error::invalid("root.path: is missing"));
    }
    let path = fs::canonicalize(&path).tried(|| format!("root.path: open {path:?}"))?;
    if !path.is_dir() {
        return Err(Error::system(format!("root.path: open {path:?}"), libc::ENOTDIR));
    }
    if path == Path::new("/") {
        return Err(Error::new(ErrorKind::Refused, "root.path: the host's own root cannot be a container's"));
    }
    path.into_os_string().into_string().map_err(|path| Error::invalid(format!("root.path: {path:?} is not UTF-8")))
}

fn decisions(spec: &Spec, caller: Caller) -> Result<Decisions> {
    let linux = spec.linux.as_ref();
    let (create, join) = namespaces(spec)?;
    let has = |kind| create.contains(&kind) || join.iter().any(|(joined, _)| *joined == kind);
    for (name, value) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        if value.as_deref().is_some_and(|value| !value.is_empty()) && !has(NamespaceKind::Uts) {
            return Err(Error::new(ErrorKind::Refused, format!("{name}: needs a UTS namespace (linux.namespaces)")));
        }
    }
    let namespace = match (create.contains(&NamespaceKind::User), has(NamespaceKind::User)) {
        (true, _) => UserNamespace::New,
        (false, true) => UserNamespace::Joined,
        (false, false) => UserNamespace::Host,
    };
    let uids = linux.and_then(|linux| linux.uid_mappings.as_deref()).unwrap_or_default();
    let gids = linux.and_then(|linux| linux.gid_mappings.as_deref()).unwrap_or_default();
    let identity = Identity::decide(caller, namespace, spec.process.user.as_ref(), uids, gids)?;
    // Mounts of the host reach a container whose root is to receive them, and never go back: the root's own copy is what
    // becomes shared.
    let word = linux.and_then(|linux| linux.rootfs_propagation.as_deref()).unwrap_or_default();
    let receives = matches!(word, "slave" | "rslave" | "shared" | "rshared");
    Ok(Decisions {
        identity,
        create,
        join,
        capabilities: capabilities(spec.process.capabilities.as_ref()),
        // Whoever brings the root could bring files of root too.
        no_new_privs: caller.setuid || spec.process.no_new_privileges.unwrap_or_default(),
        propagation: if receives { "rslave" } else { "rprivate" },
    })
}

type Namespaces = (Vec<NamespaceKind>, Vec<(NamespaceKind, String)>);

fn namespaces(spec: &Spec) -> Result<Namespaces> {
    let list = spec.linux.as_ref().and_then(|linux| linux.namespaces.as_deref()).unwrap_or_default();
    let (mut create, mut join) = (Vec::new(), Vec::new());
    for (index, namespace) in list.iter().enumerate() {
        let place = format!("linux.namespaces[{index}]");
        let kind = kind(namespace.typ())
            .ok_or_else(|| Error::new(ErrorKind::Refused, format!("{place}.type: time: not supported yet")))?;
        if create.contains(&kind) || join.iter().any(|(joined, _)| *joined == kind) {
            return Err(Error::invalid(format!("{place}.type: {} is there twice", namespace.typ())));
        }
        match namespace.path().as_ref().filter(|path| !path.as_os_str().is_empty()) {
            None => create.push(kind),
            Some(path) => {
                let path = path.to_str().filter(|path| path.starts_with('/') && !path.contains('\0'));
                let path = path.ok_or_else(|| Error::invalid(format!("{place}.path: is not an absolute path")))?;
                join.push((kind, path.to_owned()));
            }
        }
    }
    if !create.contains(&NamespaceKind::Mount) {
        // In the host's, and in one that others live in, a change of the root would be theirs too.
        return Err(Error::new(ErrorKind::Refused, "linux.namespaces: a new mount namespace is needed"));
    }
    Ok((create, join))
}

fn kind(kind: LinuxNamespaceType) -> Option<NamespaceKind> {
    Some(match kind {
        LinuxNamespaceType::Mount => NamespaceKind::Mount,
        LinuxNamespaceType::Cgroup => NamespaceKind::Cgroup,
        LinuxNamespaceType::Uts => NamespaceKind::Uts,
        LinuxNamespaceType::Ipc => NamespaceKind::Ipc,
        LinuxNamespaceType::User => NamespaceKind::User,
        LinuxNamespaceType::Pid => NamespaceKind::Pid,
        LinuxNamespaceType::Network => NamespaceKind::Network,
        LinuxNamespaceType::Time => return None,
    })
}

/// The five sets; without any, the program has no capabilities. An ambient capability that is not inheritable, as
/// `runc spec` writes some, cannot exist, and is left out as runc and crun do.
fn capabilities(spec: Option<&Capabilities>) -> Vec<(String, Vec<String>)> {
    let set = |pick: fn(&Capabilities) -> &Option<Vec<String>>| -> Vec<String> {
        spec.and_then(|spec| pick(spec).clone()).unwrap_or_default()
    };
    let (permitted, inheritable) = (set(|sets| &sets.permitted), set(|sets| &sets.inheritable));
    let mut ambient = set(|sets| &sets.ambient);
    ambient.retain(|name| permitted.contains(name) && inheritable.contains(name));
    vec![
        ("permitted".into(), permitted),
        ("effective".into(), set(|sets| &sets.effective)),
        ("inheritable".into(), inheritable),
        ("bounding".into(), set(|sets| &sets.bounding)),
        ("ambient".into(), ambient),
    ]
}

#[cfg(test)]
mod tests;
