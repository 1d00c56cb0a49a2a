// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The root, what lies beside it, and who looks whether that is still so.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{CWD, Mode, OFlags, openat};

/// Directories in which the calls make directories, and mount on `m`. Each leads outside at some moment, if it is
/// looked up step by step: `outside` beside the root has the same names in it.
pub const TARGETS: [&str; 10] = [
    "swap/d",
    "/swap/d/e",
    "a/b/swap/d",
    "a/b/swap",
    "link/d",
    "slow/d",
    "slow/d/e",
    "a/b/c/deep/../../outside/d",
    "a/b/c/deep/../../../slow/d",
    "a/b/c/../../../a/b/swap/d/e",
];

/// A directory that is itself exchanged for links, and is mounted on.
pub const LAST: &str = "last";

/// A folder with the root, and with what must not change.
pub struct Arena {
    path: PathBuf,
}

/// What lies outside the root, and what is mounted.
pub struct Look {
    outside: BTreeSet<(PathBuf, u64, u64)>,
    mounts: Vec<Mount>,
}

/// A line of mountinfo.
#[derive(Clone, PartialEq, Eq)]
struct Mount {
    id: u64,
    parent: u64,
    place: PathBuf,
}

impl Arena {
    /// In a file system in memory: no disk slows the swaps.
    pub fn new(folder: &Path) -> Arena {
        let path = folder.canonicalize().expect("path");
        mount(Some("arena"), &path, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount");
        let (root, outside) = (path.join("root"), path.join("outside"));
        let real = ["root/swap", "root/slow", "root/a/b/swap", "root/a/b/outside", "root/a/b/inner", "outside"];
        for folder in real {
            for inner in ["m", "d/m", "d/e/m"] {
                fs::create_dir_all(path.join(folder).join(inner)).expect("mkdir");
            }
        }
        fs::create_dir_all(root.join("a/b/c/deep")).expect("mkdir");
        fs::create_dir(root.join(LAST)).expect("mkdir");
        fs::create_dir_all(path.join("source")).expect("mkdir");
        fs::write(outside.join("file"), "as it was").expect("write");
        for (link, target) in [
            ("up", Path::new("../outside")),
            ("abs", &outside),
            ("in", Path::new("a/b/inner")),
            ("slow-up", Path::new("../outside")),
            ("slow-abs", &outside),
            ("link", Path::new("a/b/swap")),
            ("a/b/up", Path::new("../../../outside")),
            ("a/b/abs", &outside),
            ("a/b/in", Path::new("../../swap")),
        ] {
            symlink(target, root.join(link)).expect("link");
        }
        Arena { path }
    }

    /// The root.
    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    /// What is bound.
    pub fn source(&self) -> PathBuf {
        self.path.join("source")
    }

    /// Makes the root a mount, with which all that is mounted beneath it goes at once.
    pub fn raise(&self) {
        let root = self.root();
        mount(Some(&root), &root, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("bind");
    }

    /// How things are, in the caller's namespace.
    pub fn look(&self) -> Look {
        let mut outside = BTreeSet::new();
        for entry in fs::read_dir(&self.path).expect("list") {
            let entry = entry.expect("entry").path();
            let kept = entry != self.root();
            list(&entry, kept, &mut outside);
        }
        Look { outside, mounts: mounts() }
    }

    /// Whether things outside the root are as they were, and what is new lies beneath it. Nobody may change anything
    /// meanwhile. What is new is removed, with the root's own mount.
    pub fn judge(&self, before: &Look) -> Result<(), String> {
        let now = self.look();
        if let Some(entry) = now.outside.symmetric_difference(&before.outside).next() {
            return Err(format!("{entry:?} came or went"));
        }
        let root = File::open(self.root()).expect("open root");
        let root_mount = mount_of(&root);
        let new: Vec<&Mount> = now.mounts.iter().filter(|mount| !before.mounts.contains(mount)).collect();
        for mount in &new {
            let on_new = new.iter().any(|other| other.id == mount.parent);
            // Where a newer mount lies above, that one stands for it: the way to this one's place is covered.
            let covered = |other: &Mount| other.place != mount.place && mount.place.starts_with(&other.place);
            let beneath = new.iter().any(|other| covered(other)) || is_beneath(&mount.place, &root);
            if mount.parent != root_mount && !on_new || !beneath {
                return Err(format!("mounted on {}", mount.place.display()));
            }
        }
        umount2(&self.root(), MntFlags::MNT_DETACH).expect("unmount");
        sweep(&self.root());
        Ok(())
    }
}

/// Adds a path and, if `below`, all beneath it, with devices and inodes.
fn list(path: &Path, below: bool, seen: &mut BTreeSet<(PathBuf, u64, u64)>) {
    let about = fs::symlink_metadata(path).expect("stat");
    seen.insert((path.to_owned(), about.dev(), about.ino()));
    if below && about.is_dir() {
        for entry in fs::read_dir(path).expect("list") {
            list(&entry.expect("entry").path(), true, seen);
        }
    }
}

/// Removes what Mkdir made.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).expect("list") {
        let entry = entry.expect("entry");
        if !entry.file_type().expect("type").is_dir() {
            continue;
        }
        match entry.file_name().as_encoded_bytes().starts_with(b"new") {
            true => fs::remove_dir(entry.path()).expect("rmdir"),
            false => sweep(&entry.path()),
        }
    }
}

/// Whether the way up from a place comes by the root directory itself, whatever its name.
fn is_beneath(place: &Path, root: &File) -> bool {
    let identity = |file: &File| file.metadata().map(|about| (about.dev(), about.ino())).expect("stat");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = File::from(openat(CWD, place, flags, Mode::empty()).expect("open"));
    loop {
        if identity(&here) == identity(root) {
            return true;
        }
        let above = File::from(openat(&here, "..", flags, Mode::empty()).expect("open .."));
        if identity(&above) == identity(&here) {
            return false;
        }
        here = above;
    }
}

fn mount_of(file: &File) -> u64 {
    let flags = rustix::fs::AtFlags::EMPTY_PATH;
    rustix::fs::statx(file, "", flags, rustix::fs::StatxFlags::MNT_ID).expect("statx").stx_mnt_id
}

/// The mounts of the caller's namespace.
fn mounts() -> Vec<Mount> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo");
    let lines = table.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse().expect("number");
        Mount { id: number(0), parent: number(1), place: plain(words[4]) }
    });
    lines.collect()
}

/// A path of mountinfo, where white space is written in octal.
fn plain(word: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        match code {
            Some(code) if *first == b'\\' => (bytes.push(code), rest = &after[3..]),
            _ => (bytes.push(*first), rest = after),
        };
    }
    OsString::from_vec(bytes).into()
}
