// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the policy says to a start of the setuid flow: to its caller before anything is read, to what stage 1 has decided before any
//! of it is done. The RPC server's methods ask it about mounts themselves.

use crate::config::Settings;
use crate::config::settings::NamespaceKind;
use crate::error::{Result, Tried};
use crate::plan::Facts;
use crate::policy::{self, Caller};

/// Lets root's policy hold for this start, if it lets the caller start containers at all. Root's id is put aside by now.
#[cfg(feature = "policy")]
pub fn begin(facts: &Facts) -> Result<()> {
    let root = crate::privileges::setuid::raise()?;
    let policy = policy::Policy::read()?;
    drop(root);
    policy.permits_caller(facts.uid, facts.gid, &groups()?)?;
    policy.enforce();
    Ok(())
}

/// Asks the policy, if one holds, about a start. The namespaces to join have been opened, with the user's rights.
pub fn ask(facts: &Facts, engine_name: &str, settings: &Settings) -> Result<()> {
    let Some(policy) = policy::in_force() else { return Ok(()) };
    policy.permits_engine(engine_name)?;
    let Facts { uid, gid, .. } = *facts;
    policy.permits_plan(settings, &Caller { uid, gid, groups: groups()?, own_instance: of_own_process(settings)? })
}

fn groups() -> Result<Vec<u32>> {
    let groups = nix::unistd::getgroups().tried(|| "read the supplementary groups")?;
    Ok(groups.into_iter().map(nix::unistd::Gid::as_raw).collect())
}

/// The namespaces to join that belong to a process of the user's: in the directory of a process in proc, whose files there the
/// kernel opens for those alone who could trace it (PTRACE_MODE_READ_FSCREDS, ptrace(2)).
fn of_own_process(settings: &Settings) -> Result<Vec<NamespaceKind>> {
    // A directory that the user may not even search is none of its processes'.
    let is_proc = rustix::fs::statfs(".").is_ok_and(|here| here.f_type == libc::PROC_SUPER_MAGIC);
    if !is_proc {
        return Ok(Vec::new());
    }
    let is_in_it = |(kind, path): (&NamespaceKind, &String)| (*path == format!("ns/{}", kind.file())).then_some(*kind);
    Ok(settings.join.iter().filter_map(is_in_it).collect())
}
