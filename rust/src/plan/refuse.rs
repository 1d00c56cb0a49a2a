// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The combinations that no start may have.

use rustix::thread::CapabilitySet;

use crate::config::settings::{IdMapping, NamespaceKind, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Facts, Plan};

/// Refuses what can be told from settings and facts alone. These also are the checks that the parent repeats over a plan
/// that stage 1 sealed.
pub fn forbidden(settings: &Settings, facts: &Facts) -> Result<()> {
    let joins_user = settings.join.contains_key(&NamespaceKind::User);
    let new_user = settings.create.contains(&NamespaceKind::User) && !joins_user;
    let has_map = !settings.uid_mappings.is_empty() || !settings.gid_mappings.is_empty();
    let rules: [(bool, &str); 17] = [
        (settings.instance && settings.join_only, "an instance cannot only join: it is a container of its own"),
        (facts.setuid && !settings.hybrid && (new_user || joins_user), "setuid with user namespace is not allowed"),
        (settings.hybrid && !new_user, "the hybrid workflow needs a new user namespace"),
        (new_user && settings.uid_mappings.is_empty(), "a new user namespace needs a user id map"),
        (new_user && settings.gid_mappings.is_empty(), "a new user namespace needs a group id map"),
        (!new_user && has_map, "id maps without a new user namespace"),
        (
            settings.newuidmap.is_some() != settings.newgidmap.is_some(),
            "newuidmap and newgidmap are only of use together",
        ),
        (settings.newuidmap.is_some() && !settings.hybrid, "newuidmap and newgidmap need the hybrid workflow"),
        (facts.setuid && settings.newuidmap.is_some(), "newuidmap and newgidmap are not allowed in the setuid flow"),
        (
            facts.setuid && !settings.hybrid && settings.allow_setgroups,
            "setgroups is not allowed in the setuid flow without a user namespace: it could give groups of others",
        ),
        (
            facts.setuid
                && settings.hybrid
                && settings.allow_setgroups
                && settings.gid_mappings.iter().all(|line| line.size == 1 && line.host_id == facts.gid),
            // CVE-2018-7169
            "setgroups with a map of nothing but the own group: who is denied something by a group could leave it",
        ),
        (
            new_user
                && !facts.setuid
                && settings.newgidmap.is_none()
                && settings.allow_setgroups
                && facts.effective & CapabilitySet::SETGID.bits() == 0,
            "setgroups is not allowed in a user namespace whose group id map is written without CAP_SETGID (newgidmap may)",
        ),
        (
            // clone(2) makes no thread while children are born elsewhere, and the way back takes rights on the host.
            joins_user && settings.join.contains_key(&NamespaceKind::Pid) && !settings.join_only,
            "a PID namespace joined with its user namespace: master could not go back, and its engine has threads",
        ),
        (settings.kept_fds.len() > 1024, "more than 1024 kept descriptors"),
        (
            settings.kept_fds.iter().any(|fd| *fd < 0)
                || settings.working_directory_fd.is_some_and(|fd| fd < 0)
                || settings.image_fd.is_some_and(|fd| fd < 0),
            "a negative descriptor number",
        ),
        (settings.target_gids.len() > 32, "more than 32 target group ids"),
        (
            !(1..=3_600_000).contains(&settings.timeouts.handshake_ms),
            "the handshake limit is not between 1 and 3,600,000 ms",
        ),
    ];
    if let Some((_, words)) = rules.iter().find(|(broken, _)| *broken) {
        return Err(refused(*words));
    }
    capabilities(settings)?;
    paths(settings)
}

fn refused(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::Refused, words).during("plan refused")
}

fn capabilities(settings: &Settings) -> Result<()> {
    let sets = settings.capabilities;
    if sets.effective & !sets.permitted != 0 {
        return Err(refused(format!(
            "effective capabilities {:#x} are not within the permitted ones {:#x}",
            sets.effective, sets.permitted
        )));
    }
    let raisable = sets.permitted & sets.inheritable;
    if sets.ambient & !raisable != 0 {
        return Err(refused(format!(
            "ambient capabilities {:#x} are not both permitted and inheritable ({raisable:#x})",
            sets.ambient
        )));
    }
    Ok(())
}

fn paths(settings: &Settings) -> Result<()> {
    for (kind, path) in &settings.join {
        if path.is_empty() || path.len() > 4095 || path.contains('\0') {
            return Err(refused(format!(
                "the path of the {} namespace has {} bytes; 1 to 4095 without NUL can be",
                kind.file(),
                path.len()
            )));
        }
    }
    Ok(())
}

/// Refuses target ids that the container could not take. Where it is not root of its user namespace it keeps its own, and they have
/// no say.
pub fn target_ids(plan: &Plan, settings: &Settings) -> Result<()> {
    if plan.creates_user_namespace() {
        unmapped(plan)?;
        let denied = settings.newgidmap.is_none() && !settings.allow_setgroups;
        if denied && !settings.no_setgroups && !settings.target_gids.is_empty() && plan.container_uid() == Some(0) {
            return Err(refused("target group ids where setgroups is denied").with_help(
                "allow setgroups, which takes a group id map of ranges, or set no_setgroups, which keeps the caller's groups",
            ));
        }
    }
    // Of a joined user namespace the container process finds out.
    plan.container_uid()
        .map_or(Ok(()), |uid| plan.container.has_group(uid))
        .map_err(|error| error.during("plan refused"))
}

/// Refuses those that the container's own id map does not have: the kernel would say no more than EINVAL.
fn unmapped(plan: &Plan) -> Result<()> {
    let inside = |map: &[IdMapping], id: u32| {
        map.iter().any(|line| id.checked_sub(line.container_id).is_some_and(|offset| offset < line.size))
    };
    if let Some(uid) = plan.container.uid.filter(|uid| !inside(&plan.uid_map, *uid)) {
        return Err(refused(format!("the target user id {uid} is not in the user id map")));
    }
    if let Some(gid) = plan.container.gids.iter().find(|gid| !inside(&plan.gid_map, **gid)) {
        return Err(refused(format!("the target group id {gid} is not in the group id map")));
    }
    Ok(())
}
