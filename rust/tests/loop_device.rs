// SPDX-License-Identifier: Apache-2.0 OR MIT
//! LoopDevice: many servers at once, older kernels, a /dev of one's own, servers that die. Every image has a device that lets
//! go of it by itself, and every test waits until that has happened. Needs root.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use pinion::Result;
use pinion::ffi::sys::inherited::inherit;
use pinion::gob::Limits;
use pinion::rpc::builtin::Options;
use pinion::rpc::builtin::loop_device::{self, LoopArgs, LoopInfo, LoopPathArgs};
use pinion::rpc::{Client, MethodSet, Service, serve};
use tempfile::TempDir;

mod common;

/// `LO_FLAGS_AUTOCLEAR`.
const AUTOCLEAR: u32 = 4;

/// Images of 1 MiB. No loop device serves one when this has been dropped.
struct Images(TempDir);

impl Images {
    fn new() -> Option<Images> {
        if !common::is_root() {
            println!("skipped: loop devices need root");
            return None;
        }
        Some(Images(common::shared_folder()))
    }

    fn path(&self, name: usize) -> PathBuf {
        self.0.path().join(format!("image-{name}"))
    }

    fn open(&self, name: usize) -> OwnedFd {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.path(name)).unwrap();
        file.set_len(1 << 20).unwrap();
        file.into()
    }

    /// The devices that serve one of the images, and which.
    fn attached(&self) -> BTreeSet<(u32, PathBuf)> {
        let devices = fs::read_dir("/sys/block").unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            let number = entry.file_name().to_str()?.strip_prefix("loop")?.parse().ok()?;
            let file = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
            Some((number, PathBuf::from(file.trim_end())))
        });
        devices.filter(|(_, file)| file.starts_with(self.0.path())).collect()
    }

    /// Waits until none is attached: somebody who looks at new devices, as udev does, may have one open for a moment.
    fn wait_until_free(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.attached().is_empty() {
            assert!(Instant::now() < deadline, "left attached: {:?}", self.attached());
            std::thread::yield_now();
        }
    }
}

impl Drop for Images {
    /// A test that failed must not leave one attached.
    fn drop(&mut self) {
        for (number, _) in self.attached() {
            let _ = Command::new("losetup").arg("-d").arg(format!("/dev/loop{number}")).status();
        }
    }
}

/// A server in a process of its own, and a client of it. It ends with this.
struct Server {
    client: Option<Client>,
    process: Child,
    image: u64,
}

impl Server {
    /// Under a command that starts it, with an image.
    fn start(under: &[&str], image: OwnedFd) -> Server {
        let (near, far) = UnixStream::pair().unwrap();
        let far = OwnedFd::from(far);
        let (connection, number) = (far.as_raw_fd().to_string(), image.as_raw_fd());
        let words =
            [under, &[env!("CARGO_BIN_EXE_pinion"), "rpc", "serve", "--name", "t", "--fd", &connection]].concat();
        let mut command = Command::new(words[0]);
        inherit(command.args(&words[1..]), vec![far, image]);
        let process = command.spawn().unwrap();
        Server { client: Some(Client::new(near, "t")), process, image: number.try_into().unwrap() }
    }

    fn args(&self) -> LoopArgs {
        let info = LoopInfo { flags: AUTOCLEAR, ..LoopInfo::default() };
        LoopArgs { image_fd: self.image, mode: libc::O_RDWR.into(), info, max_devices: 4096, shared: false }
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().unwrap()
    }

    fn attach(&mut self, change: impl FnOnce(&mut LoopArgs)) -> Result<u32> {
        let mut args = self.args();
        change(&mut args);
        self.client().call("LoopDevice", &args).map(device_number)
    }

    fn sysfs(number: u32, name: &str) -> String {
        fs::read_to_string(format!("/sys/block/loop{number}/{name}")).unwrap().trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.client.take());
        self.process.wait().unwrap();
    }
}

/// The reply is a Go int.
fn device_number(reply: i64) -> u32 {
    reply.try_into().unwrap()
}

const STARTERS: usize = 64;

/// Servers that are all asked at once: the devices that they gave, while all serve.
fn all_at_once(images: &Images, image_of: impl Fn(usize) -> usize, shared: bool) -> Vec<u32> {
    let mut servers: Vec<Server> = (0..STARTERS).map(|at| Server::start(&[], images.open(image_of(at)))).collect();
    let start = Barrier::new(STARTERS);
    let ask = |server: &mut Server| {
        start.wait();
        server.attach(|args| args.shared = shared).unwrap()
    };
    let numbers: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = servers.iter_mut().map(|server| scope.spawn(|| ask(server))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let served: BTreeSet<_> = numbers.iter().enumerate().map(|(at, n)| (*n, images.path(image_of(at)))).collect();
    assert_eq!(images.attached(), served);
    drop(servers);
    images.wait_until_free();
    numbers
}

fn distinct(numbers: &[u32]) -> usize {
    numbers.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn many_starters_share_the_device_of_one_image() {
    let Some(images) = Images::new() else { return };
    assert_eq!(distinct(&all_at_once(&images, |_| 0, true)), 1);
}

#[test]
fn many_starters_have_devices_of_their_own_for_one_image() {
    let Some(images) = Images::new() else { return };
    assert_eq!(distinct(&all_at_once(&images, |_| 0, false)), STARTERS);
}

#[test]
fn many_starters_of_different_images_get_each_its_own() {
    let Some(images) = Images::new() else { return };
    assert_eq!(distinct(&all_at_once(&images, |at| at, true)), STARTERS);
}

#[test]
fn older_kernels_attach_in_two_steps() {
    let Some(images) = Images::new() else { return };
    let under = common::c_program("under", images.0.path());
    let ioctl = libc::SYS_ioctl;
    for errno in [libc::EINVAL, libc::ENOTTY, libc::ENOSYS, libc::EPERM] {
        // Of the requests that are made only LOOP_CONFIGURE, 0x4c0a, has bit 8.
        let filter = format!("deny={ioctl}:{errno}:1:8");
        let mut server = Server::start(&[under.to_str().unwrap(), &filter, "--"], images.open(0));
        let number = server
            .attach(|args| {
                args.info.offset = 4096;
                args.info.size_limit = 8192;
            })
            .unwrap();
        let is = |name: &str| Server::sysfs(number, &format!("loop/{name}"));
        assert_eq!((is("offset"), is("sizelimit"), is("autoclear")), ("4096".into(), "8192".into(), "1".into()));
        let read_only = server.attach(|args| args.mode = libc::O_RDONLY.into()).unwrap();
        assert_eq!((Server::sysfs(number, "ro"), Server::sysfs(read_only, "ro")), ("0".into(), "1".into()));
        let shared = server.attach(|args| {
            args.shared = true;
            args.info.offset = 4096;
            args.info.size_limit = 8192;
        });
        assert_eq!(shared.unwrap(), number);
    }
    images.wait_until_free();
}

#[test]
fn a_device_whose_status_cannot_be_set_is_given_back() {
    let Some(images) = Images::new() else { return };
    let under = common::c_program("under", images.0.path());
    // LOOP_SET_STATUS64, 0x4c04, as well.
    let filter = format!("deny={}:{}:1:12", libc::SYS_ioctl, libc::EPERM);
    let mut server = Server::start(&[under.to_str().unwrap(), &filter, "--"], images.open(0));
    let error = server.attach(|_| ()).unwrap_err().to_string();
    assert!(error.contains("attach descriptor") && error.ends_with("operation not permitted"), "{error}");
    // The server still runs.
    images.wait_until_free();
}

#[test]
fn no_more_devices_are_taken_than_allowed() {
    let Some(images) = Images::new() else { return };
    let mut server = Server::start(&[], images.open(0));
    let (given, refused): (Vec<_>, Vec<_>) =
        (0..4).map(|_| server.attach(|args| args.max_devices = 3)).partition(Result::is_ok);
    let given: Vec<u32> = given.into_iter().map(Result::unwrap).collect();
    let error = refused[0].as_ref().unwrap_err().to_string();
    assert!(given.iter().all(|number| *number < 3), "{given:?}");
    assert_eq!(distinct(&given), given.len());
    assert!(error.contains("all 3 loop devices that are allowed (MaxDevices) are in use"), "{error}");
    // The others' devices are not touched by that.
    assert!(server.attach(|_| ()).unwrap() > 2);
    drop(server);
    images.wait_until_free();
}

/// Mounts a /dev with these nodes over the server's, and hides /sys.
fn with_own_dev(nodes: &str) -> String {
    format!("mount -t tmpfs dev /dev && mount -t tmpfs none /sys && mknod /dev/null c 1 3 && {nodes} exec \"$@\"")
}

#[test]
fn a_missing_node_is_made() {
    let Some(images) = Images::new() else { return };
    let script = with_own_dev("mknod /dev/loop-control c 10 237 &&");
    let mut server = Server::start(&["unshare", "--mount", "sh", "-c", &script, "sh"], images.open(0));
    let number = server.attach(|args| args.shared = true).unwrap();
    let folder = format!("/proc/{}/root/dev", server.process.id());
    let node = fs::metadata(format!("{folder}/loop{number}")).unwrap();
    assert!(node.file_type().is_block_device());
    assert_eq!((rustix::fs::major(node.rdev()), rustix::fs::minor(node.rdev())), (7, number));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
    // Found again without /sys.
    assert_eq!(server.attach(|args| args.shared = true).unwrap(), number);
    drop(server);
    images.wait_until_free();
}

#[test]
fn a_missing_control_device_is_told() {
    let Some(images) = Images::new() else { return };
    let mut server = Server::start(&["unshare", "--mount", "sh", "-c", &with_own_dev(""), "sh"], images.open(0));
    let error = server.attach(|_| ()).unwrap_err().to_string();
    assert!(error.contains("open /dev/loop-control: no such file or directory; load the module loop"), "{error}");
}

#[test]
fn a_server_that_is_killed_leaves_nothing_attached() {
    let Some(images) = Images::new() else { return };
    let mut server = Server::start(&[], images.open(0));
    server.attach(|_| ()).unwrap();
    server.process.kill().unwrap();
    drop(server);
    images.wait_until_free();
    for _ in 0..16 {
        // Somewhere on its way.
        let mut server = Server::start(&[], images.open(0));
        let mut args = server.args();
        args.shared = true;
        server.client().send("LoopDevice", &args).unwrap();
        server.client().flush().unwrap();
        server.process.kill().unwrap();
    }
    images.wait_until_free();
}

#[test]
fn a_user_namespace_without_root_or_disk_is_no_hindrance() {
    let Some(images) = Images::new() else { return };
    let apart = ["unshare", "--user", "--map-user=5", "--map-group=5"];
    let mut server = Server::start(&apart, images.open(0));
    // Its user is the host's root, who may open the devices, under another number.
    server.attach(|_| ()).unwrap();
    drop(server);
    images.wait_until_free();
}

/// Answers calls of LoopDevice that name a path.
fn by_path(calls: impl FnOnce(&mut dyn FnMut(&Path, i32) -> Result<u32>)) {
    let (near, far) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let method = &loop_device::METHOD_BY_PATH;
        let methods = (method.add)(MethodSet::new(), method, &Options::default());
        serve(far, &Service::new("t", MethodSet::new(), methods), &Limits::default()).unwrap();
    });
    let mut client = Client::new(near, "t");
    calls(&mut |image: &Path, mode: i32| {
        let info = LoopInfo { flags: AUTOCLEAR, ..LoopInfo::default() };
        let args = LoopPathArgs { image: image.into(), mode: mode.into(), info, max_devices: 4096, shared: true };
        client.call("LoopDevice", &args).map(device_number)
    });
    drop(client);
    server.join().unwrap();
}

#[test]
fn an_image_is_named_by_path_or_by_descriptor() {
    let Some(images) = Images::new() else { return };
    let image = images.open(0);
    let descriptor = PathBuf::from(format!("/proc/self/fd/{}", image.as_raw_fd()));
    by_path(|attach| {
        let number = attach(&images.path(0), libc::O_RDWR).unwrap();
        assert_eq!(attach(&descriptor, libc::O_RDWR).unwrap(), number);
        assert_ne!(attach(&descriptor, libc::O_RDONLY).unwrap(), number);
        let text = |image: &str| attach(Path::new(image), libc::O_RDONLY).unwrap_err().to_string();
        let mut text = text;
        assert!(text("/none").ends_with("open /none: no such file or directory"));
        assert!(text("/proc/self/fd/x").contains("what follows /proc/self/fd/ must be the number"));
        assert!(text("/proc/self/fd/99999").contains("descriptor 99999 is not open"));
    });
    // It is not closed.
    assert!(rustix::fs::fstat(&image).is_ok());
    images.wait_until_free();
}
