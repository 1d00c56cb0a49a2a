// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The built-in RPC methods in a server that asks a policy. The policy of all tests here lists squashfs images of root's;
//! the server has a mount namespace of its own and no other. Needs root; what needs mksquashfs is skipped without it.

#[path = "rpc_policy/host.rs"]
mod host;
#[path = "rpc_policy/server.rs"]
mod server;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use libc::{MS_BIND as BIND, MS_REMOUNT as REMOUNT};
use pinion::rpc::builtin::apptainer::unmount::UnmountArgs;
use pinion::rpc::builtin::decrypt::DecryptArgs;
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::builtin::nvidia::NvCcliArgs;
use pinion::rpc::builtin::registered::GoError;
use pinion::rpc::builtin::{APPTAINER, Options, apptainer};

use server::{Server, attach, image, refused};

#[test]
fn mounts_have_what_the_policy_forces() {
    let Some(mut server) = Server::new() else { return };
    let (from, to, tmpfs) = (server.directory("from"), server.directory("to"), server.directory("tmpfs"));
    let nowhere = Path::new("tmpfs");
    server.mount(nowhere, &tmpfs, "tmpfs", 0, "mode=700").expect("tmpfs");
    assert_eq!(server.flags(&tmpfs)[..3], ["rw", "nosuid", "nodev"]);
    server.mount(&tmpfs, &from, "", BIND, "").expect("bind");
    assert_eq!(server.flags(&from)[..3], ["rw", "nosuid", "nodev"]);
    server.mount(Path::new(""), &from, "", BIND | REMOUNT | libc::MS_RDONLY | libc::MS_NOEXEC, "").expect("remount");
    assert_eq!(server.flags(&from)[..4], ["ro", "nosuid", "nodev", "noexec"]);
    server.mount(Path::new(""), &from, "", BIND | REMOUNT, "").expect("remount");
    assert_eq!(server.flags(&from)[..4], ["ro", "nosuid", "nodev", "noexec"]);
    server.mount(&from, &to, "", BIND | libc::MS_REC, "").expect("rbind");
    assert_eq!(server.flags(&to)[..4], ["ro", "nosuid", "nodev", "noexec"]);
    server.mount(Path::new(""), Path::new("/"), "", libc::MS_PRIVATE | libc::MS_REC, "").expect("private");
}

#[test]
fn devices_of_the_hosts_stay_devices() {
    let Some(mut server) = Server::new() else { return };
    let place = server.folder.path().join("null");
    fs::write(&place, "").expect("file");
    server.mount(Path::new("/dev/null"), &place, "", BIND, "").expect("bind");
    let flags = server.flags(&place);
    assert!(flags.contains(&"nosuid".to_owned()) && !flags.contains(&"nodev".to_owned()), "{flags:?}");
    let dev = server.directory("dev");
    server.mount(Path::new("/dev"), &dev, "", BIND, "").expect("bind");
    assert!(server.flags(&dev).contains(&"nodev".to_owned()));
}

#[test]
fn what_the_policy_forbids_is_not_mounted() {
    let Some(mut server) = Server::new() else { return };
    let place = server.directory("place");
    let none = Path::new("none");
    refused(server.mount(none, &place, "ramfs", 0, ""), "\"ramfs\"");
    refused(server.mount(none, &place, "mqueue", 0, ""), "mqueue mounts");
    refused(server.mount(none, &place, "overlay", 0, "lowerdir=/:/etc,metacopy=on"), "metacopy=on");
    refused(server.mount(none, &place, "proc", 0, ""), "the host's pid namespace");
    refused(server.mount(none, &place, "cgroup2", 0, ""), "the host's cgroup namespace");
    refused(server.mount(none, &place, "tmpfs", 0, "huge=always"), "huge=always");
    refused(server.mount(none, &place, "tmpfs", libc::MS_MANDLOCK, ""), "mount flags");
    refused(server.mount(none, Path::new("/"), "", REMOUNT | libc::MS_RDONLY, ""), "changing a file system");
    refused(server.mount(Path::new("/tmp"), &place, "", libc::MS_MOVE, ""), "moving a mount");
    refused(server.mount(none, &place, "ext3", 0, ""), "image's loop device");
    for device in ["/dev/vda", "/dev/sda"] {
        if fs::metadata(device).is_ok_and(|about| about.file_type().is_block_device()) {
            refused(server.mount(Path::new(device), &place, "squashfs", libc::MS_RDONLY, ""), "image's loop device");
        }
    }
    assert!(!server.threads_mounts().contains(place.to_str().expect("UTF-8")));
}

#[test]
fn apptainers_mounts_are_asked_for_as_well() {
    let Some(mut server) = Server::of(&Options::of(&APPTAINER), |_| ()) else { return };
    let place = server.directory("place");
    let mut mount = |filesystem: &str, flags| -> Option<GoError> {
        let (target, filesystem) = (place.as_path().into(), filesystem.into());
        let args = apptainer::mount::MountArgs { target, filesystem, flags, ..Default::default() };
        server.client().call("Mount", &args).expect("reply")
    };
    assert_eq!(mount("ramfs", 0), Some(GoError::Errno(libc::EPERM as u64)));
    assert_eq!(mount("tmpfs", 0), None);
    assert_eq!(server.flags(&place)[..3], ["rw", "nosuid", "nodev"]);
    let unmount = UnmountArgs { target: place.as_path().into(), flags: 0 };
    let error = server.client().call::<_, Option<GoError>>("Unmount", &unmount).expect_err("refused").to_string();
    assert!(error.contains("the policy forbids: taking away a mount"), "{error}");
}

#[test]
fn names_and_helpers_of_the_hosts() {
    let Some(mut server) = Server::new() else { return };
    let before = rustix::system::uname().nodename().to_owned();
    let args = HostnameArgs { hostname: format!("taken-{}", std::process::id()).into() };
    let error = server.client().call::<_, i64>("SetHostname", &args).expect_err("refused").to_string();
    assert!(error.contains("the policy forbids: setting the host's own name"), "{error}");
    assert_eq!(rustix::system::uname().nodename(), &*before);
    let args = NvCcliArgs { root: "/".into(), ..Default::default() };
    let error = server.client().call::<_, i64>("NvCCLI", &args).expect_err("refused").to_string();
    assert!(error.contains("the policy forbids: nvidia-container-cli"), "{error}");
}

#[test]
fn a_device_that_no_image_of_this_server_is_behind_is_not_decrypted() {
    let Some(mut server) = Server::new() else { return };
    if Command::new("cryptsetup").arg("--version").output().is_err() {
        println!("skipped: no cryptsetup");
        return;
    }
    let args =
        DecryptArgs { device: "/dev/loop0".into(), key: pinion::gob::Bytes(b"key".to_vec()), ..Default::default() };
    let error = server.client().call::<_, String>("Decrypt", &args).expect_err("refused").to_string();
    let none = fs::metadata("/dev/loop0").is_err();
    // Another test's server, in this process, may have it.
    assert!(none || error.contains("the policy forbids"), "{error}");
}

/// The ids and effective capabilities of a server in the setuid flow.
fn become_user(folder: &Path) {
    for name in ["closed/inner", "open", "place"] {
        fs::create_dir_all(folder.join(name)).expect("directory");
    }
    fs::set_permissions(folder.join("closed"), PermissionsExt::from_mode(0o700)).expect("mode");
    nix::unistd::setfsuid(nix::unistd::Uid::from_raw(1000));
    let all = rustix::thread::capabilities(None).expect("capabilities");
    let effective = rustix::thread::CapabilitySet::SYS_ADMIN;
    rustix::thread::set_capabilities(None, rustix::thread::CapabilitySets { effective, ..all }).expect("capabilities");
}

#[test]
fn layers_are_opened_as_the_user() {
    let Some(mut server) = Server::of(&Options::default(), become_user) else { return };
    let path = |name: &str| server.folder.path().join(name).display().to_string();
    let (closed, open, place) = (path("closed/inner"), path("open"), PathBuf::from(path("place")));
    let data = format!("lowerdir={closed}:{open}");
    let error = server.mount(Path::new("overlay"), &place, "overlay", 0, &data).expect_err("closed");
    assert!(error.ends_with("permission denied"), "{error}");
    let data = format!("lowerdir={open}:/usr");
    server.mount(Path::new("overlay"), &place, "overlay", 0, &data).expect("overlay");
}

#[test]
fn images_are_judged_by_what_is_attached() {
    let Some(mut server) = Server::new() else { return };
    if !Path::new("/dev/loop-control").exists() {
        println!("skipped: no loop devices");
        return;
    }
    let Some(file) = image(&server, "image") else { return };
    let place = server.directory("place");
    let number = attach(&mut server, &file, 0).expect("attached");
    let device = PathBuf::from(format!("/dev/loop{number}"));
    refused(server.mount(&device, &place, "ext3", 0, ""), "images of the kind ext3");
    refused(server.mount(&device, &place, "ext4", 0, ""), "\"ext4\"");
    refused(server.mount(&device, &place, "squashfs", 0, "errors=panic"), "errors=panic");
    server.mount(&device, &place, "squashfs", 0, "").expect("mounted");
    assert_eq!(server.flags(&place)[..3], ["ro", "nosuid", "nodev"]);
    let args =
        DecryptArgs { device: device.as_path().into(), key: pinion::gob::Bytes(b"key".to_vec()), ..Default::default() };
    let error = server.client().call::<_, String>("Decrypt", &args).expect_err("refused").to_string();
    assert!(error.contains("images of the kind luks") || error.contains("cryptsetup"), "{error}");
    // A device that no server in this process gives out.
    let other = server.folder.path().join("other");
    let (kind, mode) = (rustix::fs::FileType::BlockDevice, rustix::fs::Mode::from_raw_mode(0o660));
    rustix::fs::mknodat(rustix::fs::CWD, &other, kind, mode, rustix::fs::makedev(7, 1000)).expect("node");
    refused(server.mount(&other, &place, "squashfs", 0, ""), "image's loop device");
    // What the user makes of a name does not count: the device behind it does.
    let stranger = server.directory("stranger").join("loop");
    std::os::unix::fs::symlink("/dev/loop-control", &stranger).expect("link");
    refused(server.mount(&stranger, &place, "squashfs", 0, ""), "image's loop device");
}

#[test]
fn images_of_others_are_not_attached() {
    let Some(mut server) = Server::new() else { return };
    let Some(file) = image(&server, "image") else { return };
    let before = devices(&file);
    let error = attach(&mut server, &file, 8).expect_err("refused");
    assert!(error.contains("a search for partitions in an image"), "{error}");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).expect("mode");
    let error = attach(&mut server, &file, 0).expect_err("refused");
    assert!(error.contains("an image that others than its owner can write"), "{error}");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("mode");
    chown(&file, Some(1000), Some(1000)).expect("owner");
    let error = attach(&mut server, &file, 0).expect_err("refused");
    assert!(error.contains("images of user 1000") && error.contains("\"image_owners\""), "{error}");
    assert_eq!(devices(&file), before);
}

/// The loop devices that serve a file.
fn devices(file: &Path) -> usize {
    let devices = fs::read_dir("/sys/block").expect("devices").map(|entry| entry.expect("entry").path());
    let serves = |device: &PathBuf| {
        fs::read_to_string(device.join("loop/backing_file")).is_ok_and(|name| Path::new(name.trim_end()) == file)
    };
    devices.filter(serves).count()
}
