// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a starter from outside and collects everything that it leaves to see.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The ordinary user of the tests: any id that is not root's and has ranges in /etc/subuid.
pub const USER: u32 = 1000;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The effective capabilities of the tests.
pub fn own_capabilities() -> u64 {
    rustix::thread::capabilities(None).expect("capabilities").effective.bits()
}

/// The folder with what cargo built for this test.
pub fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_pinion")).parent().expect("folder").to_owned()
}

/// A starter program.
pub struct Starter {
    program: PathBuf,
    /// A folder that every user can search: the checkout may be nobody's business.
    _folder: TempDir,
}

impl Starter {
    /// The one with the engine `probe`.
    pub fn probe() -> Self {
        let named = std::env::var_os("PINION_TEST_STARTER").map(PathBuf::from);
        Self::copy(&named.unwrap_or_else(|| built().join("examples/starter")))
    }

    /// A copy that every user can execute.
    pub fn copy(program: &Path) -> Self {
        let folder = shared_folder();
        let copy = folder.path().join("starter");
        std::fs::copy(program, &copy).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Starter { program: copy, _folder: folder }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A launch as `root` or `user`, with the probe's configuration.
    pub fn launch(&self, caller: &str, configuration: &Value) -> Launch<'_> {
        let folder = shared_folder();
        for name in ["log", "record", "kept"] {
            let file = folder.path().join(name);
            std::fs::write(&file, "").expect("file");
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).expect("mode");
        }
        let directory = folder.path().to_str().expect("UTF-8").to_owned();
        // A program that ends before master has looked at it counts as ended, not as started.
        let wait = format!("until grep -q ^PostStartProcess {directory}/log; do :; done");
        let mut text = configuration.to_string().replace("$WAIT", &wait).replace("$DIR", &directory);
        if let Ok(Value::Object(mut map)) = serde_json::from_str(&text) {
            map.entry("log").or_insert_with(|| json!(format!("{directory}/log")));
            text = Value::Object(map).to_string();
        }
        let document = format!("{{\"engineName\":\"probe\",\"containerID\":\"test\",\"engineConfig\":{text}}}");
        Launch {
            starter: self,
            folder,
            user: caller == "user" && is_root(),
            document,
            post_start_host: false,
            cleanup_host: false,
            fault: None,
        }
    }
}

/// A folder in which every user may make files.
pub fn shared_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pinion-test-").tempdir_in("/tmp").expect("folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("mode");
    folder
}

/// A start that is being prepared.
pub struct Launch<'a> {
    starter: &'a Starter,
    folder: TempDir,
    user: bool,
    /// The whole document.
    pub document: String,
    /// Whether the post-start-host process is asked for.
    pub post_start_host: bool,
    /// Whether the cleanup-host process is asked for.
    pub cleanup_host: bool,
    /// Where a process is to die, as `role:step`.
    pub fault: Option<String>,
}

impl Launch<'_> {
    /// The folder of this run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        // A shell opens the record, so that no other test's children inherit it.
        let script = "exec 9>>\"$1/record\" 8>>\"$1/kept\"; shift; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(self.folder.path());
        if self.user {
            let ids = [format!("--reuid={USER}"), format!("--regid={USER}"), "--clear-groups".into()];
            command.arg("setpriv").args(ids);
        }
        command.arg(&self.starter.program);
        command.env_clear().env("PINION_RECORD_FD", "9").env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        for (name, value) in pinion::launch::chunks::cut(self.document.as_bytes()).expect("fits") {
            command.env(name, std::ffi::OsString::from(String::from_utf8(value).expect("UTF-8")));
        }
        for (name, asked) in [("POST_START_HOST", self.post_start_host), ("CLEANUP_HOST", self.cleanup_host)] {
            if asked {
                command.env(name, "1");
            }
        }
        if let Some(fault) = &self.fault {
            command.env("PINION_FAULT", fault);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mounts = host_mounts();
        Running { child: command.spawn().expect("spawn"), folder: self.folder, mounts }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Run {
        self.spawn().wait()
    }
}

/// A start that is on its way.
pub struct Running {
    /// The starter.
    pub child: Child,
    folder: TempDir,
    mounts: String,
}

impl Running {
    /// Waits until the record holds an event for which `wanted` is true.
    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(event) = record(self.folder.path()).into_iter().find(&wanted) {
                return event;
            }
            assert!(Instant::now() < deadline, "{what} did not happen:\n{:#?}", record(self.folder.path()));
            std::thread::yield_now();
        }
    }

    /// Waits for its end.
    pub fn wait(self) -> Run {
        let output = self.child.wait_with_output().expect("wait");
        let exit = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        Run {
            exit,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            log,
            mounts: self.mounts,
            folder: self.folder,
        }
    }
}

/// A start that has ended.
pub struct Run {
    /// Exit code, or the negative number of the signal.
    pub exit: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// What the engine wrote down.
    pub log: String,
    mounts: String,
    folder: TempDir,
}

impl Run {
    /// The record's events with this name.
    pub fn events(&self, name: &str) -> impl Iterator<Item = Value> {
        let name = name.to_owned();
        record(self.folder.path()).into_iter().filter(move |event| event["event"] == name.as_str())
    }

    /// By process: the callbacks in the order of their calls.
    pub fn calls(&self) -> BTreeMap<String, Vec<String>> {
        let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.events("callback") {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            calls.entry(text("role")).or_default().push(text("name"));
        }
        calls
    }

    /// The folder of this run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Looks for anything that the run left behind: a process, a mount on the host, a file beside the test's own. Processes of
    /// a tree whose head was killed get a moment to follow it.
    pub fn nothing_left(&self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.left();
            match left {
                None => return Ok(()),
                Some(what) if Instant::now() > deadline => return Err(what),
                Some(_) => std::thread::yield_now(),
            }
        }
    }

    fn left(&self) -> Option<String> {
        let marker = self.folder.path().to_str().expect("UTF-8");
        let record = self.folder.path().join("record");
        if let Some(pid) = processes().find(|pid| holds(*pid, &record)) {
            return Some(format!("process {pid} is left: {}", about(pid)));
        }
        if host_mounts() != self.mounts {
            let now = host_mounts();
            let new: Vec<&str> = now.lines().filter(|line| !self.mounts.contains(line)).collect();
            // Other tests mount at the same time; what is ours carries our folder's name or vanished.
            if new.iter().any(|line| line.contains(marker)) {
                return Some(format!("mounts are left: {new:?}"));
            }
        }
        let files = std::fs::read_dir(self.folder.path()).expect("folder").filter_map(|entry| {
            let name = entry.expect("entry").file_name().to_string_lossy().into_owned();
            (!["log", "record", "kept"].contains(&name.as_str())).then_some(name)
        });
        files.into_iter().next().map(|file| format!("file {file} is left"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  exit {}\n  stdout {:?}\n  stderr {:?}\n  log:", self.exit, self.stdout, self.stderr)?;
        self.log.lines().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

fn record(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("record")).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn processes() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn holds(pid: u32, file: &Path) -> bool {
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    fds.filter_map(Result::ok).any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == file))
}

fn about(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().take(7).collect::<Vec<_>>().join(", ")
}

/// The mount table of the tests' own namespace.
pub fn host_mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo")
}
