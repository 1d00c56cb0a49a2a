// SPDX-License-Identifier: Apache-2.0 OR MIT
//! User namespaces: id maps of a process, written directly or by newuidmap and newgidmap.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use rustix::thread::CapabilitySet;

use crate::config::idmap;
use crate::config::settings::{IdMapping, NamespaceKind, Settings};
use crate::error::{Error, Result, Tried};
use crate::lifecycle::child::Watched;
use crate::lifecycle::roles::Role;
use crate::namespaces::{self, Target};
use crate::plan::{Flow, Plan};
use crate::privileges::{setuid, takes};
use crate::trusted::{Program, Run};

/// Step 11: joins the user namespace, leaves for a new one that master and the container share, or takes root's id back where
/// there is none and the starter is setuid.
pub fn enter(plan: &Plan, targets: &mut Vec<Target>) -> Result<()> {
    if plan.flow == Flow::Setuid {
        return setuid::regain();
    }
    if let Some(at) = targets.iter().position(|target| target.kind() == NamespaceKind::User) {
        return targets.remove(at).join();
    }
    namespaces::create(&plan.created_by(Role::Master))
}

/// Writes setgroups, gid_map and uid_map of a child that the caller has not reaped, so that its pid cannot have gone to
/// another process.
pub fn write_maps(child: &Watched, settings: &Settings) -> Result<()> {
    let pid = child.pid_in_proc().ok_or_else(|| missing_proc("/proc", Errno::ESRCH))?;
    let path = format!("/proc/{pid}");
    let directory = open(path.as_str(), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| missing_proc(&path, errno))?;
    if let (Some(newuidmap), Some(newgidmap)) = (&settings.newuidmap, &settings.newgidmap) {
        run_helper(newgidmap, pid, &settings.gid_mappings, "subgid")?;
        return run_helper(newuidmap, pid, &settings.uid_mappings, "subuid");
    }
    // The kernel wants the answer to this question before an ordinary user may write a gid map (user_namespaces(7)).
    let word = if settings.allow_setgroups { "allow" } else { "deny" };
    write_file(&directory, "setgroups", word)?;
    write_file(&directory, "gid_map", &idmap::text(&settings.gid_mappings)?)?;
    write_file(&directory, "uid_map", &idmap::text(&settings.uid_mappings)?)
}

fn missing_proc(path: &str, errno: Errno) -> Error {
    Error::system(format!("open \"{path}\" of the container process"), errno as i32)
        .with_help("id maps are written through /proc: it must be mounted and must show the caller's own processes")
}

fn write_file(directory: &OwnedFd, name: &str, text: &str) -> Result<()> {
    let what = || format!("write \"{}\" to {name} of the container process", text.trim_end().replace('\n', ", "));
    let opened = openat(directory.as_fd(), name, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).tried(what)?;
    let mut file = std::fs::File::from(opened);
    // One write: the kernel takes a map in a single call only.
    match file.write(text.as_bytes()) {
        Ok(written) if written == text.len() => Ok(()),
        Ok(_) => Err(Error::system(what(), libc::EIO)),
        Err(error) => {
            let refused = Error::io(what(), &error);
            Err(match error.raw_os_error() {
                Some(libc::EPERM) if geteuid().is_root() => {
                    takes(refused, CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SYS_ADMIN)
                }
                Some(libc::EPERM) => refused.with_help(
                    "an ordinary user may map just the own id; ranges need newuidmap and newgidmap (Debian: package uidmap)",
                ),
                _ => refused,
            })
        }
    }
}

fn run_helper(program: &str, pid: i32, mappings: &[IdMapping], file: &str) -> Result<()> {
    let ids = mappings.iter().flat_map(|mapping| [mapping.container_id, mapping.host_id, mapping.size]);
    let arguments = std::iter::once(pid.to_string()).chain(ids.map(|id| id.to_string()));
    let ended = Program::at(program, &[0])?.run(Run::with(arguments))?;
    if ended.status.success() {
        return Ok(());
    }
    let map = idmap::text(mappings)?.trim_end().replace('\n', ", ");
    Err(Error::invalid(format!("run \"{program}\" for the map \"{map}\": {}", ended.text()))
        .with_help(format!("the ranges that a user may map stand in /etc/{file}")))
}
