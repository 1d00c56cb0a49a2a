// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount, Chroot and SetHostname through a connection. Each test has a thread of its own with namespaces of its own, so
//! that nothing reaches the host. Needs root.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use pinion::ffi::sys::mount::{MountAttributes, mount_setattr};
use pinion::gob::Limits;
use pinion::rpc::builtin::chdir::ChdirArgs;
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::hostname::HostnameArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::{self, Options, Resolver};
use pinion::rpc::{Client, MethodSet, Service, serve};

/// Runs a test with a client of a server that has mounts, root, working directory and host name of its own. `inside`
/// runs in the server's thread after the connection ended.
fn contained(
    resolver: Resolver,
    calls: impl FnOnce(&mut Client, &Path) + Send + 'static,
    inside: impl FnOnce(&Path) + Send + 'static,
) {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: mounting needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let (near, far) = UnixStream::pair().unwrap();
    let server_path = path.clone();
    let server = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        let options = Options { resolver, ..Options::default() };
        let service = Service::new("t", MethodSet::new(), builtin::methods(&options).unwrap());
        serve(far, &service, &Limits::default()).unwrap();
        inside(&server_path);
    });
    let mut client = Client::new(near, "t");
    calls(&mut client, &path);
    drop(client);
    server.join().unwrap();
}

fn args(root: &Path, source: &str, target: &str, filesystem: &str, flags: MsFlags, data: &str) -> MountArgs {
    MountArgs {
        root: root.into(),
        source: source.into(),
        target: target.into(),
        filesystem: filesystem.into(),
        flags: flags.bits(),
        data: data.into(),
    }
}

fn mount_call(client: &mut Client, args: MountArgs) -> MountErrorReply {
    client.call("Mount", &args).unwrap()
}

fn succeed(client: &mut Client, args: MountArgs) {
    assert_eq!(mount_call(client, args), MountErrorReply::default());
}

fn mounts_beneath(resolver: Resolver) {
    contained(
        resolver,
        |client, dir| {
            let root = dir.join("root");
            for name in ["bind", "proc", "tmp", "sys", "low", "up", "work", "over", "file-dir"] {
                fs::create_dir_all(root.join(name)).unwrap();
            }
            fs::create_dir(dir.join("rootless")).unwrap();
            fs::create_dir(dir.join("source")).unwrap();
            fs::write(dir.join("source/hello"), "hello").unwrap();
            fs::write(root.join("file"), "").unwrap();
            symlink("/etc", root.join("abs")).unwrap();
            symlink("../rootless", root.join("out")).unwrap();
            symlink("bind", root.join("link")).unwrap();
            let empty = MsFlags::empty();
            let source = dir.join("source").display().to_string();
            let bind = MsFlags::MS_BIND;
            succeed(client, args(&root, &source, "/bind", "", bind | MsFlags::MS_REC, ""));
            let read_only = bind | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            succeed(client, args(&root, "", root.join("bind").to_str().unwrap(), "", read_only, ""));
            succeed(client, args(&root, "", "bind", "", MsFlags::MS_PRIVATE, ""));
            succeed(client, args(&root, &format!("{source}/hello"), "/file", "", bind, ""));
            succeed(client, args(&root, "proc", "/proc", "proc", MsFlags::MS_NOSUID, ""));
            succeed(client, args(&root, "tmpfs", "/tmp", "tmpfs", empty, "size=64k,mode=700"));
            succeed(client, args(&root, "sysfs", "/sys", "sysfs", MsFlags::MS_RDONLY, ""));

            let failure = mount_call(client, args(&root, "x", "/none", "tmpfs", empty, ""));
            assert!(failure.is_not_exist && !failure.is_permission && failure.errno == 2);
            assert_eq!(failure.message.to_string(), "mount \"x\" on \"/none\": no such file or directory");
            for leads_out in ["abs", "abs/x", "out", "out/x", "../rootless", "/proc/self/cwd"] {
                let failure = mount_call(client, args(&root, "x", leads_out, "tmpfs", empty, ""));
                assert!(failure.errno != 0, "{leads_out}");
            }
            // A last link is the target itself, and nothing can be mounted on a link.
            assert_ne!(mount_call(client, args(&root, "x", "link", "tmpfs", empty, "")).errno, 0);
            let failure = mount_call(client, args(&root, "x", "tmp", "nosuchfs", empty, ""));
            assert_eq!(failure.errno, libc::ENODEV as u64);
            // A root that begins like another one is another one.
            let failure = mount_call(client, args(&root, "x", &format!("{}less", root.display()), "tmpfs", empty, ""));
            assert!(failure.is_not_exist);
        },
        |dir| {
            let root = dir.join("root");
            assert_eq!(fs::read(root.join("bind/hello")).unwrap(), b"hello");
            assert_eq!(fs::read(root.join("file")).unwrap(), b"hello");
            assert!(fs::write(root.join("bind/new"), "").is_err());
            assert!(root.join("proc/self").exists());
            fs::write(root.join("tmp/new"), "").unwrap();
            let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let ours: Vec<&str> = table.lines().filter(|line| line.contains("/root/")).collect();
            assert_eq!(ours.len(), 5, "{ours:#?}");
            assert!(!table.contains("rootless"));
        },
    );
}

#[test]
fn mounts_stay_beneath_the_root() {
    mounts_beneath(Resolver::Kernel);
}

#[test]
fn mounts_stay_beneath_the_root_without_openat2() {
    mounts_beneath(Resolver::Walker);
}

/// An image's own idea of /proc and /dev leads to the host.
fn hostile_images(resolver: Resolver) {
    contained(
        resolver,
        |client, dir| {
            let host = dir.join("host");
            fs::create_dir_all(host.join("dev/pts")).unwrap();
            fs::write(host.join("dev/null"), "host").unwrap();
            fs::write(dir.join("source"), "source").unwrap();
            let source = dir.join("source").display().to_string();
            let seen = || {
                let entries = |path: &str| fs::read_dir(host.join(path)).unwrap().count();
                (entries("."), entries("dev"), entries("dev/pts"), fs::read(host.join("dev/null")).unwrap())
            };
            let before = seen();
            let host = host.display().to_string();
            for (number, lead) in [host.as_str(), "../host", "in/../../host", "proc/../../host"].into_iter().enumerate()
            {
                let root = dir.join(format!("image{number}"));
                fs::create_dir_all(root.join("in")).unwrap();
                fs::create_dir(root.join("run")).unwrap();
                symlink(format!("{lead}/dev"), root.join("dev")).unwrap();
                symlink(lead, root.join("proc")).unwrap();
                for name in ["null", "pts", "shm", "console"] {
                    symlink(format!("../{lead}/dev/{name}"), root.join("run").join(name)).unwrap();
                }
                for target in ["/proc", "/dev", "/dev/pts", "/dev/shm", "/run/pts", "/proc/dev/pts"] {
                    let mount = args(&root, "proc", target, "proc", MsFlags::empty(), "");
                    assert_ne!(mount_call(client, mount).errno, 0, "{target}");
                    let path = format!("{target}/new");
                    let made = builtin::mkdir::MkdirArgs {
                        root: root.as_path().into(),
                        path: path.as_str().into(),
                        perm: 0o755,
                    };
                    assert!(client.call::<_, i64>("Mkdir", &made).is_err(), "{path}");
                }
                assert_ne!(mount_call(client, args(&root, &source, "/dev/null", "", MsFlags::MS_BIND, "")).errno, 0);
                // A link in the last place may be mounted on, as by Go: it is in the image, and covered then.
                for target in ["/run/null", "/run/console"] {
                    let _ = mount_call(client, args(&root, &source, target, "", MsFlags::MS_BIND, ""));
                }
                fs::remove_file(root.join("proc")).unwrap();
                fs::write(root.join("proc"), "").unwrap();
                assert_ne!(mount_call(client, args(&root, "proc", "/proc", "proc", MsFlags::empty(), "")).errno, 0);
            }
            assert_eq!(seen(), before);
        },
        |dir| {
            let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let places = table.lines().filter_map(|line| line.split(' ').nth(4));
            let ours: Vec<&str> = places.filter(|place| Path::new(place).starts_with(dir)).collect();
            assert!(
                ours.iter().all(|place| place.ends_with("/run/null") || place.ends_with("/run/console")),
                "{ours:?}"
            );
            assert_eq!(fs::read(dir.join("host/dev/null")).unwrap(), b"host");
        },
    );
}

#[test]
fn images_that_lead_to_the_host_are_refused() {
    hostile_images(Resolver::Kernel);
}

#[test]
fn images_that_lead_to_the_host_are_refused_without_openat2() {
    hostile_images(Resolver::Walker);
}

#[test]
fn an_overlay_is_mounted() {
    contained(
        Resolver::Kernel,
        |client, dir| {
            // An overlay's upper layer cannot be an overlay, which the test's own directory may be.
            succeed(client, args(dir, "tmpfs", "", "tmpfs", MsFlags::empty(), "").on(dir));
            for name in ["low", "up", "work", "over"] {
                let args = builtin::mkdir::MkdirArgs { root: dir.into(), path: name.into(), perm: 0o755 };
                assert_eq!(client.call::<_, i64>("Mkdir", &args).unwrap(), 0);
            }
            let layers = format!("lowerdir={0}/low,upperdir={0}/up,workdir={0}/work", dir.display());
            succeed(client, args(dir, "overlay", "over", "overlay", MsFlags::empty(), &layers));
        },
        |dir| {
            fs::write(dir.join("over/new"), "").unwrap();
            assert!(dir.join("up/new").exists());
        },
    );
}

trait On {
    fn on(self, target: &Path) -> MountArgs;
}

impl On for MountArgs {
    fn on(mut self, target: &Path) -> MountArgs {
        self.target = target.into();
        self
    }
}

fn root_changes(method: &'static str) {
    contained(
        Resolver::Kernel,
        move |client, dir| {
            let root = dir.join("root");
            fs::create_dir(&root).unwrap();
            fs::create_dir(root.join("in")).unwrap();
            // An image's idea of proc.
            fs::create_dir_all(root.join("proc/self/fd")).unwrap();
            (0..200).for_each(|number| symlink("/in", root.join(format!("proc/self/fd/{number}"))).unwrap());
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            succeed(client, args(Path::new(""), root.to_str().unwrap(), root.to_str().unwrap(), "", bind, ""));
            let error =
                client.call::<_, i64>("Chroot", &ChrootArgs { root: "/".into(), method: "x".into() }).unwrap_err();
            assert_eq!(error.to_string(), "change root to /: unknown method \"x\"");
            let chdir = ChdirArgs { dir: root.as_path().into() };
            assert_eq!(client.call::<_, i64>("Chdir", &chdir).unwrap(), 0);
            let here = ChrootArgs { root: ".".into(), method: method.into() };
            assert_eq!(client.call::<_, i64>("Chroot", &here).unwrap(), 0);
            // The server goes on in the new root.
            let made = builtin::mkdir::MkdirArgs { root: "/".into(), path: "/made".into(), perm: 0o755 };
            assert_eq!(client.call::<_, i64>("Mkdir", &made).unwrap(), 0);
            // There is no real proc to name descriptors with; the working directory comes back all the same.
            assert_eq!(client.call::<_, i64>("Chdir", &ChdirArgs { dir: "in".into() }).unwrap(), 0);
            succeed(client, args(Path::new("/"), "proc", "/proc", "proc", MsFlags::empty(), ""));
        },
        move |_| {
            let names: Vec<_> = fs::read_dir("/").unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names.len(), 3, "{names:?}");
            assert!(Path::new("/proc/thread-self/mountinfo").exists());
            assert_eq!(std::env::current_dir().unwrap(), Path::new("/in"));
            // After pivot and move nothing of the old root is left to climb to.
            if method != "chroot" {
                let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
                assert_eq!(table.lines().count(), 2, "{table}");
            }
        },
    );
}

#[test]
fn the_root_is_pivoted() {
    root_changes("pivot");
}

#[test]
fn the_root_is_moved() {
    root_changes("move");
}

#[test]
fn the_root_is_changed() {
    root_changes("chroot");
}

#[test]
fn the_host_name_is_set_for_the_namespace() {
    contained(
        Resolver::Kernel,
        |client, _| {
            assert_eq!(client.call::<_, i64>("SetHostname", &HostnameArgs { hostname: "gear".into() }).unwrap(), 0);
            let long = HostnameArgs { hostname: "x".repeat(100).into() };
            assert!(client.call::<_, i64>("SetHostname", &long).is_err());
        },
        |_| assert_eq!(nix::unistd::gethostname().unwrap(), "gear"),
    );
}

#[test]
fn attributes_of_mounts_are_changed_by_descriptor() {
    contained(
        Resolver::Kernel,
        |client, dir| succeed(client, args(dir, "tmpfs", ".", "tmpfs", MsFlags::empty(), "")),
        |dir| {
            let mount = fs::File::open(dir).unwrap();
            let change = MountAttributes { set: libc::MOUNT_ATTR_RDONLY, recursive: true, ..Default::default() };
            mount_setattr(&mount, change).unwrap();
            assert_eq!(fs::write(dir.join("x"), "").unwrap_err().raw_os_error(), Some(libc::EROFS));
            let error = mount_setattr(&mount, MountAttributes { set: 1 << 62, ..change }).unwrap_err();
            assert_eq!(error.errno(), Some(libc::EINVAL));
        },
    );
}
