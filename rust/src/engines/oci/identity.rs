// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the container's program is: its ids, the id maps of a new user namespace, and who writes them.

use std::collections::BTreeSet;

use oci_spec::runtime::{LinuxIdMapping, User};
use serde::{Deserialize, Serialize};

use crate::config::settings::IdMapping;
use crate::error::{Error, ErrorKind, Result};
use crate::privileges::Credentials;

/// setgroups(2) counts this many here (page 3 of the specification).
const MAX_GROUPS: usize = 32;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Whether a setuid-root starter is what was called.
    pub setuid: bool,
}

impl Caller {
    /// The calling process's.
    pub fn of_this_process(setuid: bool) -> Self {
        Caller { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw(), setuid }
    }

    /// Whether it is real root.
    pub fn is_root(self) -> bool {
        self.uid == 0
    }

    /// Whether /proc hides no process from it.
    pub fn traces_everybody(self) -> Result<bool> {
        const CAP_SYS_PTRACE: u64 = 1 << 19;
        Ok(self.is_root() && Credentials::read()?.effective & CAP_SYS_PTRACE != 0)
    }

    /// Whether it takes a new user namespace to make the others.
    pub fn needs_user_namespace(self) -> bool {
        !self.is_root() && !self.setuid
    }
}

/// Which user namespace the container gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserNamespace {
    /// The caller's.
    Host,
    /// A new one.
    New,
    /// An existing one.
    Joined,
}

/// Who writes the id maps of a new user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Maps {
    /// There is none.
    #[default]
    None,
    /// An ordinary user's single own ids: the core, with groups switched off.
    OwnIds,
    /// An ordinary user's ranges: newuidmap and newgidmap, with the container's process alone in the namespace.
    Helpers,
    /// The single own ids of an ordinary user who has called a setuid-root starter: the core, with groups switched off, and the
    /// container's process alone in the namespace.
    OwnIdsBySetuid,
    /// Real root, or a setuid-root starter: the core, with the container's process alone in the namespace.
    Root,
}

/// Who the container's program is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Who writes the maps.
    pub maps: Maps,
    /// User ids.
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids.
    pub gid_mappings: Vec<IdMapping>,
    /// User id inside.
    pub uid: u32,
    /// Group id inside, and additional ones.
    pub gids: Vec<u32>,
}

impl Identity {
    /// Decides it, refusing what the kernel would not let this caller have.
    pub fn decide(
        caller: Caller,
        namespace: UserNamespace,
        user: Option<&User>,
        uid_mappings: &[LinuxIdMapping],
        gid_mappings: &[LinuxIdMapping],
    ) -> Result<Self> {
        let uid_mappings = mappings(uid_mappings, "linux.uidMappings")?;
        let gid_mappings = mappings(gid_mappings, "linux.gidMappings")?;
        let mut gids = vec![user.map_or(0, User::gid)];
        gids.extend(user.and_then(|user| user.additional_gids().as_deref()).unwrap_or_default());
        let uid = user.map_or(0, User::uid);
        let maps = who_maps(caller, namespace, &uid_mappings, &gid_mappings)?;
        let mut identity = Identity { maps, uid_mappings, gid_mappings, uid, gids };
        identity.check_ids(caller, namespace)?;
        let mut known = BTreeSet::new();
        identity.gids.retain(|gid| known.insert(*gid));
        Ok(identity)
    }

    fn check_ids(&self, caller: Caller, namespace: UserNamespace) -> Result<()> {
        let places = || {
            let additional = (0..).map(|index| format!("process.user.additionalGids[{index}]"));
            std::iter::once("process.user.gid".to_owned()).chain(additional)
        };
        if self.gids.len() > MAX_GROUPS {
            return Err(Error::invalid(format!("process.user.additionalGids: more than {} groups", MAX_GROUPS - 1)));
        }
        // 4294967295 is -1, which to setresuid(2) and its like means 'leave it as it is'.
        if let Some((_, place)) = self.gids.iter().zip(places()).find(|(gid, _)| **gid == u32::MAX) {
            return Err(Error::invalid(format!("{place}: {} is no id", u32::MAX)));
        }
        if self.uid == u32::MAX {
            return Err(Error::invalid(format!("process.user.uid: {} is no id", u32::MAX)));
        }
        if caller.setuid && namespace == UserNamespace::Host {
            return self.check_own(caller);
        }
        if namespace != UserNamespace::New {
            return Ok(());
        }
        if !maps_id(&self.uid_mappings, self.uid) {
            return Err(Error::invalid(format!("process.user.uid: {} is not mapped by linux.uidMappings", self.uid)));
        }
        if let Some((gid, place)) = self.gids.iter().zip(places()).find(|(gid, _)| !maps_id(&self.gid_mappings, **gid))
        {
            return Err(Error::invalid(format!("{place}: {gid} is not mapped by linux.gidMappings")));
        }
        if matches!(self.maps, Maps::OwnIds | Maps::OwnIdsBySetuid) && self.gids.len() > 1 {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("process.user.additionalGids: user {} may not set groups with a map of one id", caller.uid),
            )
            .with_help("map a range of group ids, for which newgidmap is asked"));
        }
        Ok(())
    }
}

impl Identity {
    /// Nobody becomes somebody else by a setuid-root starter.
    fn check_own(&self, caller: Caller) -> Result<()> {
        let refused = |place: &str, id: u32, own: u32| {
            let text =
                format!("process.user.{place}: {id} is not the caller's own id {own}, which the setuid flow keeps");
            Err(Error::new(ErrorKind::Refused, text)
                .with_help("ask for a user namespace with a range of ids, or say the own ids"))
        };
        match self.gids.as_slice() {
            _ if self.uid != caller.uid => refused("uid", self.uid, caller.uid),
            [gid, ..] if *gid != caller.gid => refused("gid", *gid, caller.gid),
            [_, other, ..] => refused("additionalGids[0]", *other, caller.gid),
            _ => Ok(()),
        }
    }
}

fn who_maps(
    caller: Caller,
    namespace: UserNamespace,
    uid_mappings: &[IdMapping],
    gid_mappings: &[IdMapping],
) -> Result<Maps> {
    let mapped = [("linux.uidMappings", uid_mappings), ("linux.gidMappings", gid_mappings)];
    if namespace != UserNamespace::New {
        if let Some((place, _)) = mapped.iter().find(|(_, mappings)| !mappings.is_empty()) {
            return Err(Error::invalid(format!("{place}: there is no new user namespace to map for")));
        }
        if namespace == UserNamespace::Host && caller.needs_user_namespace() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("linux.namespaces: user {} cannot do without a new user namespace", caller.uid),
            )
            .with_help("`runc spec --rootless` writes a document for an ordinary user"));
        }
        return Ok(Maps::None);
    }
    if let Some((place, _)) = mapped.iter().find(|(_, mappings)| mappings.is_empty()) {
        return Err(Error::invalid(format!("{place}: a new user namespace needs it")));
    }
    if caller.setuid {
        let own = |map: &[IdMapping], id| matches!(map, [one] if one.size == 1 && one.host_id == id);
        let single = own(uid_mappings, caller.uid) && own(gid_mappings, caller.gid);
        return Ok(if single { Maps::OwnIdsBySetuid } else { Maps::Root });
    }
    if caller.is_root() {
        return Ok(Maps::Root);
    }
    let mut single = true;
    for ((place, mappings), own) in mapped.into_iter().zip([caller.uid, caller.gid]) {
        match mappings {
            [one] if one.size == 1 && one.host_id == own => {}
            [one] if one.size == 1 => {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("{place}[0].hostID: {} is not the caller's own id {own}", one.host_id),
                ));
            }
            _ => single = false,
        }
    }
    Ok(if single { Maps::OwnIds } else { Maps::Helpers })
}

/// Reads the lines of one map: none empty, none beyond the last id, no two that overlap.
pub fn mappings(spec: &[LinuxIdMapping], place: &str) -> Result<Vec<IdMapping>> {
    let mut mappings: Vec<IdMapping> = Vec::with_capacity(spec.len());
    for (index, line) in spec.iter().enumerate() {
        let line = IdMapping { container_id: line.container_id(), host_id: line.host_id(), size: line.size() };
        let refused = |why: &str| Err(Error::invalid(format!("{place}[{index}]: {why}")));
        if line.size == 0 {
            return refused("size is 0");
        }
        // The id -1 is none.
        if line.container_id.checked_add(line.size).is_none() || line.host_id.checked_add(line.size).is_none() {
            return refused("goes beyond the last id");
        }
        let meets = |a: u32, b: u32, size: u32| a < b + size && b < a + line.size;
        let overlap = |other: &IdMapping| {
            meets(line.container_id, other.container_id, other.size) || meets(line.host_id, other.host_id, other.size)
        };
        if mappings.iter().any(overlap) {
            return refused("overlaps an earlier line");
        }
        mappings.push(line);
    }
    Ok(mappings)
}

fn maps_id(mappings: &[IdMapping], id: u32) -> bool {
    mappings.iter().any(|line| id.checked_sub(line.container_id).is_some_and(|offset| offset < line.size))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const USER: Caller = Caller { uid: 1000, gid: 1000, setuid: false };
    const SETUID: Caller = Caller { setuid: true, ..USER };
    const ROOT: Caller = Caller { uid: 0, gid: 0, setuid: false };

    fn decide(caller: Caller, namespace: UserNamespace, user: Value, uids: Value, gids: Value) -> Result<Identity> {
        let user: User = serde_json::from_value(user).expect("user");
        let uids: Vec<LinuxIdMapping> = serde_json::from_value(uids).expect("map");
        let gids: Vec<LinuxIdMapping> = serde_json::from_value(gids).expect("map");
        Identity::decide(caller, namespace, Some(&user), &uids, &gids)
    }

    fn line(container: u32, host: u32, size: u32) -> Value {
        json!({"containerID": container, "hostID": host, "size": size})
    }

    #[test]
    fn who_writes_the_maps() {
        let own = || json!([line(0, 1000, 1)]);
        let range = || json!([line(0, 1000, 1), line(1, 100_000, 65536)]);
        let user = || json!({"uid": 0, "gid": 0});
        let maps = |caller, uids, gids| decide(caller, UserNamespace::New, user(), uids, gids).expect("identity").maps;
        assert_eq!(maps(USER, own(), own()), Maps::OwnIds);
        assert_eq!(maps(USER, range(), range()), Maps::Helpers);
        assert_eq!(maps(USER, own(), range()), Maps::Helpers);
        assert_eq!(maps(ROOT, range(), range()), Maps::Root);
        assert_eq!(maps(SETUID, range(), range()), Maps::Root);
        assert_eq!(maps(SETUID, own(), own()), Maps::OwnIdsBySetuid);
        let host = decide(
            ROOT,
            UserNamespace::Host,
            json!({"uid": 5, "gid": 6, "additionalGids": [7, 6, 7]}),
            json!([]),
            json!([]),
        );
        let host = host.expect("identity");
        assert_eq!((host.maps, host.uid, host.gids), (Maps::None, 5, vec![6, 7]));
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_by_name() {
        let own = || json!([line(0, 1000, 1)]);
        let none = || json!([]);
        let user = |uid: u32| json!({"uid": uid, "gid": 0});
        use UserNamespace::{Host, Joined, New};
        for (caller, namespace, user, uids, gids, error) in [
            (USER, Host, user(0), none(), none(), "linux.namespaces: user 1000 cannot do without a new user namespace"),
            (ROOT, Host, user(0), own(), none(), "linux.uidMappings: there is no new user namespace to map for"),
            (USER, Joined, user(0), none(), own(), "linux.gidMappings: there is no new user namespace to map for"),
            (USER, New, user(0), none(), own(), "linux.uidMappings: a new user namespace needs it"),
            (USER, New, user(0), own(), none(), "linux.gidMappings: a new user namespace needs it"),
            (
                USER,
                New,
                user(0),
                json!([line(0, 0, 1)]),
                own(),
                "linux.uidMappings[0].hostID: 0 is not the caller's own id 1000",
            ),
            (USER, New, user(1), own(), own(), "process.user.uid: 1 is not mapped by linux.uidMappings"),
            (
                USER,
                New,
                json!({"uid": 0, "gid": 2}),
                own(),
                own(),
                "process.user.gid: 2 is not mapped by linux.gidMappings",
            ),
            (
                USER,
                New,
                json!({"uid": 0, "gid": 0, "additionalGids": [0, 9]}),
                own(),
                own(),
                "process.user.additionalGids[1]: 9 is not mapped by linux.gidMappings",
            ),
            (
                USER,
                New,
                json!({"uid": 0, "gid": 0, "additionalGids": [0]}),
                own(),
                own(),
                "process.user.additionalGids: user 1000 may not set groups with a map of one id",
            ),
            (
                SETUID,
                Host,
                user(0),
                none(),
                none(),
                "process.user.uid: 0 is not the caller's own id 1000, which the setuid flow keeps",
            ),
            (
                SETUID,
                Host,
                json!({"uid": 1000, "gid": 6}),
                none(),
                none(),
                "process.user.gid: 6 is not the caller's own id 1000, which the setuid flow keeps",
            ),
            (
                SETUID,
                Host,
                json!({"uid": 1000, "gid": 1000, "additionalGids": [6]}),
                none(),
                none(),
                "process.user.additionalGids[0]: 6 is not the caller's own id 1000, which the setuid flow keeps",
            ),
            (ROOT, Host, user(u32::MAX), none(), none(), "process.user.uid: 4294967295 is no id"),
            (ROOT, New, user(0), json!([line(0, 1, 0)]), own(), "linux.uidMappings[0]: size is 0"),
            (ROOT, New, user(0), json!([line(1, 0, u32::MAX)]), own(), "linux.uidMappings[0]: goes beyond the last id"),
            (
                ROOT,
                New,
                user(0),
                json!([line(0, 10, 5), line(20, 14, 2)]),
                own(),
                "linux.uidMappings[1]: overlaps an earlier line",
            ),
        ] {
            let result = decide(caller, namespace, user, uids, gids);
            assert_eq!(result.expect_err(error).to_string(), error);
        }
    }
}
