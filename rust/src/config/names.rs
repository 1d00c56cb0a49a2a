// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names to bits and back: capabilities, namespaces, mount propagation. One table each.

use super::settings::{NamespaceKind, Propagation, PropagationKind};
use crate::error::{Error, Result};

/// Every capability by its number, up to Linux 6.x (capabilities(7)).
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The kinds of namespaces, their words in the OCI runtime specification and their bits.
const NAMESPACES: [(NamespaceKind, &str, i32); 7] = [
    (NamespaceKind::User, "user", libc::CLONE_NEWUSER),
    (NamespaceKind::Pid, "pid", libc::CLONE_NEWPID),
    (NamespaceKind::Network, "network", libc::CLONE_NEWNET),
    (NamespaceKind::Uts, "uts", libc::CLONE_NEWUTS),
    (NamespaceKind::Ipc, "ipc", libc::CLONE_NEWIPC),
    (NamespaceKind::Cgroup, "cgroup", libc::CLONE_NEWCGROUP),
    (NamespaceKind::Mount, "mount", libc::CLONE_NEWNS),
];

const PROPAGATIONS: [(PropagationKind, &str); 4] = [
    (PropagationKind::Shared, "shared"),
    (PropagationKind::Slave, "slave"),
    (PropagationKind::Private, "private"),
    (PropagationKind::Unbindable, "unbindable"),
];

/// The bit of a capability, whose name is upper case with its prefix: `CAP_CHOWN` is 1.
pub fn capability(name: &str) -> Result<u64> {
    match CAPABILITIES.iter().position(|known| *known == name) {
        Some(number) => Ok(1 << number),
        None => Err(Error::invalid(format!("capability \"{}\" is unknown", name.escape_debug()))
            .with_help("names are as in capabilities(7): CAP_CHOWN to CAP_CHECKPOINT_RESTORE")),
    }
}

/// The bits of several capabilities.
pub fn capability_mask<S: AsRef<str>>(names: &[S]) -> Result<u64> {
    names.iter().try_fold(0, |mask, name| Ok(mask | capability(name.as_ref())?))
}

/// The names of the bits in `mask`, lowest first; a bit without a name is `CAP_41`.
pub fn capability_names(mask: u64) -> Vec<String> {
    let set = (0..u64::BITS).filter(|number| mask & (1 << number) != 0);
    set.map(|number| match CAPABILITIES.get(number as usize) {
        Some(name) => (*name).to_owned(),
        None => format!("CAP_{number}"),
    })
    .collect()
}

/// The kind of namespace that a word of the OCI runtime specification means.
pub fn namespace(word: &str) -> Result<NamespaceKind> {
    if let Some((kind, ..)) = NAMESPACES.iter().find(|(_, known, _)| *known == word) {
        return Ok(*kind);
    }
    Err(match word {
        "time" => Error::invalid("namespace \"time\" is not supported"),
        _ => Error::invalid(format!("namespace \"{}\" is unknown", word.escape_debug()))
            .with_help("known are pid, network, mount, ipc, uts, user and cgroup"),
    })
}

/// The kinds of namespaces that CLONE_NEW* bits mean, in the order in which they are entered.
pub fn namespaces(flags: i32) -> Result<Vec<NamespaceKind>> {
    let known = NAMESPACES.iter().fold(0, |known, (_, _, bit)| known | bit);
    match flags & !known {
        0 => Ok(NAMESPACES.iter().filter(|(_, _, bit)| flags & bit != 0).map(|(kind, ..)| *kind).collect()),
        unknown if unknown == libc::CLONE_NEWTIME => Err(Error::invalid("namespace \"time\" is not supported")),
        unknown => Err(Error::invalid(format!("namespace flags {flags:#x}: {unknown:#x} are no namespaces"))),
    }
}

impl NamespaceKind {
    /// The word of the OCI runtime specification.
    pub fn word(self) -> &'static str {
        self.entry().1
    }

    /// The CLONE_NEW* bit.
    pub fn flag(self) -> i32 {
        self.entry().2
    }

    fn entry(self) -> &'static (NamespaceKind, &'static str, i32) {
        let [user, pid, network, uts, ipc, cgroup, mount] = &NAMESPACES;
        match self {
            NamespaceKind::User => user,
            NamespaceKind::Pid => pid,
            NamespaceKind::Network => network,
            NamespaceKind::Uts => uts,
            NamespaceKind::Ipc => ipc,
            NamespaceKind::Cgroup => cgroup,
            NamespaceKind::Mount => mount,
        }
    }
}

/// The propagation that a word means: shared, slave, private, unbindable, with an `r` in front for the whole tree.
pub fn propagation(word: &str) -> Result<Propagation> {
    let find = |word: &str| PROPAGATIONS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind);
    let single = find(word).map(|kind| Propagation { kind, recursive: false });
    let tree = || Some(Propagation { kind: find(word.strip_prefix('r')?)?, recursive: true });
    single.or_else(tree).ok_or_else(|| {
        Error::invalid(format!("mount propagation \"{}\" is unknown", word.escape_debug()))
            .with_help("known are shared, slave, private and unbindable, each also with r in front")
    })
}

impl std::fmt::Display for Propagation {
    /// The word that [`propagation`] reads.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.kind {
            PropagationKind::Shared => "shared",
            PropagationKind::Slave => "slave",
            PropagationKind::Private => "private",
            PropagationKind::Unbindable => "unbindable",
        };
        write!(f, "{}{word}", if self.recursive { "r" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_match_the_kernel_numbers() {
        assert_eq!(capability("CAP_CHOWN").unwrap(), 1);
        assert_eq!(capability("CAP_SYS_ADMIN").unwrap(), 1 << 21);
        assert_eq!(capability("CAP_CHECKPOINT_RESTORE").unwrap(), 1 << 40);
        for number in 0..41 {
            let names = capability_names(1 << number);
            assert_eq!(capability_mask(&names).unwrap(), 1 << number);
        }
    }

    #[test]
    fn an_unknown_capability_is_named() {
        for name in ["", "CHOWN", "cap_chown", "CAP_41", "CAP_\0"] {
            let error = capability(name).unwrap_err().to_string();
            assert_eq!(error, format!("capability \"{}\" is unknown", name.escape_debug()));
        }
        assert_eq!(capability_names(1 << 41 | 1), ["CAP_CHOWN", "CAP_41"]);
        assert_eq!(capability_names(1 << 63), ["CAP_63"]);
    }

    #[test]
    fn namespaces_have_words_and_bits() {
        for (kind, word, bit) in NAMESPACES {
            assert_eq!(namespace(word).unwrap(), kind);
            assert_eq!(namespaces(bit).unwrap(), [kind]);
            assert_eq!((kind.word(), kind.flag()), (word, bit));
        }
        assert_eq!(namespaces(0).unwrap(), []);
        let all = namespaces(0x7e02_0000).unwrap();
        assert_eq!(all.len(), 7);
        assert!(all.is_sorted());
    }

    #[test]
    fn other_namespaces_are_refused_by_name() {
        assert_eq!(namespace("time").unwrap_err().to_string(), "namespace \"time\" is not supported");
        assert_eq!(namespace("net").unwrap_err().to_string(), "namespace \"net\" is unknown");
        assert_eq!(namespaces(0x80).unwrap_err().to_string(), "namespace \"time\" is not supported");
        let error = namespaces(0x2000_0100).unwrap_err().to_string();
        assert_eq!(error, "namespace flags 0x20000100: 0x100 are no namespaces");
        assert!(namespaces(i32::MIN).is_err());
    }

    #[test]
    fn propagation_words_are_read_and_written() {
        for (_, word) in PROPAGATIONS {
            assert_eq!(propagation(word).unwrap().to_string(), word);
            assert_eq!(propagation(&format!("r{word}")).unwrap().to_string(), format!("r{word}"));
        }
        for word in ["", "r", "rrshared", "Shared", "shared "] {
            assert!(propagation(word).is_err(), "{word}");
        }
    }
}
