// SPDX-License-Identifier: Apache-2.0 OR MIT
//! In a mount namespace of a thread's own, which only root can make; others leave these out.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use nix::sched::CloneFlags;

use super::tree::tests::OLD_KERNEL;
use super::*;
use crate::config::settings::IdMapping;
use crate::engines::oci::actions::Action;
use crate::engines::oci::config::OciConfig;
use crate::engines::oci::decisions;
use crate::engines::oci::identity::Caller;
use id_map::IdMaps;

/// A root beside a tree that nothing may change, in a file system of its own.
struct Place {
    directory: PathBuf,
    construction: Construction,
}

impl Place {
    fn new() -> Self {
        let directory = PathBuf::from("/mnt");
        nix::mount::mount(Some("tmpfs"), &directory, Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>)
            .expect("tmpfs");
        fs::create_dir_all(directory.join("root")).expect("root");
        fs::create_dir_all(directory.join("outside/sub")).expect("outside");
        fs::write(directory.join("outside/canary"), "alive").expect("canary");
        Place { directory, construction: Construction::default() }
    }

    fn outside(&self) -> String {
        self.directory.join("outside").to_str().expect("text").to_owned()
    }

    /// A path of the root, before it becomes one.
    fn before(&self, path: &str) -> PathBuf {
        self.directory.join("root").join(path)
    }

    fn open(&self) -> &Construction {
        let path = self.before("").to_str().expect("text").to_owned();
        self.construction.open_root(&OpenRoot { path, fresh: false }).expect("root");
        &self.construction
    }

    fn mount(&self, mount: Mount) -> Result<()> {
        self.construction.mount(&Mounts { mounts: vec![mount] })
    }

    fn furnish(&self, items: &[Item]) -> Result<()> {
        self.construction.furnish(&Furnish { items: items.to_vec() })
    }

    /// Every mount of this thread's namespace: where, and its options.
    fn mountinfo(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo");
        let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        text.lines().map(fields).map(|fields| (fields[4].clone(), fields[5].clone() + " " + &fields[6])).collect()
    }

    fn options_of(&self, path: &str) -> Option<String> {
        let path = self.before(path);
        let path = path.to_str().expect("text").trim_end_matches('/');
        self.mountinfo().into_iter().rfind(|(target, _)| target == path).map(|(_, options)| options)
    }

    fn outside_is_untouched(&self) {
        let outside = self.directory.join("outside");
        let mut names: Vec<_> =
            fs::read_dir(&outside).expect("outside").map(|entry| entry.expect("entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["canary", "sub"]);
        assert_eq!(fs::read_dir(outside.join("sub")).expect("sub").count(), 0);
        assert_eq!(fs::read_to_string(outside.join("canary")).expect("canary"), "alive");
        let reached = self.mountinfo().into_iter().find(|(target, _)| target.starts_with(&self.outside()));
        assert_eq!(reached, None);
    }
}

/// Runs a test where its mounts are its own, with the newer calls and without them.
fn in_private_namespace(test: fn(&Place)) {
    for old_kernel in [false, true] {
        in_one_private_namespace(old_kernel, test);
    }
}

fn in_one_private_namespace(old_kernel: bool, test: fn(&Place)) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: not root");
        return;
    }
    let result = std::thread::spawn(move || {
        let flags =
            CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
        nix::sched::unshare(flags).expect("namespaces");
        let flags = nix::mount::MsFlags::MS_PRIVATE | nix::mount::MsFlags::MS_REC;
        nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).expect("private");
        OLD_KERNEL.set(old_kernel);
        test(&Place::new());
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn mount(target: &str, filesystem: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        target: target.into(),
        filesystem: filesystem.into(),
        source: source.into(),
        options: options.iter().map(|word| (*word).to_owned()).collect(),
        id_maps: None,
    }
}

#[test]
fn a_file_system_is_mounted_with_its_options() {
    in_private_namespace(|place| {
        place.open();
        place
            .mount(mount("/a/b", "tmpfs", "x", &["nosuid", "nodev", "noexec", "ro", "noatime", "mode=711"]))
            .expect("mount");
        let options = place.options_of("a/b").expect("mounted");
        assert!(options.starts_with("ro,nosuid,nodev,noexec,noatime "), "{options}");
        assert_eq!(fs::metadata(place.before("a/b")).expect("metadata").mode() & 0o777, 0o711);
        place.mount(mount("/a/b", "", "", &["remount", "bind", "rw", "exec"])).expect("remount");
        let options = place.options_of("a/b").expect("mounted");
        assert!(options.starts_with("rw,nosuid,nodev,noatime "), "{options}");
        place.mount(mount("/p", "proc", "proc", &["silent", "strictatime"])).expect("mount");
        assert!(place.options_of("p").expect("mounted").starts_with("rw "));
        assert!(place.before("p/self").exists());
    });
}

#[test]
fn directories_and_files_are_bound() {
    in_private_namespace(|place| {
        place.open();
        place.mount(mount("/new/dir", "", &place.outside(), &["bind", "ro", "nosuid"])).expect("mount");
        let options = place.options_of("new/dir").expect("mounted");
        assert!(options.starts_with("ro,nosuid"), "{options}");
        assert!(fs::write(place.before("new/dir/x"), "").is_err());
        let file = place.outside() + "/canary";
        place.mount(mount("/new/file", "", &file, &["bind", "slave", "shared"])).expect("mount");
        assert_eq!(fs::read_to_string(place.before("new/file")).expect("read"), "alive");
        assert!(place.options_of("new/file").expect("mounted").contains("shared:"));
    });
}

#[test]
fn a_tree_is_changed_as_a_whole() {
    in_one_private_namespace(false, |place| {
        place.open();
        let sub = place.outside() + "/sub";
        nix::mount::mount(Some("x"), sub.as_str(), Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>)
            .expect("mount");
        place.mount(mount("/tree", "", &place.outside(), &["rbind", "rro", "rnosuid"])).expect("mount");
        for path in ["tree", "tree/sub"] {
            let options = place.options_of(path).expect("mounted");
            assert!(options.starts_with("ro,nosuid"), "{path}: {options}");
        }
        place.mount(mount("/top", "", &place.outside(), &["rbind", "ro"])).expect("mount");
        assert!(place.options_of("top/sub").expect("mounted").starts_with("rw"));
        place.mount(mount("/one", "", &place.outside(), &["bind"])).expect("mount");
        assert_eq!(place.options_of("one/sub"), None);
    });
}

#[test]
fn an_error_says_what_was_mounted_where() {
    in_private_namespace(|place| {
        place.open();
        let error = place.mount(mount("/x", "nosuchfs", "", &["nosuid"])).expect_err("refused");
        assert_eq!(error.to_string(), "mount \"nosuchfs\" on \"/x\" (nosuid): no such device");
        let error = place.mount(mount("/x", "", "/no/such", &["bind"])).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "mount \"/no/such\" on \"/x\" (bind): open \"/no/such\": no such file or directory"
        );
    });
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    in_private_namespace(|place| {
        for (link, target) in [
            ("absolute", place.outside()),
            ("climbing", "../../../outside".into()),
            ("dev", place.outside()),
            ("proc", place.outside()),
            ("sys", "/".into()),
            ("cwd", "../outside/cwd".into()),
        ] {
            symlink(target, place.before(link)).expect("link");
        }
        fs::create_dir(place.before("etc")).expect("directory");
        symlink(place.outside() + "/canary", place.before("etc/file")).expect("link");
        place.open();
        // Some find a place inside the root, the others are refused: what matters is the tree outside.
        for target in ["/absolute/new", "/climbing/new", "/dev", "/absolute", "/climbing", "/dev/shm"] {
            let _ = place.mount(mount(target, "tmpfs", "x", &[]));
        }
        for target in ["/proc", "/proc/x", "/sys"] {
            let filesystem = if target == "/sys" { "sysfs" } else { "proc" };
            let error = place.mount(mount(target, filesystem, "x", &[])).expect_err("refused");
            assert_eq!(error.errno(), Some(libc::ELOOP), "{error}");
        }
        let _ = place.mount(mount("/etc/file", "", &(place.outside() + "/canary"), &["bind"]));
        let _ = place.furnish(&[Item::Directory("/cwd".into())]);
        let _ = place.furnish(&[Item::Directory("/absolute/x".into()), Item::Link("/absolute/l".into(), "/".into())]);
        let _ = place.furnish(&[Item::Device("/dev/null".into(), 1, 3)]);
        let _ = place.construction.cover(&Cover {
            read_only: vec!["/absolute/sub".into()],
            masked: vec!["/climbing/canary".into(), "/etc/file".into(), "/absolute/sub".into()],
        });
        place.outside_is_untouched();
    });
}

#[test]
fn links_in_place_of_devices_are_refused() {
    in_private_namespace(|place| {
        fs::create_dir(place.before("dev")).expect("directory");
        for name in ["null", "zero"] {
            symlink(place.outside() + "/canary", place.before("dev").join(name)).expect("link");
        }
        fs::create_dir(place.before("dev/full")).expect("directory");
        place.open();
        for (path, minor, why) in
            [("/dev/null", 3, "symlink"), ("/dev/zero", 5, "symlink"), ("/dev/full", 7, "directory")]
        {
            let error = place.furnish(&[Item::Device(path.into(), 1, minor)]).expect_err("refused").to_string();
            assert_eq!(error, format!("make the device {path:?}: a {why} stands where it belongs"));
        }
        place.outside_is_untouched();
    });
}

#[test]
fn devices_and_links_are_made_once() {
    in_private_namespace(|place| {
        place.open();
        let items = [
            Item::Device("/dev/null".into(), 1, 3),
            Item::Link("/dev/fd".into(), "/proc/self/fd".into()),
            Item::Directory("/home/x".into()),
        ];
        for _ in 0..2 {
            place.furnish(&items).expect("made");
        }
        let null = fs::metadata(place.before("dev/null")).expect("node");
        assert!(null.file_type().is_char_device());
        assert_eq!((null.rdev(), null.mode() & 0o777), (rustix::fs::makedev(1, 3), 0o666));
        assert_eq!(fs::read_link(place.before("dev/fd")).expect("link"), PathBuf::from("/proc/self/fd"));
        assert!(place.before("home/x").is_dir());
        // A file where a node cannot be made takes the host's device.
        fs::write(place.before("dev/zero"), "").expect("file");
        place.furnish(&[Item::Device("/dev/zero".into(), 1, 5)]).expect("bound");
        assert!(place.options_of("dev/zero").is_some());
        let error = place.furnish(&[Item::Device("/dev/zero".into(), 1, 9)]).expect_err("refused").to_string();
        assert_eq!(error, "make the device \"/dev/zero\": the host's \"/dev/zero\" is not the device 1:9");
    });
}

#[test]
fn paths_are_covered() {
    in_private_namespace(|place| {
        for directory in ["secret/in", "fixed/in"] {
            fs::create_dir_all(place.before(directory)).expect("directory");
        }
        fs::write(place.before("file"), "secret").expect("file");
        place.open();
        place
            .construction
            .cover(&Cover {
                read_only: vec!["/fixed".into(), "/missing".into(), "/file/below".into()],
                masked: vec!["/secret".into(), "/file".into(), "/missing".into()],
            })
            .expect("covered");
        assert_eq!(fs::read_dir(place.before("secret")).expect("directory").count(), 0);
        assert!(fs::write(place.before("secret/x"), "").is_err());
        assert_eq!(fs::read(place.before("file")).expect("file"), b"");
        assert!(fs::create_dir(place.before("fixed/new")).is_err());
        assert!(place.before("fixed/in").is_dir());
    });
}

#[test]
fn the_null_device_is_proven() {
    in_private_namespace(|place| {
        fs::write(place.before("file"), "secret").expect("file");
        place.open();
        let canary = place.outside() + "/canary";
        let flags = nix::mount::MsFlags::MS_BIND;
        nix::mount::mount(Some(canary.as_str()), "/dev/null", None::<&str>, flags, None::<&str>).expect("forged");
        let error = place.construction.cover(&Cover { read_only: vec![], masked: vec!["/file".into()] });
        let error = error.expect_err("refused").to_string();
        assert_eq!(error, "the host's \"/dev/null\" is not the device 1:3");
    });
}

#[test]
fn a_tmpfs_begins_with_what_it_covers() {
    in_private_namespace(|place| {
        fs::create_dir_all(place.before("var/deep/er")).expect("directory");
        fs::write(place.before("var/deep/file"), "text").expect("file");
        fs::set_permissions(place.before("var/deep/file"), fs::Permissions::from_mode(0o4750)).expect("mode");
        rustix::fs::chown(
            place.before("var/deep/file"),
            Some(rustix::fs::Uid::from_raw(7)),
            Some(rustix::fs::Gid::from_raw(8)),
        )
        .expect("owner");
        // What chown takes away.
        fs::set_permissions(place.before("var/deep/file"), fs::Permissions::from_mode(0o4750)).expect("mode");
        symlink(place.outside(), place.before("var/link")).expect("link");
        place.open();
        place.mount(mount("/var", "tmpfs", "tmpfs", &["tmpcopyup", "mode=755"])).expect("mount");
        let file = fs::metadata(place.before("var/deep/file")).expect("file");
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (7, 8, 0o4750));
        assert_eq!(fs::read_to_string(place.before("var/deep/file")).expect("file"), "text");
        assert_eq!(fs::read_link(place.before("var/link")).expect("link"), PathBuf::from(place.outside()));
        assert!(place.before("var/deep/er").is_dir());
        place.outside_is_untouched();
    });
}

#[test]
fn owners_are_shown_through_id_maps() {
    in_one_private_namespace(false, |place| {
        place.open();
        let line = |container_id, host_id| vec![IdMapping { container_id, host_id, size: 10 }];
        let id_maps = Some(IdMaps { uids: line(0, 1000), gids: line(0, 2000) });
        let bind = Mount { id_maps, ..mount("/x", "", &place.outside(), &["bind", "idmap"]) };
        place.mount(bind).expect("mount");
        let canary = fs::metadata(place.before("x/canary")).expect("canary");
        assert_eq!((canary.uid(), canary.gid()), (1000, 2000));
        let bind = Mount { id_maps: Some(IdMaps::default()), ..mount("/y", "", &place.outside(), &["bind", "ridmap"]) };
        assert!(place.mount(bind).is_err(), "a map of nothing");
    });
}

#[test]
fn nothing_is_done_without_a_root() {
    let construction = Construction::default();
    let error = construction.mount(&Mounts { mounts: vec![] }).expect_err("refused").to_string();
    assert_eq!(error, "no root is under construction");
    assert!(construction.enter(&Enter { read_only: false }).is_err());
}

/// The whole way of a container without a bundle, up to its program.
#[test]
fn a_root_of_the_host_is_entered() {
    in_private_namespace(|place| {
        if OLD_KERNEL.get() {
            // Its mounts are made read-only with all beneath them, which needs mount_setattr(2).
            return;
        }
        let (_, prepared) =
            decisions::decide(&OciConfig::default(), Caller { uid: 0, gid: 0, setuid: false }).expect("decisions");
        for action in &prepared.actions {
            match action {
                Action::OpenRoot(open) => place.construction.open_root(open),
                Action::Mount(mounts) => place.construction.mount(mounts),
                Action::Furnish(furnish) => place.construction.furnish(furnish),
                Action::Cover(cover) => place.construction.cover(cover),
                Action::Enter(enter) => place.construction.enter(enter),
                Action::SetDomainname(name) => place.construction.set_domainname(name),
                Action::Pivot => {
                    rustix::process::pivot_root(".", ".").expect("pivot");
                    nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH).expect("detach");
                    rustix::process::chdir("/").tried(|| "change to the root")
                }
                Action::Propagate(_) | Action::SetHostname(_) | Action::Chdir(_) => Ok(()),
            }
            .unwrap_or_else(|error| panic!("{action}: {error}"));
        }
        assert!(fs::metadata("/bin/sh").is_ok() && fs::metadata("/etc/passwd").is_ok());
        for path in ["/x", "/usr/x", "/etc/x"] {
            assert_eq!(fs::write(path, "").map_err(|error| error.raw_os_error()), Err(Some(libc::EROFS)), "{path}");
        }
        for path in ["/tmp/x", "/run/x", "/var/tmp/x", "/dev/shm/x", "/dev/null", "/root/x"] {
            fs::write(path, "x").unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        assert_eq!(fs::read_link("/var/run").expect("link"), PathBuf::from("/run"));
        assert!(fs::metadata("/mnt").is_err() && fs::metadata("/home").is_err());
        assert_eq!(fs::read_dir("/tmp").expect("tmp").count(), 1);
    });
}
