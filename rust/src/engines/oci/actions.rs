// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a document to what the RPC server does, as data: each action is one call, none needs the answer of an earlier
//! one.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::LinuxNamespaceType;
use serde::{Deserialize, Serialize};

use super::identity::mappings;
use super::methods::furniture::Item;
use super::methods::id_map::IdMaps;
use super::methods::mounts::Mount;
use super::methods::{Cover, Enter, Furnish, Mounts, OpenRoot, SetDomainname};
use super::options::{IdMap, MountOptions};
use super::process::no_nul;
use super::spec::Spec;
use crate::error::{Error, ErrorKind, Result};

/// What may be mounted beneath /proc, as runc has it: files that show a container its own share of the host, and
/// the directories of the host's own /proc that are shown as they are.
const PROC_TARGETS: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

const DEVICES: &[(&str, u32, u32)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// One call of the RPC server: a method of this engine, or a built-in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Own method.
    OpenRoot(OpenRoot),
    /// Own method.
    Mount(Mounts),
    /// Own method.
    Furnish(Furnish),
    /// Own method.
    Cover(Cover),
    /// Own method.
    Enter(Enter),
    /// Built in (`Chroot`): the working directory becomes the root, the old root goes away.
    Pivot,
    /// Built in (`Mount`): how mounts travel from and to the new root, as a MS_ number.
    Propagate(u64),
    /// Built in.
    SetHostname(String),
    /// Own method.
    SetDomainname(SetDomainname),
    /// Built in.
    Chdir(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::OpenRoot(open) => write!(f, "prepare the root {:?}", open.path),
            Action::Mount(_) => f.write_str("mount"),
            Action::Furnish(_) => f.write_str("furnish the root"),
            Action::Cover(_) => f.write_str("cover paths"),
            Action::Enter(_) => f.write_str("enter the root"),
            Action::Pivot => f.write_str("change the root"),
            Action::Propagate(_) => f.write_str("set the root's propagation"),
            Action::SetHostname(name) => write!(f, "set the host name {name:?}"),
            Action::SetDomainname(set) => write!(f, "set the domain name {:?}", set.name),
            Action::Chdir(path) => write!(f, "change to the working directory {path:?}"),
        }
    }
}

/// The directory that becomes the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootDirectory {
    /// Absolute, without links.
    pub path: String,
    /// Covered with an empty file system.
    pub fresh: bool,
    /// What it has besides what a document says.
    pub items: Vec<Item>,
    /// Relative sources of bind mounts are relative to this.
    pub bundle: PathBuf,
}

/// What a document asks for, in the order in which it is done.
pub fn plan(spec: &Spec, root: RootDirectory) -> Result<Vec<Action>> {
    let linux = spec.linux.as_ref();
    let mounts = mounts(spec, &root.bundle)?;
    let mut items = root.items;
    if !mounts.iter().any(|mount| mount.target == "/dev" && binds(mount)) {
        items.extend(DEVICES.iter().map(|(path, major, minor)| Item::Device((*path).into(), *major, *minor)));
        items.extend(DEVICE_LINKS.iter().map(|(path, target)| Item::Link((*path).into(), (*target).into())));
    }
    let cwd = absolute(&spec.process.cwd, "process.cwd")?;
    if cwd != "/" {
        items.push(Item::Directory(cwd.clone()));
    }
    let paths = |list: Option<&Option<Vec<String>>>, name: &str| -> Result<Vec<String>> {
        let list = list.and_then(|list| list.as_deref()).unwrap_or_default();
        let place = |index| format!("linux.{name}[{index}]");
        list.iter().enumerate().map(|(index, path)| absolute(path, &place(index))).collect()
    };
    let masked = paths(linux.map(|linux| &linux.masked_paths), "maskedPaths")?;
    let read_only = paths(linux.map(|linux| &linux.readonly_paths), "readonlyPaths")?;

    let mut actions = vec![Action::OpenRoot(OpenRoot { path: root.path, fresh: root.fresh })];
    if !mounts.is_empty() {
        actions.push(Action::Mount(Mounts { mounts }));
    }
    if !items.is_empty() {
        actions.push(Action::Furnish(Furnish { items }));
    }
    if !(masked.is_empty() && read_only.is_empty()) {
        actions.push(Action::Cover(Cover { read_only, masked }));
    }
    actions.push(Action::Enter(Enter { read_only: spec.root.readonly().unwrap_or_default() }));
    actions.push(Action::Pivot);
    actions.extend(root_propagation(spec)?.map(Action::Propagate));
    let name = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    actions.extend(name(&spec.hostname).map(Action::SetHostname));
    actions.extend(name(&spec.domainname).map(|name| Action::SetDomainname(SetDomainname { name })));
    actions.push(Action::Chdir(cwd));
    Ok(actions)
}

/// What the root is after it was entered. Private and slave it is from the start.
fn root_propagation(spec: &Spec) -> Result<Option<u64>> {
    let word = spec.linux.as_ref().and_then(|linux| linux.rootfs_propagation.as_deref()).unwrap_or_default();
    Ok(match word {
        "shared" => Some(libc::MS_SHARED),
        "rshared" => Some(libc::MS_SHARED | libc::MS_REC),
        "unbindable" => Some(libc::MS_UNBINDABLE),
        "runbindable" => Some(libc::MS_UNBINDABLE | libc::MS_REC),
        "" | "private" | "rprivate" | "slave" | "rslave" => None,
        word => return Err(Error::invalid(format!("linux.rootfsPropagation: {word:?} is no propagation"))),
    })
}

fn mounts(spec: &Spec, bundle: &Path) -> Result<Vec<Mount>> {
    let namespaces = spec.linux.as_ref().and_then(|linux| linux.namespaces.as_deref()).unwrap_or_default();
    let own_cgroups = namespaces.iter().any(|namespace| namespace.typ() == LinuxNamespaceType::Cgroup);
    let read = |(index, mount)| {
        let mut mount = self::mount(mount, &format!("mounts[{index}]"), bundle)?;
        // Without a cgroup namespace these are the host's, which no container may change (CVE-2023-25809).
        if matches!(mount.filesystem.as_str(), "cgroup" | "cgroup2") && !own_cgroups {
            mount.options.push("ro".into());
        }
        Ok(mount)
    };
    spec.mounts.as_deref().unwrap_or_default().iter().enumerate().map(read).collect()
}

fn mount(spec: &oci_spec::runtime::Mount, place: &str, bundle: &Path) -> Result<Mount> {
    // Early versions of the specification had relative destinations; they are meant from the root.
    let target = Path::new("/").join(spec.destination());
    let target = absolute(text(&target, || format!("{place}.destination"))?, &format!("{place}.destination"))?;
    if target == "/" {
        return Err(Error::invalid(format!("{place}.destination: the root itself cannot be mounted on")));
    }
    let mut words = spec.options().clone().unwrap_or_default();
    let options = MountOptions::parse(&words).map_err(|error| error.during(format!("{place}.options")))?;
    let source = match spec.source() {
        Some(source) => text(source, || format!("{place}.source"))?.to_owned(),
        None => String::new(),
    };
    let filesystem = spec.typ().clone().unwrap_or_default();
    no_nul(&filesystem, || format!("{place}.type"))?;
    let mut mount = Mount { target, filesystem, source, options: Vec::new(), id_maps: id_maps(spec, place)? };
    if mount.id_maps.is_some() && options.id_map == IdMap::No {
        words.push("idmap".into());
    }
    mount.options = words;
    if binds(&mount) {
        mount.filesystem = String::new();
        if options.bind == 0 {
            mount.options.push("bind".into());
        }
        if !options.remount {
            if mount.source.is_empty() {
                return Err(Error::invalid(format!("{place}.source: a bind mount needs one")));
            }
            let source = bundle.join(&mount.source);
            mount.source = text(&source, || format!("{place}.source"))?.to_owned();
        }
    } else if !options.remount && matches!(mount.filesystem.as_str(), "" | "none") {
        return Err(Error::invalid(format!("{place}.type: is missing")));
    }
    if options.copy_up && mount.filesystem != "tmpfs" {
        return Err(Error::invalid(format!("{place}.options: tmpcopyup is for a tmpfs")));
    }
    check_proc(&mount, place)?;
    Ok(mount)
}

/// Whether something that exists is to be seen at another place.
fn binds(mount: &Mount) -> bool {
    mount.filesystem == "bind" || mount.options.iter().any(|word| word == "bind" || word == "rbind")
}

/// Nothing may stand in for /proc: what is written there later must not end somewhere else (CVE-2019-16884).
fn check_proc(mount: &Mount, place: &str) -> Result<()> {
    let refused = |why: &str| {
        let what = format!("{place}.destination: {:?} {why}", mount.target);
        Err(Error::new(ErrorKind::Refused, what))
    };
    if mount.target == "/proc" {
        let own = mount.filesystem == "proc" || (binds(mount) && mount.source == "/proc");
        return if own { Ok(()) } else { refused("can only be a proc file system") };
    }
    if mount.target.starts_with("/proc/") && !PROC_TARGETS.contains(&mount.target.as_str()) {
        return refused("cannot be covered");
    }
    Ok(())
}

fn id_maps(spec: &oci_spec::runtime::Mount, place: &str) -> Result<Option<IdMaps>> {
    let empty = |maps: &Option<Vec<_>>| maps.as_deref().unwrap_or_default().is_empty();
    match (empty(spec.uid_mappings()), empty(spec.gid_mappings())) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => return Err(Error::invalid(format!("{place}: uidMappings and gidMappings need each other"))),
    }
    let uids = mappings(spec.uid_mappings().as_deref().unwrap_or_default(), &format!("{place}.uidMappings"))?;
    let gids = mappings(spec.gid_mappings().as_deref().unwrap_or_default(), &format!("{place}.gidMappings"))?;
    Ok(Some(IdMaps { uids, gids }))
}

fn text(path: &Path, place: impl FnOnce() -> String) -> Result<&str> {
    match path.to_str() {
        Some(text) => no_nul(text, place).map(|()| text),
        None => Err(Error::invalid(format!("{}: {path:?} is not UTF-8", place()))),
    }
}

/// An absolute path without `.`, `..` and repeated slashes. `..` is taken as text, as runc does: the path is seen from
/// inside the root, where links may lead anywhere.
fn absolute(path: &str, place: &str) -> Result<String> {
    no_nul(path, || place.to_owned())?;
    if !path.starts_with('/') {
        return Err(Error::invalid(format!("{place}: {path:?} is not an absolute path")));
    }
    let mut names: Vec<&str> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => {
                names.pop();
            }
            Component::Normal(name) => names.extend(name.to_str()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(format!("/{}", names.join("/")))
}

#[cfg(test)]
mod tests;
