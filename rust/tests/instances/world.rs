// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The real programs in each flow, with a folder of records that no other test and no user sees.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;

#[path = "processes.rs"]
mod processes;

pub use processes::*;

pub const BUSYBOX: &str = "/usr/bin/busybox";

/// Ways to start an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Root,
    User,
    Setuid,
    /// A bundle, whose user namespace has ranges of ids.
    Ranges,
}

pub const FLOWS: [Flow; 4] = [Flow::Root, Flow::User, Flow::Setuid, Flow::Ranges];

/// Copies of the programs that every user may execute, one of them setuid root.
struct Programs(TempDir);

impl Programs {
    /// Those that another test has at this moment, or new ones.
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Programs>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().expect("lock");
        if let Some(programs) = shared.upgrade() {
            return programs;
        }
        let programs = Arc::new(Programs::copy());
        *shared = Arc::downgrade(&programs);
        programs
    }

    fn copy() -> Self {
        let folder = common::shared_folder();
        let starter = Path::new(env!("CARGO_BIN_EXE_pinion-starter"));
        common::copy_program(Path::new(env!("CARGO_BIN_EXE_pinion")), &folder.path().join("pinion"));
        common::copy_program(starter, &folder.path().join("pinion-starter"));
        if common::is_root() {
            let setuid = folder.path().join("pinion-starter-suid");
            common::copy_program(starter, &setuid);
            std::fs::set_permissions(&setuid, PermissionsExt::from_mode(0o4755)).expect("mode");
        }
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("mode");
        Programs(folder)
    }
}

/// Keeps a mount namespace in which the folders of records are new ones.
struct Private(Child);

impl Private {
    fn new() -> Self {
        let user = common::USER;
        let script = format!(
            "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/user/{user} && chmod 700 /run/user/{user} && \
             chown {user}:{user} /run/user/{user} && echo ready && read end"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut ready = [0; 6];
        let stdout = child.stdout.as_mut().expect("piped");
        std::io::Read::read_exact(stdout, &mut ready).expect("a mount namespace with a new /run");
        Private(child)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // End of file ends it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

pub struct World {
    pub flow: Flow,
    pub folder: TempDir,
    programs: Arc<Programs>,
    private: Option<Private>,
    /// What has been started.
    names: Mutex<Vec<String>>,
}

impl World {
    /// None where this flow cannot be had, which it says.
    pub fn of(flow: Flow) -> Option<Self> {
        Self::with(flow, Programs::shared)
    }

    /// With copies of the programs that nobody else executes.
    pub fn alone(flow: Flow) -> Option<Self> {
        Self::with(flow, || Arc::new(Programs::copy()))
    }

    fn with(flow: Flow, programs: impl FnOnce() -> Arc<Programs>) -> Option<Self> {
        if !common::is_root() && flow != Flow::User {
            println!("skipped: {flow:?}: needs root");
            return None;
        }
        if flow == Flow::Ranges && !Path::new(BUSYBOX).exists() {
            println!("skipped: {flow:?}: needs busybox");
            return None;
        }
        let private = common::is_root().then(Private::new);
        let (folder, programs) = (common::shared_folder(), programs());
        if flow == Flow::Ranges {
            write_bundle(folder.path());
        }
        Some(World { flow, folder, programs, private, names: Mutex::default() })
    }

    /// Of a flow that needs root for more than the flow itself.
    pub fn of_root(flow: Flow) -> Option<Self> {
        if !common::is_root() {
            println!("skipped: {flow:?}: needs root");
            return None;
        }
        Self::of(flow)
    }

    /// A name that no other test has.
    pub fn name(&self, word: &str) -> String {
        format!("{word}-{}", std::process::id())
    }

    /// The programs' files.
    pub fn programs(&self) -> Vec<PathBuf> {
        ["pinion", "pinion-starter", "pinion-starter-suid"].map(|name| self.programs.0.path().join(name)).to_vec()
    }

    /// The mount table of those who start here.
    pub fn mounts(&self) -> String {
        let pid = self.private.as_ref().map_or("self".to_owned(), |private| private.0.id().to_string());
        std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("mountinfo")
    }

    pub fn uid(&self) -> u32 {
        if self.flow == Flow::Root { 0 } else { common::own_user() }
    }

    /// `pinion` with these arguments, as the flow's user.
    pub fn pinion(&self, arguments: &[&str]) -> Command {
        self.pinion_of(self.uid(), &[], arguments)
    }

    /// The same as another user, by a command that takes it as its arguments.
    pub fn pinion_of(&self, uid: u32, under: &[&str], arguments: &[&str]) -> Command {
        let mut words: Vec<String> = Vec::new();
        if let Some(Private(holder)) = &self.private {
            words.extend(["nsenter", "--mount", "--target", &holder.id().to_string(), "--"].map(str::to_owned));
        }
        if uid != nix::unistd::geteuid().as_raw() {
            let ids = [format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".into(), "--".into()];
            words.extend(["setpriv".to_owned()].into_iter().chain(ids));
        }
        words.extend(under.iter().map(|word| (*word).to_owned()));
        words.push(self.programs.0.path().join("pinion").to_str().expect("UTF-8").to_owned());
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").stdin(Stdio::null());
        command
    }

    /// The options of `pinion start` for this flow.
    pub fn options(&self) -> Vec<&str> {
        match self.flow {
            Flow::Root | Flow::User => Vec::new(),
            Flow::Setuid => vec!["--setuid"],
            Flow::Ranges => vec!["--bundle", self.folder.path().to_str().expect("UTF-8")],
        }
    }

    /// `pinion start` of a script, with further options.
    pub fn starting(&self, name: &str, options: &[&str], script: &str) -> Command {
        self.starting_under(&[], name, options, script)
    }

    /// The same by a command that takes it as its arguments.
    pub fn starting_under(&self, under: &[&str], name: &str, options: &[&str], script: &str) -> Command {
        self.names.lock().expect("names").push(name.to_owned());
        let mut arguments = vec!["start"];
        arguments.extend(self.options());
        arguments.extend(options);
        arguments.extend([name, "--", "sh", "-c", script]);
        self.pinion_of(self.uid(), under, &arguments)
    }

    /// Starts a script, which runs when this returns and has written `ready` if it does so.
    pub fn start(&self, name: &str, script: &str) {
        let seen = run(self.starting(name, &[], script));
        assert_eq!(seen.exit, 0, "{:?}: {}", self.flow, seen.err);
        assert_eq!((seen.out.as_str(), seen.err.as_str()), ("", ""), "{:?}", self.flow);
        if script.contains("echo ready") {
            until(&format!("{:?}: {name} says that it is ready", self.flow), || {
                self.output(name, "out").lines().any(|line| line == "ready")
            });
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Seen {
        run(self.pinion(arguments))
    }

    /// A `pinion wait` that has found the instance and waits for its end.
    pub fn waiting(&self, name: &str) -> Child {
        let mut waiter = self.pinion(&["wait", name]);
        let waiter = waiter.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wait");
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", waiter.id())).unwrap_or_default();
        until("pinion wait waits", || read("comm").trim() == "pinion" && read("wchan").contains("poll"));
        waiter
    }

    /// The folder of records, as this test reaches it.
    pub fn state(&self) -> PathBuf {
        let path = match (self.uid(), &self.private) {
            (0, _) => "/run/pinion".to_owned(),
            (uid, None) if !Path::new(&format!("/run/user/{uid}")).is_dir() => format!("/tmp/pinion-{uid}"),
            (uid, _) => format!("/run/user/{uid}/pinion"),
        };
        let root = self.private.as_ref().map_or(String::new(), |private| format!("/proc/{}/root", private.0.id()));
        PathBuf::from(root + &path)
    }

    /// What is in the folder of this name.
    pub fn files(&self, name: &str) -> Vec<String> {
        let all = std::fs::read_dir(self.state()).into_iter().flatten();
        let names = all.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|file| file.starts_with(name)).collect();
        names.sort();
        names
    }

    /// What the instance has written to `out` or `err`.
    pub fn output(&self, name: &str, which: &str) -> String {
        std::fs::read_to_string(self.state().join(format!("{name}.{which}"))).unwrap_or_default()
    }

    /// Its entry in the list, if it is in there.
    pub fn listed(&self, name: &str) -> Option<Value> {
        let seen = self.run(&["list", "--json"]);
        assert_eq!((seen.exit, seen.err.as_str()), (0, ""), "{:?}", self.flow);
        let all: Vec<Value> = serde_json::from_str(&seen.out).expect("an array");
        all.into_iter().find(|record| record["name"] == name)
    }

    /// Every process of an instance: those who watch over it and those in it.
    pub fn tree(&self, name: &str) -> Tree {
        let record = self.listed(name).expect("an instance in the list");
        let pid = |who: &str| i32::try_from(record[who]["pid"].as_i64().expect("pid")).expect("pid");
        let (master, container) = (pid("master"), pid("container"));
        let watchers: Vec<i32> = self.holders(name).into_iter().filter(|pid| *pid != master).collect();
        let all = below(container).into_iter().chain([master]).chain(watchers.iter().copied());
        Tree { master, container, all: all.map(Process::of).collect(), watchers }
    }

    /// The processes that have an instance's record open.
    fn holders(&self, name: &str) -> Vec<i32> {
        let of = |file: std::fs::Metadata| (file.dev(), file.ino());
        let record = std::fs::metadata(self.state().join(format!("{name}.json"))).map(of).expect("record");
        let holds = |pid: &i32| {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
            open.filter_map(|entry| std::fs::metadata(entry.path()).ok()).any(|file| of(file) == record)
        };
        let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in std::mem::take(self.names.get_mut().expect("names")) {
            let _ = self.pinion(&["stop", "--timeout", "0", &name]).output();
            for file in self.files(&format!("{name}.")) {
                let _ = std::fs::remove_file(self.state().join(file));
            }
        }
    }
}

fn write_bundle(folder: &Path) {
    write_root(&folder.join("rootfs"));
    let mappings = json!([{"containerID": 0, "hostID": common::USER, "size": 1},
                          {"containerID": 1, "hostID": 100_000, "size": 65_536}]);
    let namespaces: Vec<Value> =
        ["user", "pid", "mount", "uts", "ipc"].iter().map(|kind| json!({ "type": kind })).collect();
    let document = json!({
        "ociVersion": "1.2.0",
        "hostname": "ranges",
        "process": {"args": ["sh"], "cwd": "/", "env": ["PATH=/bin", "OWN=of the bundle"], "noNewPrivileges": true,
                    "user": {"uid": 5, "gid": 6, "additionalGids": [7], "umask": 0o27},
                    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}],
        "linux": {"namespaces": namespaces, "uidMappings": mappings, "gidMappings": mappings},
    });
    std::fs::write(folder.join("config.json"), document.to_string()).expect("document");
    chown(folder.join("rootfs"), Some(common::USER), Some(common::USER)).expect("owner");
}

/// A root directory with nothing but busybox.
pub fn write_root(root: &Path) {
    let bin = root.join("bin");
    std::fs::create_dir_all(&bin).expect("root");
    for place in ["proc", "dev", "tmp"] {
        std::fs::create_dir(root.join(place)).expect("place");
    }
    common::copy_program(Path::new(BUSYBOX), &bin.join("busybox"));
    for name in ["sh", "id", "ls", "cat", "readlink", "grep", "sleep", "env", "pwd", "hostname", "kill", "echo"] {
        symlink("busybox", bin.join(name)).expect("link");
    }
}
