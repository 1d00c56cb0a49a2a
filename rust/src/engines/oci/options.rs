// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount options of the OCI runtime specification, one row each. A word that is not in the table is the file
//! system's own and is passed through to it.

use crate::error::{Error, Result};

pub(crate) const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub(crate) const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub(crate) const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
pub(crate) const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
pub(crate) const NOATIME: u64 = libc::MOUNT_ATTR_NOATIME;
pub(crate) const STRICTATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
pub(crate) const NODIRATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
pub(crate) const NOSYMFOLLOW: u64 = libc::MOUNT_ATTR_NOSYMFOLLOW;
/// The bits that hold one of three ways to keep access times; 0 is relatime.
pub(crate) const ATIME: u64 = libc::MOUNT_ATTR__ATIME;

/// What one word means.
#[derive(Clone, Copy)]
enum Effect {
    /// Attributes of the mount that are set.
    Set(u64),
    /// Attributes of the mount that are cleared.
    Clear(u64),
    /// The way in which access times are kept.
    Times(u64),
    /// A flag of the file system (fsconfig(2)), and its MS_ number.
    Filesystem(u64),
    /// The opposite of such a flag.
    NotFilesystem(u64),
    Propagate(u64),
    Bind(u64),
    Remount,
    CopyUp,
    IdMap(IdMap),
    Nothing,
}

use Effect::{Bind, Clear, CopyUp, Filesystem, NotFilesystem, Nothing, Propagate, Remount, Set, Times};

/// Word, effect, whether it is for the whole tree of mounts.
const TABLE: &[(&str, Effect, bool)] = &[
    ("async", NotFilesystem(libc::MS_SYNCHRONOUS), false),
    ("atime", Times(0), false),
    ("bind", Bind(libc::MS_BIND), false),
    ("defaults", Nothing, false),
    ("dev", Clear(NODEV), false),
    ("diratime", Clear(NODIRATIME), false),
    ("dirsync", Filesystem(libc::MS_DIRSYNC), false),
    ("exec", Clear(NOEXEC), false),
    ("idmap", Effect::IdMap(IdMap::Mount), false),
    ("iversion", Filesystem(libc::MS_I_VERSION), false),
    ("lazytime", Filesystem(libc::MS_LAZYTIME), false),
    ("loud", NotFilesystem(libc::MS_SILENT), false),
    ("mand", Filesystem(libc::MS_MANDLOCK), false),
    ("noatime", Times(NOATIME), false),
    ("nodev", Set(NODEV), false),
    ("nodiratime", Set(NODIRATIME), false),
    ("noexec", Set(NOEXEC), false),
    ("noiversion", NotFilesystem(libc::MS_I_VERSION), false),
    ("nolazytime", NotFilesystem(libc::MS_LAZYTIME), false),
    ("nomand", NotFilesystem(libc::MS_MANDLOCK), false),
    // The kernel has no way to switch relatime off but to choose another.
    ("norelatime", Nothing, false),
    ("nostrictatime", Times(0), false),
    ("nosuid", Set(NOSUID), false),
    ("nosymfollow", Set(NOSYMFOLLOW), false),
    ("private", Propagate(libc::MS_PRIVATE), false),
    ("ratime", Times(0), true),
    ("rbind", Bind(libc::MS_BIND | libc::MS_REC), false),
    ("rdev", Clear(NODEV), true),
    ("rdiratime", Clear(NODIRATIME), true),
    ("relatime", Times(0), false),
    ("remount", Remount, false),
    ("rexec", Clear(NOEXEC), true),
    ("ridmap", Effect::IdMap(IdMap::Tree), false),
    ("rnoatime", Times(NOATIME), true),
    ("rnodev", Set(NODEV), true),
    ("rnodiratime", Set(NODIRATIME), true),
    ("rnoexec", Set(NOEXEC), true),
    ("rnorelatime", Nothing, true),
    ("rnostrictatime", Times(0), true),
    ("rnosuid", Set(NOSUID), true),
    ("rnosymfollow", Set(NOSYMFOLLOW), true),
    ("ro", Set(RDONLY), false),
    ("rprivate", Propagate(libc::MS_PRIVATE | libc::MS_REC), false),
    ("rrelatime", Times(0), true),
    ("rro", Set(RDONLY), true),
    ("rrw", Clear(RDONLY), true),
    ("rshared", Propagate(libc::MS_SHARED | libc::MS_REC), false),
    ("rslave", Propagate(libc::MS_SLAVE | libc::MS_REC), false),
    ("rstrictatime", Times(STRICTATIME), true),
    ("rsuid", Clear(NOSUID), true),
    ("rsymfollow", Clear(NOSYMFOLLOW), true),
    ("runbindable", Propagate(libc::MS_UNBINDABLE | libc::MS_REC), false),
    ("rw", Clear(RDONLY), false),
    ("shared", Propagate(libc::MS_SHARED), false),
    ("silent", Filesystem(libc::MS_SILENT), false),
    ("slave", Propagate(libc::MS_SLAVE), false),
    ("strictatime", Times(STRICTATIME), false),
    ("suid", Clear(NOSUID), false),
    ("symfollow", Clear(NOSYMFOLLOW), false),
    ("sync", Filesystem(libc::MS_SYNCHRONOUS), false),
    ("tmpcopyup", CopyUp, false),
    ("unbindable", Propagate(libc::MS_UNBINDABLE), false),
];

/// Attributes of a mount (mount_setattr(2)): what is set and what is cleared; the rest stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Set.
    pub set: u64,
    /// Cleared.
    pub clear: u64,
}

/// Which mounts show other owners than the file system stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdMap {
    /// None.
    #[default]
    No,
    /// The mount itself.
    Mount,
    /// The mount and those beneath it.
    Tree,
}

/// What all the words together mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// For the mount itself.
    pub mount: Attributes,
    /// For the mount and those beneath it.
    pub tree: Attributes,
    /// Changes of propagation, MS_ numbers, in their order.
    pub propagation: Vec<u64>,
    /// MS_BIND, with MS_REC for the tree; 0 for a new file system.
    pub bind: u64,
    /// Change an existing mount.
    pub remount: bool,
    /// Flags of the file system, MS_ numbers.
    pub filesystem: u64,
    /// Fill a new tmpfs with what it covers.
    pub copy_up: bool,
    /// Show other owners.
    pub id_map: IdMap,
    /// The file system's own words.
    pub data: Vec<String>,
}

impl MountOptions {
    /// Reads the words of one mount. Of words that contradict each other the last one counts, as with mount(8).
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self> {
        let mut options = MountOptions::default();
        for word in words.iter().map(AsRef::as_ref) {
            match TABLE.iter().find(|(name, ..)| *name == word) {
                Some((_, effect, tree)) => options.apply(*effect, *tree),
                None if word.is_empty() || word.contains(['\0', ',']) => {
                    return Err(Error::invalid(format!("{word:?} is not one mount option")));
                }
                // Comments of mount(8) and systemd, for no file system.
                None if word.starts_with("x-") => {}
                None => options.data.push(word.to_owned()),
            }
        }
        Ok(options)
    }

    fn apply(&mut self, effect: Effect, tree: bool) {
        let attributes = if tree { &mut self.tree } else { &mut self.mount };
        match effect {
            Set(bits) => attributes.change(bits, 0),
            Clear(bits) => attributes.change(0, bits),
            Times(way) => {
                attributes.change(0, ATIME);
                attributes.set |= way;
            }
            Filesystem(flag) => self.filesystem |= flag,
            NotFilesystem(flag) => self.filesystem &= !flag,
            Propagate(flags) => self.propagation.push(flags),
            Bind(flags) => self.bind |= flags,
            Remount => self.remount = true,
            CopyUp => self.copy_up = true,
            Effect::IdMap(which) => self.id_map = which,
            Nothing => {}
        }
    }
}

impl Attributes {
    fn change(&mut self, set: u64, clear: u64) {
        self.set = (self.set & !clear) | set;
        self.clear = (self.clear & !set) | clear;
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(self) -> bool {
        self == Attributes::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> MountOptions {
        MountOptions::parse(words).expect("options")
    }

    /// Every attribute word: name without `r`, bits set, bits cleared.
    const ATTRIBUTES: &[(&str, u64, u64)] = &[
        ("ro", RDONLY, 0),
        ("rw", 0, RDONLY),
        ("nosuid", NOSUID, 0),
        ("suid", 0, NOSUID),
        ("nodev", NODEV, 0),
        ("dev", 0, NODEV),
        ("noexec", NOEXEC, 0),
        ("exec", 0, NOEXEC),
        ("noatime", NOATIME, ATIME),
        ("atime", 0, ATIME),
        ("strictatime", STRICTATIME, ATIME),
        ("nostrictatime", 0, ATIME),
        ("relatime", 0, ATIME),
        ("norelatime", 0, 0),
        ("nodiratime", NODIRATIME, 0),
        ("diratime", 0, NODIRATIME),
        ("nosymfollow", NOSYMFOLLOW, 0),
        ("symfollow", 0, NOSYMFOLLOW),
    ];

    #[test]
    fn attribute_words_have_a_form_for_the_mount_and_one_for_the_tree() {
        for (word, set, clear) in ATTRIBUTES {
            let expected = Attributes { set: *set, clear: *clear };
            assert_eq!(parse(&[word]), MountOptions { mount: expected, ..Default::default() }, "{word}");
            let word = format!("r{word}");
            assert_eq!(parse(&[&word]), MountOptions { tree: expected, ..Default::default() }, "{word}");
        }
    }

    #[test]
    fn the_other_words_of_the_table() {
        let filesystem = |filesystem| MountOptions { filesystem, ..Default::default() };
        let propagation = |flags| MountOptions { propagation: vec![flags], ..Default::default() };
        let table = [
            ("defaults", MountOptions::default()),
            ("bind", MountOptions { bind: libc::MS_BIND, ..Default::default() }),
            ("rbind", MountOptions { bind: libc::MS_BIND | libc::MS_REC, ..Default::default() }),
            ("remount", MountOptions { remount: true, ..Default::default() }),
            ("tmpcopyup", MountOptions { copy_up: true, ..Default::default() }),
            ("idmap", MountOptions { id_map: IdMap::Mount, ..Default::default() }),
            ("ridmap", MountOptions { id_map: IdMap::Tree, ..Default::default() }),
            ("sync", filesystem(libc::MS_SYNCHRONOUS)),
            ("async", filesystem(0)),
            ("dirsync", filesystem(libc::MS_DIRSYNC)),
            ("mand", filesystem(libc::MS_MANDLOCK)),
            ("nomand", filesystem(0)),
            ("lazytime", filesystem(libc::MS_LAZYTIME)),
            ("nolazytime", filesystem(0)),
            ("iversion", filesystem(libc::MS_I_VERSION)),
            ("noiversion", filesystem(0)),
            ("silent", filesystem(libc::MS_SILENT)),
            ("loud", filesystem(0)),
            ("private", propagation(libc::MS_PRIVATE)),
            ("rprivate", propagation(libc::MS_PRIVATE | libc::MS_REC)),
            ("shared", propagation(libc::MS_SHARED)),
            ("rshared", propagation(libc::MS_SHARED | libc::MS_REC)),
            ("slave", propagation(libc::MS_SLAVE)),
            ("rslave", propagation(libc::MS_SLAVE | libc::MS_REC)),
            ("unbindable", propagation(libc::MS_UNBINDABLE)),
            ("runbindable", propagation(libc::MS_UNBINDABLE | libc::MS_REC)),
        ];
        for (word, expected) in &table {
            assert_eq!(parse(&[word]), *expected, "{word}");
        }
        assert_eq!(table.len() + 2 * ATTRIBUTES.len(), TABLE.len(), "a row of the table has no test");
    }

    #[test]
    fn the_last_of_two_contradicting_words_counts() {
        assert_eq!(parse(&["ro", "rw"]).mount, Attributes { set: 0, clear: RDONLY });
        assert_eq!(parse(&["rw", "ro"]).mount, Attributes { set: RDONLY, clear: 0 });
        assert_eq!(parse(&["noatime", "strictatime"]).mount, Attributes { set: STRICTATIME, clear: ATIME });
        assert_eq!(parse(&["sync", "async"]).filesystem, 0);
    }

    #[test]
    fn unknown_words_are_the_file_systems_own() {
        assert_eq!(parse(&["mode=755", "x-systemd.automount", "size=65536k"]).data, ["mode=755", "size=65536k"]);
        for bad in ["", "a,b", "a\0"] {
            assert!(MountOptions::parse(&[bad]).is_err(), "{bad:?}");
        }
    }
}
