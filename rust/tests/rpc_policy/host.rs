// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What of the host a server with its rights uses: nothing is mounted over it, and nothing else is taken for it.

use std::fs;
use std::path::Path;

use libc::MS_BIND as BIND;
use nix::mount::{MsFlags, mount};
use pinion::engines::oci::methods::{Construction, OpenRoot};
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::decrypt::DecryptArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::registered::GoError;
use pinion::rpc::builtin::{APPTAINER, Options, apptainer};

use crate::server::{Server, attach, image, refused};

/// What a server with the host's rights executes, reads or opens, and what is above it.
const KEPT: [&str; 14] = [
    "/",
    "/proc",
    "/proc/sys/kernel/random/uuid",
    "/sys/block",
    "/dev",
    "/dev/null",
    "/etc",
    "/etc/group",
    "/usr",
    "/usr/local",
    "/usr/bin",
    "/usr/bin/env",
    "/usr/sbin",
    "/lib",
];

#[test]
fn nothing_covers_what_the_server_uses_of_the_host() {
    let word = "mounting over the host's programs";
    let Some(mut server) = Server::new() else { return };
    let (directory, file) = (server.directory("mine"), server.folder.path().join("file"));
    fs::write(&file, "").expect("file");
    // A link of the user's leads nowhere else.
    let link = server.folder.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).expect("link");
    for target in KEPT.map(Path::new) {
        let source = if target.is_dir() { &directory } else { &file };
        refused(server.mount(source, target, "", BIND, ""), word);
        refused(server.mount(source, target, "tmpfs", 0, ""), word);
        let parent = target.parent().unwrap_or(target);
        let name = target.strip_prefix(parent).expect("name");
        let name = if name.as_os_str().is_empty() { Path::new(".") } else { name };
        let args = MountArgs {
            root: parent.into(),
            source: source.as_path().into(),
            target: name.into(),
            flags: BIND,
            ..Default::default()
        };
        let reply: MountErrorReply = server.client().call("Mount", &args).expect("reply");
        refused(reply.into_result().map_err(|error| error.to_string()), word);
    }
    let mounts = server.threads_mounts();
    assert!(!mounts.contains(directory.to_str().expect("UTF-8")) && !mounts.contains("/file /"), "{mounts}");

    let Some(mut server) = Server::of(&Options::of(&APPTAINER), |_| ()) else { return };
    for target in KEPT.map(Path::new).into_iter().chain([link.as_path()]) {
        let source = if target.is_dir() { &directory } else { &file };
        let args = apptainer::mount::MountArgs {
            source: source.as_path().into(),
            target: target.into(),
            flags: BIND,
            ..Default::default()
        };
        let reply: Option<GoError> = server.client().call("Mount", &args).expect("reply");
        assert_eq!(reply, Some(GoError::Errno(libc::EPERM as u64)), "{target:?}");
    }
}

/// The bundled engine's methods ask as well.
fn open_roots(folder: &Path) {
    let construction = Construction::default();
    for path in ["/", "/usr/lib", "/etc", "/lib"] {
        for fresh in [false, true] {
            let error =
                construction.open_root(&OpenRoot { path: path.into(), fresh }).expect_err("refused").to_string();
            assert!(error.contains("the policy forbids: mounting over the host's programs"), "{error}");
        }
    }
    construction.open_root(&OpenRoot { path: folder.display().to_string(), fresh: false }).expect("root");
}

#[test]
fn a_bundle_is_not_in_the_hosts_programs() {
    drop(Server::of(&Options::default(), open_roots));
}

#[test]
fn what_is_mounted_on_a_copy_does_not_reach_the_hosts_tree() {
    let Some(mut server) = Server::new() else { return };
    let entries = fs::read_dir("/etc").expect("etc").map(|entry| entry.expect("entry").path());
    let inner = entries.into_iter().find(|path| !path.is_symlink() && path.is_dir()).expect("a directory in /etc");
    let (copy, part) = (server.directory("copy"), server.directory("part"));
    // As where master sees the container's mounts.
    server.mount(Path::new(""), Path::new("/"), "", libc::MS_SHARED | libc::MS_REC, "").expect("shared");
    server.mount(Path::new("/etc"), &copy, "", BIND | libc::MS_REC, "").expect("bind");
    server.mount(&inner, &part, "", BIND, "").expect("bind");
    let file = server.folder.path().join("file");
    fs::write(&file, "").expect("file");
    server.mount(&file, &copy.join("passwd"), "", BIND, "").expect("on a file of the copy");
    server.mount(Path::new("tmpfs"), &copy.join(inner.file_name().expect("name")), "tmpfs", 0, "").expect("tmpfs");
    server.mount(Path::new("tmpfs"), &part, "tmpfs", 0, "").expect("tmpfs");
    let mounts = server.threads_mounts();
    let places: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    let of_host = ["/etc/passwd".as_ref(), inner.as_path()].map(|path| places.contains(&path.to_str().expect("UTF-8")));
    assert_eq!(of_host, [false, false], "{mounts}");
}

fn chroot(server: &mut Server, root: &Path) -> Result<i64, String> {
    let args = ChrootArgs { root: root.into(), method: "chroot".into() };
    server.client().call("Chroot", &args).map_err(|error| error.to_string())
}

#[test]
fn a_copy_of_the_root_is_another_one_and_there_is_no_way_back() {
    let Some(mut server) = Server::new() else { return };
    let root = server.directory("root");
    server.mount(Path::new("/"), &root, "", BIND | libc::MS_REC, "").expect("bind");
    chroot(&mut server, &root).expect("changed");
    let args =
        DecryptArgs { device: "/dev/loop0".into(), key: pinion::gob::Bytes(b"key".to_vec()), ..Default::default() };
    let error = server.client().call::<_, String>("Decrypt", &args).expect_err("refused").to_string();
    assert!(error.contains("the root directory is the container's already"), "{error}");
    let error = chroot(&mut server, Path::new("/")).expect_err("refused");
    assert!(error.contains("change root: it is the container's already"), "{error}");
    // There it is the user's own tree that is covered.
    server.mount(Path::new("tmpfs"), Path::new("/etc"), "tmpfs", 0, "").expect("tmpfs");
}

#[test]
fn loop_devices_are_the_hosts_in_every_root() {
    let Some(mut server) = Server::new() else { return };
    let Some(file) = image(&server, "image") else { return };
    if !Path::new("/dev/loop-control").exists() {
        println!("skipped: no loop devices");
        return;
    }
    let root = server.directory("root");
    server.directory("root/dev");
    // A node that another program's device could be.
    fs::write(root.join("dev/loop-control"), "").expect("file");
    attach(&mut server, &file, 0).expect("attached");
    chroot(&mut server, &root).expect("changed");
    attach(&mut server, &file, 0).expect("attached");
    let made: Vec<_> =
        fs::read_dir(root.join("dev")).expect("dev").map(|node| node.expect("node").file_name()).collect();
    assert_eq!(made, ["loop-control"]);
}

/// A /dev with loop-control and no loop device.
fn bare_dev(_: &Path) {
    let numbers = rustix::fs::stat("/dev/loop-control").map_or(0, |about| about.st_rdev);
    node_alone(numbers);
}

/// A /dev in which another device has the name of loop-control.
fn wrong_dev(_: &Path) {
    node_alone(rustix::fs::stat("/dev/null").expect("null").st_rdev);
}

fn node_alone(numbers: u64) {
    let none = None::<&str>;
    mount(Some("dev"), "/dev", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).expect("dev");
    mount(Some("none"), "/sys", Some("tmpfs"), MsFlags::empty(), none).expect("sys");
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::from_raw_mode(0o660));
    rustix::fs::mknodat(rustix::fs::CWD, "/dev/loop-control", kind, mode, numbers).expect("node");
}

#[test]
fn no_node_is_made_and_no_other_device_opened() {
    if !Path::new("/dev/loop-control").exists() {
        println!("skipped: no loop devices");
        return;
    }
    let Some(mut server) = Server::of(&Options::default(), bare_dev) else { return };
    let Some(file) = image(&server, "image") else { return };
    // Missing nodes are waited for as devices are that were removed meanwhile.
    let error = attach(&mut server, &file, 0).expect_err("refused");
    assert!(error.contains("open /dev/loop") && error.contains("no such file or directory"), "{error}");
    let Some(mut server) = Server::of(&Options::default(), wrong_dev) else { return };
    let error = attach(&mut server, &file, 0).expect_err("refused");
    assert!(error.contains("open /dev/loop-control: it is not the device 10:237"), "{error}");
}
