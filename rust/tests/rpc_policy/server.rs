// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A server that asks a policy, what a client asks it for, and images for it.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::thread::JoinHandle;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use pinion::config::settings::NamespaceKind;
use pinion::gob::Limits;
use pinion::policy::{self, Policy};
use pinion::rpc::builtin::Options;
use pinion::rpc::builtin::loop_device::{LoopArgs, LoopInfo};
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::registered;
use pinion::rpc::{Client, MethodSet, Service, serve};
use tempfile::TempDir;

/// A server and its client. The mounts go with the server.
pub struct Server {
    client: Option<Client>,
    serving: Option<JoinHandle<()>>,
    pub folder: TempDir,
}

impl Server {
    pub fn new() -> Option<Server> {
        Self::of(&Options::default(), |_| ())
    }

    /// `prepare` comes last before it serves, in its thread, with its folder.
    pub fn of(options: &Options, prepare: fn(&Path)) -> Option<Server> {
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

    pub fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("client")
    }

    /// A new directory.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }

    pub fn mount(
        &mut self,
        source: &Path,
        target: &Path,
        filesystem: &str,
        flags: u64,
        data: &str,
    ) -> Result<(), String> {
        let (source, target) = (source.into(), target.into());
        let args =
            MountArgs { root: "/".into(), source, target, filesystem: filesystem.into(), flags, data: data.into() };
        let reply: MountErrorReply = self.client().call("Mount", &args).expect("reply");
        assert!(reply == MountErrorReply::default() || reply.errno != 0, "{reply:?}");
        reply.into_result().map_err(|error| error.to_string())
    }

    /// The flags of the mount at a place, in the server's namespace.
    pub fn flags(&mut self, place: &Path) -> Vec<String> {
        // Whoever shares the server's working directory and root is not here: the server's own thread knows its mounts.
        let mounts = self.threads_mounts();
        let line = mounts.lines().rfind(|line| line.split(' ').nth(4) == place.to_str());
        let flags = line.and_then(|line| line.split(' ').nth(5)).unwrap_or_else(|| panic!("no mount at {place:?}"));
        flags.split(',').map(str::to_owned).collect()
    }

    pub fn threads_mounts(&self) -> String {
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
pub fn refused(result: Result<(), String>, word: &str) {
    let text = result.expect_err("refused");
    assert!(text.contains("the policy forbids") && text.contains(word), "{text}");
}

/// A squashfs image.
pub fn image(server: &Server, name: &str) -> Option<PathBuf> {
    let (content, image) = (server.directory("content"), server.folder.path().join(name));
    fs::write(content.join("file"), "x").expect("file");
    let made = Command::new("mksquashfs").args([&content, &image]).args(["-quiet", "-no-progress"]).output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: no mksquashfs");
        return None;
    }
    Some(image)
}

pub fn attach(server: &mut Server, image: &Path, flags: u32) -> Result<i64, String> {
    let file = fs::File::open(image).expect("image");
    let image_fd = u64::try_from(file.as_raw_fd()).expect("number");
    // LO_FLAGS_AUTOCLEAR
    let info = LoopInfo { flags: flags | 4, ..Default::default() };
    let args = LoopArgs { image_fd, mode: 0, info, max_devices: 256, shared: false };
    server.client().call("LoopDevice", &args).map_err(|error| error.to_string())
}
