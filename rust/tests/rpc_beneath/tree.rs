// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A root full of links, and paths in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

/// A root, beside things outside of it.
pub struct Tree(tempfile::TempDir);

/// How many links lead to `chain9` one after the other, and so on.
const CHAIN: usize = 42;

impl Tree {
    pub fn new() -> Tree {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b/c")).expect("mkdir");
        fs::create_dir_all(folder.path().join("outside/a/b")).expect("mkdir");
        for file in ["file", "a/file", "a/b/file"] {
            fs::write(root.join(file), "").expect("write");
        }
        for (link, target) in [
            ("abs", "/"),
            ("absin", root.to_str().expect("UTF-8")),
            ("out", "../outside"),
            ("home", "../root/a"),
            ("in", "a/b"),
            ("here", "."),
            ("slash", "a/b/"),
            ("double", "a//b"),
            ("a/up", ".."),
            ("a/upup", "../.."),
            ("a/file2", "file"),
            ("a/b/back", "../../in/c"),
            ("a/b/dots", "../.././a/./b/.."),
            ("a/b/c/far", "../../../../outside"),
            ("a/b/c/near", "../../../out"),
            ("dangling", "none"),
            ("dangling2", "a/none"),
            ("loop", "loop"),
            ("loop1", "a/loop2"),
            ("a/loop2", "../loop1"),
            ("fileslash", "a/file/"),
            ("chain0", "a"),
        ] {
            symlink(target, root.join(link)).expect("link");
        }
        for number in 1..CHAIN {
            symlink(format!("chain{}", number - 1), root.join(format!("chain{number}"))).expect("link");
        }
        Tree(folder)
    }

    pub fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }
}

/// As many paths, the same each time.
pub fn paths(count: usize) -> Vec<String> {
    let names = [
        "a",
        "b",
        "c",
        ".",
        "..",
        "..",
        "file",
        "abs",
        "absin",
        "out",
        "home",
        "in",
        "here",
        "slash",
        "double",
        "up",
        "upup",
        "file2",
        "back",
        "dots",
        "far",
        "near",
        "dangling",
        "dangling2",
        "loop",
        "loop1",
        "fileslash",
        "none",
        "",
        "new",
        "root",
        "outside",
        "chain6",
        "chain7",
        "chain8",
        "chain38",
        "chain39",
        "chain40",
        "chain41",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        // xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let mut paths: Vec<String> = names.iter().flat_map(|name| [name.to_string(), format!("{name}/")]).collect();
    // Half of them begin where something is.
    let starts = ["", "", "", "a/", "a/b/", "a/b/c/", "in/"];
    while paths.len() < count {
        let mut path = starts[below(starts.len())].to_owned();
        let length = 1 + below(4);
        let words: Vec<&str> = (0..length).map(|_| names[below(names.len())]).collect();
        path.push_str(&words.join("/"));
        if below(6) == 0 {
            path.push('/');
        }
        paths.push(path);
    }
    paths.truncate(count);
    paths
}

/// The directories in and beside a root.
pub fn folders(root: &Path) -> BTreeSet<PathBuf> {
    fn look(folder: &Path, seen: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).expect("list") {
            let path = entry.expect("entry").path();
            if path.symlink_metadata().expect("stat").is_dir() {
                look(&path, seen);
                seen.insert(path);
            }
        }
    }
    let mut seen = BTreeSet::new();
    look(root.parent().expect("parent"), &mut seen);
    seen
}

/// The directories that are new, which are removed.
pub fn take_new(root: &Path, known: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let new: Vec<PathBuf> = folders(root).difference(known).cloned().collect();
    new.iter().for_each(|path| fs::remove_dir(path).expect("rmdir"));
    new
}

/// Unmounts what lies in a root.
pub fn unmount_all(root: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    for place in
        table.lines().filter_map(|line| line.split(' ').nth(4)).filter(|place| Path::new(place).starts_with(root))
    {
        umount2(Path::new(place), MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).expect("unmount");
    }
}
