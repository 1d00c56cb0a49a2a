// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The built-in RPC methods in a server that asks a policy. The policy of all tests here lists squashfs images of root's;
//! the server has a mount namespace of its own and no other. Needs root; what needs mksquashfs is skipped without it.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::thread::JoinHandle;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use pinion::config::settings::NamespaceKind;
use pinion::engines::oci::methods::{Construction, OpenRoot};
use pinion::gob::Limits;
use pinion::policy::{self, Policy};
use pinion::rpc::builtin::apptainer::unmount::UnmountArgs;
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::decrypt::DecryptArgs;
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::builtin::loop_device::{LoopArgs, LoopInfo};
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::nvidia::NvCcliArgs;
use pinion::rpc::builtin::registered::{self, GoError};
use pinion::rpc::builtin::{APPTAINER, Options, apptainer};
use pinion::rpc::{Client, MethodSet, Service, serve};
use tempfile::TempDir;

const BIND: u64 = libc::MS_BIND;
const REMOUNT: u64 = libc::MS_REMOUNT;

/// A server and its client. The mounts go with the server.
struct Server {
    client: Option<Client>,
    serving: Option<JoinHandle<()>>,
    folder: TempDir,
}

impl Server {
    fn new() -> Option<Server> {
        Self::of(&Options::default(), |_| ())
    }

    /// `prepare` comes last before it serves, in its thread, with its folder.
    fn of(options: &Options, prepare: fn(&Path)) -> Option<Server> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: mounting needs root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pinion-policy-").tempdir_in("/tmp").expect("folder");
        let (near, far) = UnixStream::pair().expect("sockets");
        let (options, place) = (options.clone(), folder.path().to_owned());
        let serving = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("unshare");
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("private");
            hold(&place);
            prepare(&place);
            let service =
                Service::new("t", MethodSet::new(), pinion::rpc::builtin::methods(&options).expect("methods"));
            serve(far, &service, &Limits::default()).expect("served");
        });
        let client = Client::new(near, "t").with_names(registered::names());
        Some(Server { client: Some(client), serving: Some(serving), folder })
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("client")
    }

    /// A new directory.
    fn directory(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }

    fn mount(&mut self, source: &Path, target: &Path, filesystem: &str, flags: u64, data: &str) -> Result<(), String> {
        let (source, target) = (source.into(), target.into());
        let args =
            MountArgs { root: "/".into(), source, target, filesystem: filesystem.into(), flags, data: data.into() };
        let reply: MountErrorReply = self.client().call("Mount", &args).expect("reply");
        assert!(reply == MountErrorReply::default() || reply.errno != 0, "{reply:?}");
        reply.into_result().map_err(|error| error.to_string())
    }

    /// The flags of the mount at a place, in the server's namespace.
    fn flags(&mut self, place: &Path) -> Vec<String> {
        // Whoever shares the server's working directory and root is not here: the server's own thread knows its mounts.
        let mounts = self.threads_mounts();
        let line = mounts.lines().rfind(|line| line.split(' ').nth(4) == place.to_str());
        let flags = line.and_then(|line| line.split(' ').nth(5)).unwrap_or_else(|| panic!("no mount at {place:?}"));
        flags.split(',').map(str::to_owned).collect()
    }

    fn threads_mounts(&self) -> String {
        let folder = self.folder.path().to_str().expect("UTF-8");
        let tasks = fs::read_dir("/proc/self/task").expect("tasks").map(|task| task.expect("task").path());
        let mounts = tasks.filter_map(|task| fs::read_to_string(task.join("mountinfo")).ok());
        mounts.into_iter().find(|mounts| mounts.contains(folder)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.client.take());
        let ended = self.serving.take().expect("thread").join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// Lets the policy hold for this process.
fn hold(folder: &Path) {
    static HELD: Once = Once::new();
    HELD.call_once(|| {
        let etc = folder.join("etc/pinion");
        fs::create_dir_all(&etc).expect("etc");
        fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("mode");
        let policy = r#"{"version": 1, "mounts": ["bind", "tmpfs", "proc", "cgroup", "overlay"],
            "images": ["squashfs"], "image_owners": [0]}"#;
        fs::write(etc.join("policy.json"), policy).expect("policy");
        let none = None::<&str>;
        let own = folder.join("etc");
        mount(Some(&own), "/etc", none, MsFlags::MS_BIND, none).expect("etc");
        Policy::read().expect("policy").enforce();
        nix::mount::umount("/etc").expect("etc");
        policy::serve(vec![NamespaceKind::Mount]);
    });
}

#[track_caller]
fn refused(result: Result<(), String>, word: &str) {
    let text = result.expect_err("refused");
    assert!(text.contains("the policy forbids") && text.contains(word), "{text}");
}

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

/// A squashfs image.
fn image(server: &Server, name: &str) -> Option<PathBuf> {
    let (content, image) = (server.directory("content"), server.folder.path().join(name));
    fs::write(content.join("file"), "x").expect("file");
    let made = Command::new("mksquashfs").args([&content, &image]).args(["-quiet", "-no-progress"]).output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: no mksquashfs");
        return None;
    }
    Some(image)
}

fn attach(server: &mut Server, image: &Path, flags: u32) -> Result<i64, String> {
    let file = fs::File::open(image).expect("image");
    let image_fd = u64::try_from(file.as_raw_fd()).expect("number");
    // LO_FLAGS_AUTOCLEAR
    let info = LoopInfo { flags: flags | 4, ..Default::default() };
    let args = LoopArgs { image_fd, mode: 0, info, max_devices: 256, shared: false };
    server.client().call("LoopDevice", &args).map_err(|error| error.to_string())
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
    // Another device than the one that was given out.
    let others = (0..8).filter(|other| *other != number).map(|other| PathBuf::from(format!("/dev/loop{other}")));
    for other in others.filter(|other| other.exists()) {
        refused(server.mount(&other, &place, "squashfs", 0, ""), "image's loop device");
    }
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
