// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stage 1 has settled, held against the policy. Without a user namespace everything that a container gets is the
//! host's own; with one, which only the hybrid flow makes, capabilities and ids count for nothing outside.

use super::{Policy, forbids, refused};
use crate::config::names::capability_names;
use crate::config::settings::{NamespaceKind, PropagationKind, Settings};
use crate::error::Result;

/// What the setuid starter knows of its caller by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The real user id.
    pub uid: u32,
    /// The real group id.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
    /// The kinds of namespaces to join that were opened, and proven to be those of an instance of its own.
    pub own_instance: Vec<NamespaceKind>,
}

impl Policy {
    /// Whether a start may be as the settings say. It comes after [`Plan::make`](crate::plan::Plan::make), which
    /// refuses what no start may have.
    pub fn permits_plan(&self, settings: &Settings, caller: &Caller) -> Result<()> {
        self.namespaces(settings, caller)?;
        // As in the plan: a path wins over a flag, and nothing but the hybrid flow makes a user namespace here.
        let joins_user = settings.join.contains_key(&NamespaceKind::User);
        if settings.hybrid && settings.create.contains(&NamespaceKind::User) && !joins_user {
            return self.user_namespace();
        }
        propagation(settings)?;
        self.privileges(settings)?;
        ids(settings, caller)
    }

    /// Whether a namespace may be joined.
    pub fn permits_join(&self, kind: NamespaceKind, path: &str, own_instance: bool) -> Result<()> {
        let what = || format!("joining the {} namespace \"{}\"", kind.word(), path.escape_debug());
        if kind == NamespaceKind::User {
            return Err(refused(what()).with_help("run the starter without the setuid bit to join a user namespace"));
        }
        if (own_instance && self.join_own_instances) || self.join_paths.contains(path) {
            return Ok(());
        }
        Err(forbids(what(), "join"))
    }

    /// Whether the host name and the domain name may be set, in a container with these namespaces of its own.
    pub fn permits_host_name(&self, own: &[NamespaceKind]) -> Result<()> {
        if own.contains(&NamespaceKind::Uts) {
            return Ok(());
        }
        Err(refused("setting the host's own name").with_help("ask for a UTS namespace"))
    }

    fn namespaces(&self, settings: &Settings, caller: &Caller) -> Result<()> {
        for (kind, path) in &settings.join {
            // Mounts are made in no tree that somebody else has prepared.
            let own = caller.own_instance.contains(kind) && (settings.join_only || *kind != NamespaceKind::Mount);
            self.permits_join(*kind, path, own)?;
        }
        let of_host = |kind: &NamespaceKind| !settings.create.contains(kind) && !settings.join.contains_key(kind);
        for kind in NamespaceKind::ALL.into_iter().filter(of_host) {
            match kind {
                NamespaceKind::User => {}
                NamespaceKind::Mount => {
                    return Err(refused("a container in the host's mount namespace: its mounts were the host's")
                        .with_help("ask for a mount namespace"));
                }
                kind if self.host_namespaces.contains(&kind) => {}
                kind => return Err(forbids(format!("the host's {} namespace", kind.word()), "host_namespaces")),
            }
        }
        Ok(())
    }

    /// Which ids may be mapped, and who may set groups, is no question of the policy's: whoever writes the maps asks /etc/subuid.
    fn user_namespace(&self) -> Result<()> {
        if self.fakeroot { Ok(()) } else { Err(forbids("a user namespace", "fakeroot")) }
    }

    fn privileges(&self, settings: &Settings) -> Result<()> {
        let sets = settings.capabilities;
        let kept = sets.permitted | sets.effective | sets.inheritable | sets.bounding | sets.ambient;
        let beyond = kept & !self.capabilities;
        if beyond != 0 {
            return Err(forbids(format!("the capabilities {}", capability_names(beyond).join(" ")), "capabilities"));
        }
        if !settings.no_new_privs {
            return Err(refused("a container without no_new_privs: setuid programs in it were the host's")
                .with_help("set no_new_privs, or ask for the hybrid workflow"));
        }
        if settings.nvidia_capabilities {
            return Err(
                refused("nvidia-container-cli with the host's capabilities").with_help("ask for the hybrid workflow")
            );
        }
        Ok(())
    }
}

/// The copy of a mount namespace keeps the ties of its original: what is mounted in it would show up on the host.
fn propagation(settings: &Settings) -> Result<()> {
    if !settings.create.contains(&NamespaceKind::Mount) || settings.join.contains_key(&NamespaceKind::Mount) {
        return Ok(());
    }
    let tied = match settings.mount_propagation {
        Some(propagation) => propagation.kind == PropagationKind::Shared || !propagation.recursive,
        // Private is the default of a namespace that master shares, and of no other.
        None => !settings.master_propagate_mount,
    };
    if !tied {
        return Ok(());
    }
    Err(refused("mounts that spread to the host").with_help("set the mount propagation rslave or rprivate"))
}

fn ids(settings: &Settings, caller: &Caller) -> Result<()> {
    let help = "leave the target ids out, or ask for the hybrid workflow";
    if let Some(uid) = settings.target_uid.filter(|uid| *uid != caller.uid) {
        return Err(refused(format!("user {} runs a container as user {uid}", caller.uid)).with_help(help));
    }
    let is_own = |gid: u32| gid == caller.gid || caller.groups.contains(&gid);
    if let Some(gid) = settings.target_gids.iter().find(|gid| !is_own(**gid)) {
        return Err(refused(format!("user {} runs a container with group {gid}", caller.uid)).with_help(help));
    }
    if settings.allow_setgroups {
        return Err(refused("setgroups without a user namespace").with_help("ask for the hybrid workflow"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
