// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each process of a flow may have at each moment, as data. It is the contract's table, and taken from nothing
//! that the core says of itself.
//!
//! Moments are the callback that the process is in, or what it does besides. Ids are as the host sees them.

use libc::{SIGKILL, SIGTERM};

/// The ids of users and of groups.
#[derive(Clone, Copy, Debug)]
pub enum Ids {
    /// All four the caller's.
    Caller,
    /// All four the container's target.
    Target,
    /// The caller's, with root's saved: u/u/0/u.
    SavedRoot,
    /// Root's, with the caller's as the real ones and for files: u/0/0/u.
    RootButFiles,
}

/// A capability set.
#[derive(Clone, Copy, Debug)]
pub enum Set {
    None,
    /// The one with which the caller came.
    Callers,
    /// All that the kernel knows.
    Full,
    /// What the kernel gives to a setuid-root program: all of the caller's bounding set.
    Setuid,
    /// The same without those that go with a file system user id of root's (setfsuid(2)).
    SetuidButFiles,
    Only(u64),
    /// As the configuration says.
    Configured,
    /// What the kernel makes of that when a program is executed.
    Executed,
}

/// Whether no_new_privs is set.
#[derive(Clone, Copy, Debug)]
pub enum NoNewPrivs {
    /// As it was for the caller.
    Callers,
    Configured,
}

/// Whether another process of the same user may look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumpable {
    Yes,
    No,
    /// Unless it has target ids: the kernel hides a process that has changed its own.
    UnlessTarget,
    /// Unless it has gained capabilities as it executed a program: the kernel then hides it, and forgets its death
    /// signal.
    UnlessGained,
}

/// How many threads there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One: it may still make processes, or has no runtime of a language.
    One,
    /// Those of its role: one, a Go runtime's, or those of an engine that monitors.
    Role,
}

/// Where a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Host,
    Master,
    Container,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub role: &'static str,
    pub moments: &'static [&'static str],
    pub ids: Ids,
    pub effective: Set,
    pub permitted: Set,
    pub inheritable: Set,
    pub bounding: Set,
    pub ambient: Set,
    pub no_new_privs: NoNewPrivs,
    pub securebits: i64,
    pub dumpable: Dumpable,
    pub death_signal: i32,
    pub threads: Threads,
    pub place: Place,
}

/// What a process does that is in no callback.
pub const WAITS: &str = "waits";
/// The container's program.
pub const PROGRAM: &str = "program";
/// What the starter does while an instance's master, which is a process of its own, starts the container.
pub const INSTANCE: &str = "waits for the instance";

/// Master's moments. It is in MonitorContainer beside every other callback; where the core monitors, it waits there.
const MASTERS: &[&str] =
    &["CreateContainer", "PreStartProcess", "PostStartProcess", "MonitorContainer", "CleanupContainer", WAITS];

const KEEP_CAPS: i64 = 0x10;

const fn set(bits: &[u32]) -> Set {
    let (mut all, mut at) = (0, 0);
    while at < bits.len() {
        all |= 1 << bits[at];
        at += 1;
    }
    Set::Only(all)
}

const SETGID: u32 = 6;
const SETUID: u32 = 7;
const IPC_LOCK: u32 = 14;
const SYS_ADMIN: u32 = 21;
const MKNOD: u32 = 27;

/// Root as it came: a drop to the real user is none for it.
const ROOTS: Row = Row {
    role: "starter",
    moments: &[WAITS],
    ids: Ids::Caller,
    effective: Set::Callers,
    permitted: Set::Callers,
    inheritable: Set::Callers,
    bounding: Set::Callers,
    ambient: Set::Callers,
    no_new_privs: NoNewPrivs::Callers,
    securebits: 0,
    dumpable: Dumpable::Yes,
    death_signal: 0,
    threads: Threads::One,
    place: Place::Host,
};

/// An ordinary user, with no capability at all.
const USERS: Row =
    Row { effective: Set::None, permitted: Set::None, inheritable: Set::None, ambient: Set::None, ..ROOTS };

/// The processes that stay on the host and have what `base` has.
const fn on_host(base: Row) -> [Row; 8] {
    let waiting = Row { death_signal: SIGTERM, moments: &[WAITS], ..base };
    let cleaning = Row { death_signal: 0, threads: Threads::Role, moments: &["CleanupHost"], ..base };
    [
        Row { inheritable: Set::Callers, ..base },
        Row { role: "stage1", moments: &["PrepareConfig"], death_signal: SIGKILL, threads: Threads::Role, ..base },
        Row { role: "post-start-host", ..waiting },
        Row { role: "post-start-host", moments: &["PostStartHost"], threads: Threads::Role, ..waiting },
        Row { role: "cleanup-host", ..waiting },
        Row { role: "cleanup-spare", ..waiting },
        // Master's death is what they are there for: it must not end them in the middle.
        Row { role: "cleanup-host", ..cleaning },
        Row { role: "cleanup-spare", ..cleaning },
    ]
}

/// Root calls: target ids are applied, groups replaced.
pub const ROOT_ON_HOST: &[Row] = &on_host(ROOTS);

/// An ordinary user calls.
pub const USER_ON_HOST: &[Row] = &on_host(USERS);

/// Master and the container's processes, which have what `base` has until the container's own privileges are applied.
const fn with_container(base: Row) -> [Row; 4] {
    let inside = Row { death_signal: SIGKILL, place: Place::Container, ..base };
    [
        Row { role: "master", moments: MASTERS, threads: Threads::Role, place: Place::Master, ..base },
        Row { role: "container", moments: &[WAITS], ..inside },
        Row { role: "rpc-server", moments: &[WAITS], threads: Threads::Role, ..inside },
        STARTING,
    ]
}

/// The container's own privileges.
const OWN: Row = Row {
    role: "stage2",
    moments: &[PROGRAM],
    ids: Ids::Target,
    effective: Set::Configured,
    permitted: Set::Configured,
    inheritable: Set::Configured,
    bounding: Set::Configured,
    ambient: Set::Configured,
    no_new_privs: NoNewPrivs::Configured,
    death_signal: SIGKILL,
    place: Place::Container,
    ..ROOTS
};

/// Stage 2 with them, before it executes the program.
const STARTING: Row =
    Row { moments: &["StartProcess"], dumpable: Dumpable::UnlessTarget, threads: Threads::Role, ..OWN };

/// Its program. The kernel keeps the death signal: with master's end the program ends as well.
pub const EXECUTED: &[Row] =
    &[Row { effective: Set::Executed, permitted: Set::Executed, dumpable: Dumpable::UnlessGained, ..OWN }];

/// Root, in no user namespace.
pub const ROOT: &[Row] = &with_container(ROOTS);

/// All of the container's user namespace, and nothing of the host's.
const OF_NAMESPACE: Row = Row { effective: Set::Full, permitted: Set::Full, bounding: Set::Full, ..USERS };

/// An ordinary user, in a new user namespace.
pub const NAMESPACE: &[Row] = &with_container(OF_NAMESPACE);

/// A running container is joined: master has no engine, and what a drop to the real user leaves to it.
pub const JOIN_ROOT: &[Row] = &[Row { role: "master", place: Place::Master, ..ROOTS }, STARTING];

/// The real user owns the namespace and is its root, to whom a drop leaves what there is in it.
pub const JOIN_USER: &[Row] = &[Row { role: "master", place: Place::Master, ..OF_NAMESPACE }, STARTING];

/// The setuid file, called by an ordinary user. The page proposes more than the specification has: a bounding set of
/// none and no_new_privs for stage 1, no_new_privs for the RPC server, fewer permitted capabilities for both it and
/// master. Engines execute setuid programs in stage 1 and cryptsetup by the server, and methods of their own may need
/// any capability.
const SETUID_USERS: Row = Row { dumpable: Dumpable::No, ..USERS };

/// The setuid flow's processes on the host.
pub const SETUID_ON_HOST: &[Row] = &{
    let mut rows = on_host(SETUID_USERS);
    rows[0] = Row { ids: Ids::SavedRoot, permitted: Set::Setuid, ..rows[0] };
    rows
};

/// Its inheritable set is empty, which is stricter than the reference's full one.
const SETUID_MASTER: Row = Row {
    role: "master",
    moments: MASTERS,
    effective: set(&[SETGID, SETUID]),
    permitted: Set::Setuid,
    securebits: KEEP_CAPS,
    threads: Threads::Role,
    place: Place::Master,
    ..SETUID_USERS
};

/// Root for the kernel, the user for files.
const SETUID_CONTAINER: Row = Row {
    role: "container",
    ids: Ids::RootButFiles,
    effective: Set::SetuidButFiles,
    permitted: Set::Setuid,
    death_signal: SIGKILL,
    place: Place::Container,
    ..SETUID_USERS
};

/// While it answers nothing. What it has in a method is in rust/tests/rpc_capabilities.rs, method by method.
const SETUID_SERVER: Row = Row {
    role: "rpc-server",
    effective: set(&[SYS_ADMIN]),
    permitted: Set::Setuid,
    bounding: set(&[IPC_LOCK, SYS_ADMIN, MKNOD]),
    securebits: KEEP_CAPS,
    death_signal: SIGKILL,
    threads: Threads::Role,
    place: Place::Container,
    ..SETUID_USERS
};

/// Master and the container's processes of the setuid flow.
pub const SETUID_FLOW: &[Row] =
    &[SETUID_MASTER, SETUID_CONTAINER, SETUID_SERVER, Row { dumpable: Dumpable::No, ..STARTING }];

/// The container alone in a new user namespace with ranges: master stays on the host. Until the container's own
/// privileges are applied its processes are as hidden as the program that they come from; then a later join, without
/// root, is to find the namespaces.
pub const SETUID_HYBRID: &[Row] = &{
    let [_, container, server, _] = with_container(Row { dumpable: Dumpable::No, ..OF_NAMESPACE });
    // The table gives it all of the namespace; step 15 of the specification the sets of every setuid start.
    let server = Row {
        effective: set(&[SYS_ADMIN]),
        bounding: set(&[IPC_LOCK, SYS_ADMIN, MKNOD]),
        securebits: KEEP_CAPS,
        ..server
    };
    [SETUID_MASTER, container, server, STARTING]
};

/// A running container is joined: master drops root's id, which has opened the namespaces.
pub const JOIN_SETUID: &[Row] =
    &[Row { role: "master", place: Place::Master, ..SETUID_USERS }, Row { dumpable: Dumpable::No, ..STARTING }];

/// The starter that waits until an instance runs has dropped for good, and nothing to do with the container.
const fn waits_for_instance(base: Row) -> [Row; 1] {
    [Row { moments: &[INSTANCE], ..base }]
}

/// It, called by root.
pub const INSTANCE_OF_ROOT: &[Row] = &waits_for_instance(ROOTS);

/// It, called by an ordinary user.
pub const INSTANCE_OF_USER: &[Row] = &waits_for_instance(USERS);

/// It, the setuid file.
pub const INSTANCE_OF_SETUID: &[Row] = &waits_for_instance(SETUID_USERS);
