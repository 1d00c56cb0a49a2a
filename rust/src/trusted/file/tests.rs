// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

/// A tree with the file `etc/pinion/policy.json`, whose top stands for `/`.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Tree(tempfile::tempdir().expect("directory"));
        fs::create_dir_all(tree.path("etc/pinion")).expect("directories");
        fs::write(tree.path("etc/pinion/policy.json"), "text").expect("file");
        for (place, mode) in [("", 0o755), ("etc", 0o755), ("etc/pinion", 0o755), ("etc/pinion/policy.json", 0o644)] {
            tree.mode(place, mode);
        }
        tree
    }

    fn path(&self, place: &str) -> PathBuf {
        if place.is_empty() { self.0.path().to_owned() } else { self.0.path().join(place) }
    }

    fn mode(&self, place: &str, mode: u32) {
        fs::set_permissions(self.path(place), PermissionsExt::from_mode(mode)).expect("mode");
    }

    fn read_at(&self, place: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let owner = rustix::process::geteuid().as_raw();
        Way { top: self.0.path(), owner }.read(Path::new(place), limit)
    }

    fn read(&self) -> Result<Option<Vec<u8>>> {
        self.read_at("etc/pinion/policy.json", 100)
    }

    fn refusal(&self) -> (String, String) {
        let error = self.read().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        let top = self.0.path().to_str().expect("UTF-8");
        (error.to_string().replace(top, ""), error.help().expect("help").replace(top, ""))
    }
}

fn said(what: &str, help: &str) -> (String, String) {
    (what.to_owned(), help.to_owned())
}

#[test]
fn a_file_that_only_its_owner_can_change_is_read() {
    let tree = Tree::new();
    for mode in [0o644, 0o600, 0o755, 0o444] {
        tree.mode("etc/pinion/policy.json", mode);
        assert_eq!(tree.read().expect("file").as_deref(), Some(b"text".as_slice()), "{mode:o}");
    }
}

#[test]
fn a_file_or_a_directory_that_is_not_there_is_no_error() {
    let tree = Tree::new();
    fs::remove_file(tree.path("etc/pinion/policy.json")).expect("remove");
    assert_eq!(tree.read().expect("none"), None);
    fs::remove_dir(tree.path("etc/pinion")).expect("remove");
    assert_eq!(tree.read().expect("none"), None);
    fs::remove_dir(tree.path("etc")).expect("remove");
    assert_eq!(tree.read().expect("none"), None);
}

#[test]
fn what_others_can_write_is_refused() {
    for place in ["etc/pinion/policy.json", "etc/pinion", "etc", ""] {
        for bits in [0o020, 0o002, 0o1002, 0o1022] {
            let tree = Tree::new();
            let mode = fs::metadata(tree.path(place)).expect("mode").permissions().mode();
            tree.mode(place, mode & 0o777 | bits);
            let shown = if place.is_empty() { String::new() } else { format!("/{place}") };
            let what = format!("\"{shown}\" is writable by others than its owner");
            assert_eq!(tree.refusal(), said(&what, &format!("chmod go-w {shown}")), "{bits:o}");
        }
    }
}

#[test]
fn what_another_user_owns_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: giving files away needs root");
        return;
    }
    for place in ["etc/pinion/policy.json", "etc/pinion", "etc", ""] {
        let tree = Tree::new();
        // The group does not matter.
        chown(tree.path(place), Some(0), Some(1000)).expect("chown");
        assert!(tree.read().expect("file").is_some());
        chown(tree.path(place), Some(1000), Some(0)).expect("chown");
        let shown = if place.is_empty() { String::new() } else { format!("/{place}") };
        let what = format!("\"{shown}\" is owned by user 1000, not by root");
        assert_eq!(tree.refusal(), said(&what, &format!("chown root:root {shown}")));
    }
}

#[test]
fn a_symbolic_link_on_the_way_is_refused_wherever_it_leads() {
    for (place, target) in [("etc", "real"), ("etc/pinion", "../real"), ("etc", "nowhere"), ("etc/pinion", "/nowhere")]
    {
        let tree = Tree::new();
        fs::rename(tree.path(place), tree.path("real")).expect("rename");
        symlink(target, tree.path(place)).expect("link");
        let what = format!("\"/{place}\" is a symbolic link or no directory");
        assert_eq!(tree.refusal(), said(&what, "put a directory there"));
    }
    for target in ["real", "nowhere", "policy.json"] {
        let tree = Tree::new();
        fs::rename(tree.path("etc/pinion/policy.json"), tree.path("etc/pinion/real")).expect("rename");
        symlink(target, tree.path("etc/pinion/policy.json")).expect("link");
        let what = "\"/etc/pinion/policy.json\" is a symbolic link";
        assert_eq!(tree.refusal(), said(what, "put the file itself there"));
    }
}

#[test]
fn what_is_no_regular_file_is_refused_without_a_wait() {
    use nix::sys::stat::Mode;
    let tree = Tree::new();
    let place = tree.path("etc/pinion/policy.json");
    let odd = || said("\"/etc/pinion/policy.json\" is no regular file", "put a regular file there");
    fs::remove_file(&place).expect("remove");
    fs::create_dir(&place).expect("directory");
    assert_eq!(tree.refusal(), odd());
    fs::remove_dir(&place).expect("remove");
    nix::unistd::mkfifo(&place, Mode::from_bits_truncate(0o644)).expect("fifo");
    let begun = Instant::now();
    assert_eq!(tree.refusal(), odd());
    assert!(begun.elapsed() < Duration::from_secs(10));
    fs::remove_file(&place).expect("remove");
    let _listening = std::os::unix::net::UnixListener::bind(&place).expect("socket");
    assert!(tree.read().is_err());
    // A file where a directory belongs is no absence.
    let tree = Tree::new();
    fs::remove_dir_all(tree.path("etc/pinion")).expect("remove");
    fs::write(tree.path("etc/pinion"), "").expect("file");
    assert_eq!(tree.refusal(), said("\"/etc/pinion\" is a symbolic link or no directory", "put a directory there"));
}

#[test]
fn a_file_has_at_most_as_much_as_its_limit() {
    let tree = Tree::new();
    let read = |length: usize| {
        fs::write(tree.path("etc/pinion/policy.json"), vec![b' '; length]).expect("file");
        tree.read_at("etc/pinion/policy.json", 100)
    };
    assert_eq!(read(0).expect("file").expect("content").len(), 0);
    assert_eq!(read(100).expect("file").expect("content").len(), 100);
    let error = read(101).expect_err("refused");
    assert!(error.to_string().ends_with("has more than 100 bytes"), "{error}");
    assert_eq!(error.help(), Some("make it shorter"));
}

#[test]
fn a_path_leads_down_only() {
    let tree = Tree::new();
    for place in ["etc/../etc/pinion/policy.json", "..", ""] {
        assert_eq!(tree.read_at(place, 100).expect_err("refused").kind(), ErrorKind::Invalid, "{place}");
    }
    let error = read(Path::new("etc/passwd"), 100).expect_err("refused").to_string();
    assert_eq!(error, "read \"etc/passwd\": the path is not absolute");
}

#[test]
fn an_error_names_the_file_that_was_to_be_read() {
    let tree = Tree::new();
    tree.mode("etc/pinion/policy.json", 0o666);
    let place = tree.path("etc/pinion/policy.json");
    let error = read(&place, 100).expect_err("refused").to_string();
    assert!(error.starts_with(&format!("read {place:?}: ")), "{error}");
}

#[test]
fn what_is_exchanged_meanwhile_is_never_followed() {
    let tree = Tree::new();
    fs::write(tree.path("secret"), "secret").expect("file");
    let place = tree.path("etc/pinion/policy.json");
    let (link, good) = (tree.path("link"), tree.path("good"));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                symlink(tree.path("secret"), &link).expect("link");
                fs::rename(&link, &place).expect("rename");
                fs::write(&good, "text").expect("file");
                fs::rename(&good, &place).expect("rename");
            }
        });
        let wrong = (0..2000).find_map(|_| tree.read().ok().filter(|content| content.as_deref() == Some(b"secret")));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(wrong, None);
    });
}
