// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The combinations that no start may have.

use crate::config::settings::{IdMapping, NamespaceKind, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Facts, Plan};

/// Refuses what can be told from settings and facts alone. These also are the checks that the parent repeats over a plan
/// that stage 1 sealed.
pub fn forbidden(settings: &Settings, facts: &Facts) -> Result<()> {
    let joins_user = settings.join.contains_key(&NamespaceKind::User);
    let new_user = settings.create.contains(&NamespaceKind::User) && !joins_user;
    let has_map = !settings.uid_mappings.is_empty() || !settings.gid_mappings.is_empty();
    let rules: [(bool, &str); 16] = [
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
        (
            !new_user
                && !joins_user
                && facts.uid == 0
                && settings.target_uid.is_some_and(|uid| uid != 0)
                && settings.target_gids.is_empty(),
            "a target user id without a target group id: the container would keep root's groups",
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

/// Refuses target ids that the container's own id map does not have: the kernel would say no more than EINVAL.
pub fn unmapped(plan: &Plan) -> Result<()> {
    if !plan.creates_user_namespace() {
        return Ok(());
    }
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
