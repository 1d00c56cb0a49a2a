// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table: what is set, in which flows, and what comes of it there.

use crate::flows::{FLOWS, Flow};
use crate::sight::See;
use Verdict::{Is, Nothing, Refused, Sees};

/// What comes of a setter in a flow.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// The observer sees this, and something else without the setter.
    Sees(&'static str),
    /// The observer sees this.
    Is(&'static str),
    /// The start is refused, nothing of the container runs, and standard error has these words.
    Refused(&'static str),
    /// It has no say there, for this reason: the observer sees the same with it and without.
    Nothing(&'static str),
}

/// One setter in some flows.
pub struct Row {
    /// Its name in the family's Go packages.
    pub setter: &'static str,
    /// The letters of the flows.
    pub in_flows: &'static str,
    /// What the flow's configuration is changed by where the setter is not called, or has been called otherwise.
    pub without: &'static str,
    /// The same with the setter.
    pub with: &'static str,
    pub see: See,
    pub verdict: Verdict,
    /// Words of a command under which it is started.
    pub around: &'static [&'static str],
    /// Whether the starter begins late, with the engine that has no RPC methods of its own.
    pub late: bool,
}

impl Row {
    pub fn flows(&self) -> impl Iterator<Item = &'static Flow> {
        self.in_flows.chars().map(|letter| FLOWS.iter().find(|flow| flow.letter == letter).expect("a flow's letter"))
    }

    const fn around(self, around: &'static [&'static str]) -> Row {
        Row { around, ..self }
    }

    const fn late(self) -> Row {
        Row { late: true, ..self }
    }
}

const fn effect(
    setter: &'static str,
    in_flows: &'static str,
    without: &'static str,
    with: &'static str,
    see: See,
    verdict: Verdict,
) -> Row {
    Row { setter, in_flows, without, with, see, verdict, around: &[], late: false }
}

const fn refused(setter: &'static str, in_flows: &'static str, with: &'static str, words: &'static str) -> Row {
    effect(setter, in_flows, "{}", with, See::Exit, Refused(words))
}

const fn getter(setter: &'static str, in_flows: &'static str, see: See, text: &'static str) -> Row {
    effect(setter, in_flows, "{}", "{}", see, Is(text))
}

/// Every flow.
const ALL: &str = "rufjshRUFJSHopq";
/// Those that make a container.
const START: &str = "rufjshRUFJSH";
/// Those that only join one.
const JOIN: &str = "opq";

const NO_SERVER: Verdict = Nothing("there is no RPC server");
const OWN_IDS: Verdict = Nothing("who is not root of its user namespace keeps its ids");
const RANGES: &str = r#"{"hybrid": true, "map_helpers": true, "uid_map": [[0, 1000, 1], [1, 100000, 65536]], "gid_map": [[0, 1000, 1], [1, 100000, 65536]]}"#;

/// 1000 is the tests' ordinary user, whose ranges begin at 100,000: user 5 of its containers is 100,004 on the host.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    getter("GetIsSUID", "rufjRUFJop", See::Told("suid"), "false"),
    getter("GetIsSUID", "shSHq", See::Told("suid"), "true"),
    getter("GetContainerPid", ALL, See::Told("container"), "0"),
    getter("GetJSONConfig", ALL, See::Told("document"), r#"{"engineName":"probe"#),

    effect("Write", ALL, "{}", r#"{"write": "hello"}"#, See::Told("document"), Sees(r#""hello""#)),
    // What the engine's own object has become is written when PrepareConfig has returned.
    effect("Write", ALL, "{}", r#"{"write": "hello"}"#, See::Changed, Is("true")),

    effect("SetInstance", "rufjsh", "{}", r#"{"instance": true}"#, See::Session, Sees("its own session, umask 0")),
    effect("SetInstance", "rufjsh", "{}", r#"{"instance": true}"#, See::Exit, Sees("0")),
    effect("SetInstance", "RUFJSH", "{}", r#"{"instance": false}"#, See::Session, Sees("the caller's session, the caller's umask")),
    effect("SetInstance", "RUFJSH", "{}", r#"{"instance": false}"#, See::Exit, Sees("7")),
    refused("SetInstance", JOIN, r#"{"instance": true}"#, "an instance cannot only join"),

    effect("SetNoNewPrivs", ALL, "{}", r#"{"no_new_privs": true}"#, See::Status("NoNewPrivs"), Sees("1")),

    effect("SetMasterPropagateMount", "rufshRUFSH", "{}", r#"{"share_mounts": true}"#, See::SharedMounts, Sees("with master")),
    effect("SetMasterPropagateMount", "jJ", "{}", r#"{"share_mounts": true}"#, See::SharedMounts, Nothing("mounts are shared only where no user namespace is joined")),
    effect("SetMasterPropagateMount", JOIN, "{}", r#"{"share_mounts": true}"#, See::SharedMounts, Nothing("no mount namespace is made")),

    effect("SetNamespaceJoinOnly", "rufjsh", "{}", r#"{"join_only": true}"#, See::Workers, Sees("no RPC server, no engine in master")),
    effect("SetNamespaceJoinOnly", "oq", "{}", r#"{"join_only": false}"#, See::Workers, Sees("an RPC server, an engine in master")),
    refused("SetNamespaceJoinOnly", "p", r#"{"join_only": false}"#, "a PID namespace joined with its user namespace"),
    refused("SetNamespaceJoinOnly", "RUFJSH", r#"{"join_only": true}"#, "an instance cannot only join"),

    effect("SetBringLoopbackInterface", START, r#"{"+create": ["network"]}"#, r#"{"+create": ["network"], "loopback": true}"#, See::Loopback, Sees("up")),
    effect("SetBringLoopbackInterface", "rjsRJS", JOINED_NETWORK, JOINED_NETWORK_UP, See::Loopback, Nothing("the network namespace is another container's")),
    effect("SetBringLoopbackInterface", JOIN, "{}", r#"{"loopback": true}"#, See::Loopback, Nothing("the network namespace is another container's")),

    // What is copied from a shared mount is shared, and for the new user namespace's mount namespace a slave.
    effect("SetMountPropagation", "rsRS", r#"{"propagation": "rprivate"}"#, r#"{"propagation": "rshared"}"#, See::Propagation, Sees("/ shared, /proc shared")),
    effect("SetMountPropagation", "rsRS", "{}", r#"{"propagation": "rslave"}"#, See::Propagation, Sees("/ slave, /proc slave")),
    effect("SetMountPropagation", "rsRS", "{}", r#"{"propagation": "slave"}"#, See::Propagation, Sees("/ slave, /proc shared")),
    effect("SetMountPropagation", "rsRS", "{}", r#"{"propagation": "rprivate"}"#, See::Propagation, Sees("/ private, /proc private")),
    effect("SetMountPropagation", "rsRS", "{}", r#"{"propagation": "private"}"#, See::Propagation, Sees("/ private, /proc shared")),
    effect("SetMountPropagation", "rsRS", "{}", r#"{"propagation": "runbindable"}"#, See::Propagation, Sees("/ unbindable, /proc unbindable")),
    effect("SetMountPropagation", "rsRS", "{}", r#"{"propagation": "unbindable"}"#, See::Propagation, Sees("/ unbindable, /proc shared")),
    effect("SetMountPropagation", "ufjhUFJH", "{}", r#"{"propagation": "rshared"}"#, See::Propagation, Sees("/ shared slave, /proc shared slave")),
    effect("SetMountPropagation", "ufjhUFJH", "{}", r#"{"propagation": "shared"}"#, See::Propagation, Sees("/ shared slave, /proc slave")),
    effect("SetMountPropagation", "ufjhUFJH", r#"{"propagation": "rprivate"}"#, r#"{"propagation": "rslave"}"#, See::Propagation, Sees("/ slave, /proc slave")),
    effect("SetMountPropagation", "ufjhUFJH", "{}", r#"{"propagation": "rprivate"}"#, See::Propagation, Sees("/ private, /proc private")),
    effect("SetMountPropagation", "ufjhUFJH", "{}", r#"{"propagation": "private"}"#, See::Propagation, Sees("/ private, /proc slave")),
    effect("SetMountPropagation", "ufjhUFJH", "{}", r#"{"propagation": "runbindable"}"#, See::Propagation, Sees("/ unbindable, /proc unbindable")),
    // A namespace that master shares is private towards the host unless another word is set, and spreads to master in any case.
    effect("SetMountPropagation", "rufshRUFSH", r#"{"share_mounts": true}"#, r#"{"share_mounts": true, "propagation": "rslave"}"#, See::Propagation, Sees("/ shared slave, /proc shared slave")),
    effect("SetMountPropagation", JOIN, "{}", r#"{"propagation": "rprivate"}"#, See::Propagation, Nothing("no mount namespace is made")),
    refused("SetMountPropagation", ALL, r#"{"propagation": "none"}"#, r#"mount propagation "none" is unknown"#),

    effect("SetWorkingDirectoryFd", START, "{}", r#"{"working_directory": "/usr"}"#, See::Directories, Sees("master /usr, container /usr")),
    // Who joins a mount namespace is in its root directory.
    effect("SetWorkingDirectoryFd", JOIN, "{}", r#"{"working_directory": "/usr"}"#, See::Directories, Sees("master /usr, container /")),
    effect("SetWorkingDirectoryFd", "rufshRUFSH", "{}", r#"{"working_directory": "/usr", "share_mounts": true}"#, See::Directories, Sees("master /usr, container /usr")),
    refused("SetWorkingDirectoryFd", ALL, r#"{"working_directory": "/etc/passwd"}"#, "change to the working directory that PrepareConfig set"),

    effect("SetImageFd", ALL, "{}", r#"{"image": "/etc/group"}"#, See::Image, Sees("master, stage2")),
    effect("SetImageFd", ALL, "{}", r#"{"image": "/etc/group"}"#, See::ImageAtCleanUp, Is("nobody")),
    effect("SetImageFd", ALL, "{}", r#"{"image": "/etc/group", "+join": {"ipc": "/none"}}"#, See::ImageAtCleanUp, Is("nobody")),
    effect("GetImageFd", ALL, "{}", r#"{"image": "/etc/group"}"#, See::Told("image"), Sees("/etc/group")),

    effect("KeepFileDescriptor", ALL, "{}", r#"{"keep": ["/etc/passwd"]}"#, See::Kept, Sees(r#"as in master, close-on-exec, inside ["/etc/passwd"]"#)),
    effect("KeepFileDescriptor", START, "{}", r#"{"keep": ["/etc/passwd"]}"#, See::ServerKept, Sees("as in master, close-on-exec")),
    effect("KeepFileDescriptor", JOIN, "{}", r#"{"keep": ["/etc/passwd"]}"#, See::ServerKept, NO_SERVER),
    refused("KeepFileDescriptor", ALL, r#"{"keep": "$MANY"}"#, "1024 are kept already, the most possible"),

    effect("SetNvCCLICaps", "shSH", "{}", r#"{"nvccli": true}"#, See::ServerBounding, Sees("00000000082c51ef")),
    effect("SetNvCCLICaps", "rufjRUFJ", "{}", r#"{"nvccli": true}"#, See::ServerBounding, Nothing("the server has the whole bounding set of its caller or its user namespace")),
    effect("SetNvCCLICaps", JOIN, "{}", r#"{"nvccli": true}"#, See::ServerBounding, NO_SERVER),

    effect("SetHybridWorkflow", "uU", "{}", RANGES, See::File("uid_map"), Sees("0 1000 1, 1 100000 65536")),
    effect("SetHybridWorkflow", "hH", "{}", "{}", See::MasterUser, Is("the host's")),
    effect("SetHybridWorkflow", "fF", "{}", "{}", See::MasterUser, Is("the container's")),
    refused("SetHybridWorkflow", "hH", r#"{"hybrid": false}"#, "setuid with user namespace is not allowed"),
    refused("SetHybridWorkflow", "fF", r#"{"hybrid": false}"#, "newuidmap and newgidmap need the hybrid workflow"),
    refused("SetHybridWorkflow", "rjsRJSopq", r#"{"hybrid": true}"#, "the hybrid workflow needs a new user namespace"),

    effect("SetAllowSetgroups", "rRo", r#"{"target_gids": [5, 6]}"#, r#"{"target_gids": [5, 6], "allow_setgroups": true}"#, See::Status("Groups"), Nothing("root may set groups")),
    effect("SetAllowSetgroups", "fF", "{}", r#"{"allow_setgroups": true}"#, See::File("setgroups"), Nothing("newgidmap decides, and allows it for ranges")),
    effect("SetAllowSetgroups", "fF", NOT_ROOT_GROUPS, NOT_ROOT_ALLOW, See::Status("Groups"), Sees("100004 100005")),
    effect("SetAllowSetgroups", "jJp", r#"{"target_gids": [5, 6]}"#, r#"{"target_gids": [5, 6], "allow_setgroups": true}"#, See::Status("Groups"), Nothing("the root of the user namespace may set groups")),
    effect("SetAllowSetgroups", "hH", "{}", r#"{"allow_setgroups": true}"#, See::File("setgroups"), Sees("allow")),
    effect("SetAllowSetgroups", "hH", NOT_ROOT_GROUPS, NOT_ROOT_ALLOW, See::Status("Groups"), Sees("100004 100005")),
    refused("SetAllowSetgroups", "uU", r#"{"allow_setgroups": true}"#, "setgroups is not allowed in a user namespace whose group id map is written without CAP_SETGID"),
    refused("SetAllowSetgroups", "hH", r#"{"allow_setgroups": true, "gid_map": [[0, 1000, 1]]}"#, "setgroups with a map of nothing but the own group"),
    refused("SetAllowSetgroups", "sSq", r#"{"allow_setgroups": true}"#, "setgroups is not allowed in the setuid flow without a user namespace"),

    effect("SetNoSetgroups", "rfjRFJop", r#"{"target_gids": [5, 6]}"#, r#"{"target_gids": [5, 6], "no_setgroups": true}"#, See::Status("Groups"), Sees("27 50")),
    effect("SetNoSetgroups", "hH", r#"{"target_gids": [5, 6], "allow_setgroups": true}"#, r#"{"target_gids": [5, 6], "allow_setgroups": true, "no_setgroups": true}"#, See::Status("Groups"), Sees("27 50")),
    // Without it the start is refused.
    effect("SetNoSetgroups", "uUhH", r#"{"target_gids": [0]}"#, r#"{"target_gids": [0], "no_setgroups": true}"#, See::Status("Groups"), Sees("27 50")),
    effect("SetNoSetgroups", "sSq", "{}", r#"{"no_setgroups": true}"#, See::Status("Groups"), Nothing("the caller's groups stay in any case")),

    effect("AddUIDMappings", "uU", "{}", r#"{"uid_map": [[7, 1000, 1]]}"#, See::File("uid_map"), Sees("7 1000 1")),
    effect("AddUIDMappings", "fhFH", "{}", r#"{"uid_map": [[0, 1000, 1], [1, 100000, 10]]}"#, See::File("uid_map"), Sees("0 1000 1, 1 100000 10")),
    refused("AddUIDMappings", "uU", r#"{"uid_map": [[0, 0, 1]]}"#, "uid_map of the container process"),
    refused("AddUIDMappings", "fhFH", r#"{"uid_map": [[0, 1000, 1], [1, 1, 10]]}"#, "/etc/subuid"),
    refused("AddUIDMappings", "rjsRJSopq", r#"{"uid_map": [[0, 1000, 1]]}"#, "id maps without a new user namespace"),
    refused("AddUIDMappings", ALL, r#"{"uid_map": [[0, 1000, 1], [0, 5, 1]]}"#, "user id map"),
    effect("AddGIDMappings", "uU", "{}", r#"{"gid_map": [[7, 1000, 1]]}"#, See::File("gid_map"), Sees("7 1000 1")),
    effect("AddGIDMappings", "fhFH", "{}", r#"{"gid_map": [[0, 1000, 1], [1, 100000, 10]]}"#, See::File("gid_map"), Sees("0 1000 1, 1 100000 10")),
    refused("AddGIDMappings", "uU", r#"{"gid_map": [[0, 0, 1]]}"#, "gid_map of the container process"),
    refused("AddGIDMappings", "fhFH", r#"{"gid_map": [[0, 1000, 1], [1, 1, 10]]}"#, "/etc/subgid"),
    refused("AddGIDMappings", "rjsRJSopq", r#"{"gid_map": [[0, 1000, 1]]}"#, "id maps without a new user namespace"),
    refused("AddGIDMappings", ALL, r#"{"gid_map": [[0, 1000, 1], [0, 5, 1]]}"#, "group id map"),

    // One is of no use without the other. Without them the map is one that an ordinary user may not write.
    effect("SetNewUIDMapPath", "fF", r#"{"map_helpers": false}"#, "{}", See::File("uid_map"), Sees("0 1000 1, 1 100000 65536")),
    refused("SetNewUIDMapPath", "rujRUJop", r#"{"map_helpers": true}"#, "newuidmap and newgidmap need the hybrid workflow"),
    refused("SetNewUIDMapPath", "shSHq", r#"{"map_helpers": true}"#, "not possible in the setuid flow"),
    effect("SetNewGIDMapPath", "fF", r#"{"map_helpers": false}"#, "{}", See::File("gid_map"), Sees("0 1000 1, 1 100000 65536")),
    refused("SetNewGIDMapPath", "rujRUJop", r#"{"map_helpers": true}"#, "newuidmap and newgidmap need the hybrid workflow"),
    refused("SetNewGIDMapPath", "shSHq", r#"{"map_helpers": true}"#, "not possible in the setuid flow"),

    // CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID; then CLONE_NEWUSER with them; CLONE_NEWIPC alone.
    effect("SetNsFlags", "rsRS", "{}", r#"{"ns_flags": 738328576}"#, See::Namespaces, Sees("new: ipc mnt pid uts")),
    effect("SetNsFlags", "jJ", "{}", r#"{"ns_flags": 738328576}"#, See::Namespaces, Sees("joined: user; new: ipc mnt pid uts")),
    effect("SetNsFlags", "ufhUFH", "{}", r#"{"ns_flags": 1006764032}"#, See::Namespaces, Sees("new: ipc mnt pid user uts")),
    effect("SetNsFlags", "oq", "{}", r#"{"ns_flags": 134217728}"#, See::Namespaces, Sees("joined: mnt net pid uts; new: ipc")),
    effect("SetNsFlags", "p", "{}", r#"{"ns_flags": 134217728}"#, See::Namespaces, Sees("joined: mnt net pid user uts; new: ipc")),
    refused("SetNsFlags", ALL, r#"{"ns_flags": 1}"#, "are no namespaces"),
    refused("SetNsFlags", "sSq", r#"{"ns_flags": 1006764032}"#, "setuid with user namespace is not allowed"),
    effect("SetNsFlagsFromSpec", "rsRS", "{}", r#"{"+create": ["cgroup"]}"#, See::Namespaces, Sees("new: cgroup mnt pid uts")),
    effect("SetNsFlagsFromSpec", "jJ", "{}", r#"{"+create": ["cgroup"]}"#, See::Namespaces, Sees("joined: user; new: cgroup mnt pid uts")),
    effect("SetNsFlagsFromSpec", "ufhUFH", "{}", r#"{"+create": ["cgroup"]}"#, See::Namespaces, Sees("new: cgroup mnt pid user uts")),
    effect("SetNsFlagsFromSpec", "oq", "{}", r#"{"+create": ["cgroup"]}"#, See::Namespaces, Sees("joined: mnt net pid uts; new: cgroup")),
    effect("SetNsFlagsFromSpec", "p", "{}", r#"{"+create": ["cgroup"]}"#, See::Namespaces, Sees("joined: mnt net pid user uts; new: cgroup")),
    refused("SetNsFlagsFromSpec", ALL, r#"{"+create": ["disk"]}"#, r#"namespace "disk" is unknown"#),
    refused("SetNsFlagsFromSpec", "sSq", r#"{"+create": ["user"]}"#, "setuid with user namespace is not allowed"),

    effect("SetNsPath", "rsRS", "{}", FOUR, See::Namespaces, Sees("joined: cgroup ipc net uts; new: mnt pid")),
    effect("SetNsPath", "jJ", "{}", FOUR, See::Namespaces, Sees("joined: cgroup ipc net user uts; new: mnt pid")),
    effect("SetNsPath", "rsRS", "{}", r#"{"+join": {"pid": "$TARGET/ns/pid"}}"#, See::Namespaces, Sees("joined: pid; new: mnt uts")),
    refused("SetNsPath", "jJ", r#"{"+join": {"pid": "$TARGET/ns/pid"}}"#, "a PID namespace joined with its user namespace"),
    effect("SetNsPath", "rsRS", "{}", r#"{"+join": {"mount": "$TARGET/ns/mnt"}}"#, See::Namespaces, Sees("joined: mnt; new: pid uts")),
    effect("SetNsPath", "jJ", "{}", r#"{"+join": {"mount": "$TARGET/ns/mnt"}}"#, See::Namespaces, Sees("joined: mnt user; new: pid uts")),
    effect("SetNsPath", "oq", "{}", FOUR, See::Namespaces, Sees("joined: cgroup ipc mnt net pid uts")),
    effect("SetNsPath", "p", "{}", FOUR, See::Namespaces, Sees("joined: cgroup ipc mnt net pid user uts")),
    effect("SetNsPath", "oq", "{}", r#"{"create": ["mount"], "join": {"pid": "$TARGET/ns/pid"}}"#, See::Namespaces, Sees("joined: pid; new: mnt")),
    effect("SetNsPath", "p", "{}", r#"{"create": ["mount"], "join": {"pid": "$TARGET/ns/pid", "user": "$TARGET/ns/user"}}"#, See::Namespaces, Sees("joined: pid user; new: mnt")),
    // A container of a user namespace beside it, or of the host's.
    refused("SetNsPath", "ufhUFH", r#"{"+join": {"uts": "$TARGET/ns/uts"}}"#, "join the uts namespace"),
    refused("SetNsPath", "sSq", r#"{"+join": {"user": "/proc/self/ns/user"}}"#, "setuid with user namespace is not allowed"),
    refused("SetNsPath", "hH", r#"{"+join": {"user": "/proc/self/ns/user"}}"#, "the hybrid workflow needs a new user namespace"),
    refused("SetNsPath", ALL, r#"{"+join": {"ipc": "/none"}}"#, r#"open the ipc namespace "/none" to join it"#),
    refused("SetNsPath", ALL, r#"{"+join": {"ipc": "/etc/passwd"}}"#, r#"join the ipc namespace "/etc/passwd""#),
    refused("SetNsPath", ALL, r#"{"+join": {"disk": "/x"}}"#, r#"namespace "disk" is unknown"#),
    effect("SetNsPathFromSpec", "rsRS", "{}", r#"{"join_spec": {"uts": "$TARGET/ns/uts"}}"#, See::Namespaces, Sees("joined: uts; new: mnt pid")),
    effect("SetNsPathFromSpec", "jJ", "{}", r#"{"join_spec": {"uts": "$TARGET/ns/uts"}}"#, See::Namespaces, Sees("joined: user uts; new: mnt pid")),
    effect("SetNsPathFromSpec", "oq", "{}", r#"{"join_spec": {"ipc": "$TARGET/ns/ipc"}}"#, See::Namespaces, Sees("joined: ipc mnt net pid uts")),
    effect("SetNsPathFromSpec", "p", "{}", r#"{"join_spec": {"ipc": "$TARGET/ns/ipc"}}"#, See::Namespaces, Sees("joined: ipc mnt net pid user uts")),
    refused("SetNsPathFromSpec", "ufhUFH", r#"{"join_spec": {"uts": "$TARGET/ns/uts"}}"#, "join the uts namespace"),
    refused("SetNsPathFromSpec", ALL, r#"{"join_spec": {"disk": "/x"}}"#, r#"namespace "disk" is unknown"#),

    effect("SetCapabilities", ALL, "{}", FIVE_SETS, See::Sets, Sees("Inh 1, Prm 3, Eff 1, Bnd 21, Amb 1")),
    // In a user namespace there are all of them.
    effect("SetCapabilities", "ufjhUFJHp", "{}", CHOWN, See::Sets, Sees("Inh , Prm 1, Eff 1, Bnd , Amb ")).around(LACKING),
    refused("SetCapabilities", "rsRSoq", CHOWN, "CAP_CHOWN cannot be given to the container").around(LACKING),
    refused("SetCapabilities", ALL, r#"{"capabilities": {"effective": ["CAP_KILL"]}}"#, "effective capabilities 0x20 are not within the permitted ones 0x0"),
    refused("SetCapabilities", ALL, r#"{"capabilities": {"permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]}}"#, "ambient capabilities 0x20 are not both permitted and inheritable"),
    refused("SetCapabilities", ALL, r#"{"capabilities": {"permitted": ["CAP_FLY"]}}"#, r#"capability "CAP_FLY" is unknown"#),
    refused("SetCapabilities", ALL, r#"{"capabilities": {"most": []}}"#, r#"capability set "most" is unknown"#),

    effect("SetTargetUID", "rRo", r#"{"target_gids": [5]}"#, r#"{"target_gids": [5], "target_uid": 5}"#, See::Status("Uid"), Sees("5 5 5 5")),
    effect("SetTargetUID", "fjFJp", r#"{"target_gids": [5]}"#, r#"{"target_gids": [5], "target_uid": 5}"#, See::Status("Uid"), Sees("100004 100004 100004 100004")),
    effect("SetTargetUID", "hH", r#"{"target_gids": [5], "allow_setgroups": true}"#, r#"{"target_gids": [5], "allow_setgroups": true, "target_uid": 5}"#, See::Status("Uid"), Sees("100004 100004 100004 100004")),
    refused("SetTargetUID", "uU", r#"{"target_uid": 5}"#, "the target user id 5 is not in the user id map"),
    refused("SetTargetUID", "rfjhRFJHop", r#"{"target_uid": 5}"#, "a target user id without a target group id"),
    effect("SetTargetUID", "sSq", "{}", r#"{"target_uid": 5}"#, See::Status("Uid"), OWN_IDS),
    refused("SetTargetUID", "uU", r#"{"target_uid": 1001, "uid_map": [[1000, 1000, 1]]}"#, "is not in the user id map"),
    effect("SetTargetUID", "fhFH", r#"{"uid_map": [[1000, 1000, 1], [1, 100000, 999]]}"#, r#"{"target_uid": 5, "uid_map": [[1000, 1000, 1], [1, 100000, 999]]}"#, See::Status("Uid"), OWN_IDS),
    effect("SetTargetUID", "jJp", r#"{"join": {"user": "$PLAIN/ns/user"}}"#, r#"{"target_uid": 5, "join": {"user": "$PLAIN/ns/user"}}"#, See::Status("Uid"), OWN_IDS),
    refused("SetTargetUID", ALL, r#"{"target_uid": -1}"#, "target user id -1"),

    effect("SetTargetGID", "rRo", "{}", r#"{"target_gids": [5, 6]}"#, See::Status("Gid"), Sees("5 5 5 5")),
    effect("SetTargetGID", "rRo", "{}", r#"{"target_gids": [5, 6]}"#, See::Status("Groups"), Sees("5 6")),
    effect("SetTargetGID", "fjFJp", "{}", r#"{"target_gids": [5, 6]}"#, See::Status("Gid"), Sees("100004 100004 100004 100004")),
    effect("SetTargetGID", "fjFJp", "{}", r#"{"target_gids": [5, 6]}"#, See::Status("Groups"), Sees("100004 100005")),
    effect("SetTargetGID", "hH", r#"{"allow_setgroups": true}"#, r#"{"allow_setgroups": true, "target_gids": [5, 6]}"#, See::Status("Groups"), Sees("100004 100005")),
    refused("SetTargetGID", "uhUH", r#"{"target_gids": [0]}"#, "target group ids where setgroups is denied"),
    refused("SetTargetGID", "uU", r#"{"target_gids": [5]}"#, "the target group id 5 is not in the group id map"),
    effect("SetTargetGID", "rRo", "{}", FORTY, See::Status("Groups"), Sees("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32")),
    effect("SetTargetGID", "sSq", "{}", r#"{"target_gids": [5, 6]}"#, See::Status("Gid"), OWN_IDS),
    effect("SetTargetGID", "sSq", "{}", r#"{"target_gids": [5, 6]}"#, See::Status("Groups"), OWN_IDS),
    effect("SetTargetGID", "fF", NOT_ROOT, NOT_ROOT_GROUPS, See::Status("Groups"), OWN_IDS),
    effect("SetTargetGID", "jJp", r#"{"join": {"user": "$PLAIN/ns/user"}}"#, r#"{"target_gids": [5], "join": {"user": "$PLAIN/ns/user"}}"#, See::Status("Gid"), OWN_IDS),
    refused("SetTargetGID", ALL, r#"{"target_gids": [-1]}"#, "target group id -1"),

    effect("SetNativeRPC", START, "{}", r#"{"native_rpc": true}"#, See::Server, Sees("the core")).late(),
    effect("SetNativeRPC", JOIN, "{}", r#"{"native_rpc": true}"#, See::Server, Nothing("there is no RPC server")).late(),

    effect("SetTimeouts", ALL, "{}", r#"{"handshake_ms": 300, "fail": {"CleanupHost": "hang"}}"#, See::Limit, Is("within 300 ms")),
    effect("SetTimeouts", ALL, "{}", r#"{"container_ms": 301, "exec": ["sleep", "1000"]}"#, See::Limit, Is("longer than 301 ms")),
    refused("SetTimeouts", ALL, r#"{"handshake_ms": 0}"#, "handshake limit of 0 ms"),

    refused("Release", ALL, r#"{"release": true}"#, "starter configuration: used after its release"),
];

/// The caller as it is, so that it is not root of its user namespace, beside ranges.
const NOT_ROOT: &str =
    r#"{"uid_map": [[1000, 1000, 1], [1, 100000, 999]], "gid_map": [[1000, 1000, 1], [1, 100000, 999]]}"#;
const NOT_ROOT_GROUPS: &str = r#"{"uid_map": [[1000, 1000, 1], [1, 100000, 999]], "gid_map": [[1000, 1000, 1], [1, 100000, 999]], "target_gids": [5, 6]}"#;
const NOT_ROOT_ALLOW: &str = r#"{"uid_map": [[1000, 1000, 1], [1, 100000, 999]], "gid_map": [[1000, 1000, 1], [1, 100000, 999]], "target_gids": [5, 6], "allow_setgroups": true}"#;

/// Of which 32 count.
const FORTY: &str = r#"{"target_gids": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40]}"#;

const JOINED_NETWORK: &str = r#"{"+join": {"network": "$TARGET/ns/net"}}"#;
const JOINED_NETWORK_UP: &str = r#"{"+join": {"network": "$TARGET/ns/net"}, "loopback": true}"#;

const FOUR: &str = r#"{"+join": {"uts": "$TARGET/ns/uts", "ipc": "$TARGET/ns/ipc", "network": "$TARGET/ns/net", "cgroup": "$TARGET/ns/cgroup"}}"#;

const FIVE_SETS: &str = r#"{"capabilities": {"inheritable": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN", "CAP_DAC_OVERRIDE"], "effective": ["CAP_CHOWN"], "bounding": ["CAP_CHOWN", "CAP_KILL"], "ambient": ["CAP_CHOWN"]}}"#;

const CHOWN: &str = r#"{"capabilities": {"permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]}}"#;
const LACKING: &[&str] = &["setpriv", "--bounding-set", "-chown"];
