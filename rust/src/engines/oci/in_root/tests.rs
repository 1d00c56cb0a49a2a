// SPDX-License-Identifier: Apache-2.0 OR MIT
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::CWD;

use super::*;

/// A root with links of every kind beside a directory that nothing may reach.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let at = |path: &str| directory.path().join(path);
        for path in ["outside", "root/etc", "root/a/b", "root/loop"] {
            fs::create_dir_all(at(path)).expect("directories");
        }
        fs::write(at("outside/canary"), "alive").expect("canary");
        fs::write(at("root/file"), "").expect("file");
        for (link, target) in [
            ("root/absolute", at("outside").to_str().expect("text").to_owned()),
            ("root/climbing", "../../../../outside".to_owned()),
            ("root/a/up", "../../etc".to_owned()),
            ("root/inside", "/a/b".to_owned()),
            ("root/dangling", "/nothing/here".to_owned()),
            ("root/loop/self", "self".to_owned()),
            ("root/tofile", "file".to_owned()),
        ] {
            symlink(target, at(link)).expect("link");
        }
        Place { directory }
    }

    fn handle(&self) -> OwnedFd {
        openat(CWD, self.directory.path().join("root"), HANDLE, Mode::empty()).expect("root")
    }

    fn roots(&self) -> [Root; 2] {
        [Resolver::Kernel, Resolver::Walker].map(|resolver| Root::new(self.handle(), resolver))
    }

    fn inode(&self, path: &str) -> u64 {
        fs::symlink_metadata(self.directory.path().join(path)).expect("metadata").ino()
    }

    fn outside_is_untouched(&self) {
        let outside = self.directory.path().join("outside");
        assert_eq!(fs::read_dir(&outside).expect("outside").count(), 1);
        assert_eq!(fs::read_to_string(outside.join("canary")).expect("canary"), "alive");
    }
}

#[test]
fn kernel_and_walker_find_the_same() {
    let place = Place::new();
    for path in [
        "/",
        "",
        ".",
        "..",
        "/../..",
        "etc",
        "/etc/",
        "a/../etc",
        "a/up",
        "inside",
        "inside/..",
        "absolute",
        "climbing",
        "climbing/canary",
        "dangling",
        "loop/self",
        "loop/self/x",
        "file",
        "file/",
        "file/x",
        "file/..",
        "tofile",
        "tofile/",
        "nothing",
        "a/b/c",
    ] {
        for links in [Links::InRoot, Links::Refused] {
            let [kernel, walker] = place
                .roots()
                .map(|root| root.resolve(Path::new(path), links).map(|fd| fstat(fd).expect("stat").st_ino));
            assert_eq!(kernel, walker, "{path:?} {links:?}");
        }
    }
}

#[test]
fn links_stay_in_the_root() {
    let place = Place::new();
    for root in place.roots() {
        let inode = |path: &str| root.resolve(Path::new(path), Links::InRoot).map(|fd| fstat(fd).expect("stat").st_ino);
        assert_eq!(inode("a/up"), Ok(place.inode("root/etc")));
        assert_eq!(inode("inside"), Ok(place.inode("root/a/b")));
        assert_eq!(inode("/../.."), Ok(place.inode("root")));
        assert_eq!(inode("absolute"), Err(Errno::NOENT));
        assert_eq!(inode("climbing"), Err(Errno::NOENT));
        assert_eq!(inode("loop/self"), Err(Errno::LOOP));
    }
}

#[test]
fn what_is_missing_is_made_inside() {
    let place = Place::new();
    for (index, root) in place.roots().into_iter().enumerate() {
        let path = format!("inside/new{index}/deep");
        root.ensure(Path::new(&path), Links::InRoot, Leaf::Directory).expect("made");
        assert!(place.directory.path().join(format!("root/a/b/new{index}/deep")).is_dir());
        let path = format!("climb{index}/../../file");
        assert!(root.ensure(Path::new(&path), Links::InRoot, Leaf::File).is_err());
        for dangling in ["absolute/x", "climbing/x", "dangling", "dangling/x"] {
            let error = root.ensure(Path::new(dangling), Links::InRoot, Leaf::File).expect_err("refused");
            assert!(error.to_string().starts_with("make "), "{dangling}: {error}");
        }
    }
    place.outside_is_untouched();
}

/// A link and a directory change places as fast as they can while things are made beneath them.
#[test]
fn races_do_not_lead_out() {
    let place = Place::new();
    let root_path = place.directory.path().join("root");
    fs::create_dir(root_path.join("swap")).expect("directory");
    let stop = Arc::new(AtomicBool::new(false));
    let attacker = std::thread::spawn({
        let (stop, root) = (Arc::clone(&stop), openat(CWD, &root_path, HANDLE, Mode::empty()).expect("root"));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = rustix::fs::renameat_with(&root, "swap", &root, "absolute", rustix::fs::RenameFlags::EXCHANGE);
            }
        }
    });
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(700);
    for round in 0.. {
        if std::time::Instant::now() > deadline {
            break;
        }
        for root in place.roots() {
            // Whether it works depends on the race; that it stays inside does not.
            let _ = root.ensure(Path::new(&format!("swap/{}/x", round % 50)), Links::InRoot, Leaf::File);
            let _ =
                root.ensure(Path::new(&format!("absolute/../swap/y{}", round % 50)), Links::InRoot, Leaf::Directory);
        }
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().expect("attacker");
    place.outside_is_untouched();
}
