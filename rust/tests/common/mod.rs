// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a starter from outside and collects everything that it leaves to see.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

mod ended;
pub mod languages;

pub use ended::{Run, about, holders, host_mounts, kill, look_again, record};
use languages::{c_probe, go_probe};

/// The ordinary user of the tests: any id that is not root's and has ranges in /etc/subuid.
pub const USER: u32 = 1000;

/// How long a run, or what follows it, may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a process has been sent a signal that it has not taken yet.
pub fn is_pending(pid: i32, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap_or_default();
    u64::from_str_radix(set.trim(), 16).is_ok_and(|set| set & 1 << (signal - 1) != 0)
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The effective capabilities of the tests.
pub fn own_capabilities() -> u64 {
    rustix::thread::capabilities(None).expect("capabilities").effective.bits()
}

/// The user id of a launch as `user`.
pub fn own_user() -> u32 {
    if is_root() { USER } else { nix::unistd::getuid().as_raw() }
}

/// The group id of a launch as `user`.
pub fn own_group() -> u32 {
    if is_root() { USER } else { nix::unistd::getgid().as_raw() }
}

/// The folder with what cargo built for this test.
pub fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_pinion")).parent().expect("folder").to_owned()
}

/// A starter program.
pub struct Starter {
    program: PathBuf,
    /// The same program as a setuid-root file, if the tests run as root.
    setuid: PathBuf,
    /// A folder that every user can search: the checkout may be nobody's business.
    _folder: TempDir,
}

impl Starter {
    /// The one with the engine `probe`.
    pub fn probe() -> Self {
        Self::begins("starter")
    }

    /// The same under a name by which the Rust one chooses how it begins its life (rust/examples/starter/begin.rs), or, as
    /// [`C`](Self::C) or [`GO`](Self::GO), in another language.
    pub fn begins(name: &str) -> Self {
        match name {
            Self::C => return Self::copy(&c_probe(), name),
            Self::GO => return Self::copy(&go_probe(), name),
            _ => {}
        }
        let named = std::env::var_os("PINION_TEST_STARTER").map(PathBuf::from);
        Self::copy(&named.unwrap_or_else(|| built().join("examples/starter")), name)
    }

    /// The name of the one in C.
    const C: &'static str = "probe";

    /// The name of the one in Go.
    pub const GO: &'static str = "probe-go";

    /// The names of those that must behave alike: registering before the steps, after them, running the role in a second thread,
    /// and those in C and Go. A starter that is named has its own way only.
    pub fn ways() -> &'static [&'static str] {
        match std::env::var_os("PINION_TEST_STARTER") {
            Some(_) => &["starter"],
            None => &["starter", "starter-late", "starter-thread", Self::C, Self::GO],
        }
    }

    /// A copy that every user can execute, and one that is setuid root.
    fn copy(program: &Path, name: &str) -> Self {
        let folder = shared_folder();
        let copy = folder.path().join(name);
        copy_program(program, &copy);
        let setuid = folder.path().join("setuid").join(name);
        if is_root() {
            std::fs::create_dir(setuid.with_file_name("")).expect("folder");
            copy_program(program, &setuid);
            std::fs::set_permissions(&setuid, PermissionsExt::from_mode(0o4755)).expect("mode");
        }
        Starter { program: copy, setuid, _folder: folder }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The program that a launch as `caller` executes.
    pub fn program_for(&self, caller: &str) -> &Path {
        if caller == "setuid" { &self.setuid } else { &self.program }
    }

    /// A launch as `root`, as `user`, as a numbered user, or as `setuid`: the user, and the setuid-root program, with the probe's configuration.
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
            program: self.program_for(caller),
            folder,
            uid: uid_of(caller),
            groups: Vec::new(),
            around: Vec::new(),
            under: Vec::new(),
            variables: Vec::new(),
            document,
            post_start_host: false,
            cleanup_host: false,
            fault: None,
            load_overlay_module: false,
        }
    }
}

fn uid_of(caller: &str) -> u32 {
    match caller {
        _ if !is_root() => nix::unistd::geteuid().as_raw(),
        "root" => 0,
        "user" | "setuid" => USER,
        number => number.parse().expect("a user's number"),
    }
}

/// Copies a program by another process: a copy that this one has open for writing goes along to a child that another
/// thread just makes, and cannot be executed ("text file busy") until that one executes something itself.
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").args([from, to]).status().expect("cp");
    assert!(status.success(), "copy {}", from.display());
}

/// A program of c-tests, compiled into `folder` if it is not there.
pub fn c_program(name: &str, folder: &Path) -> PathBuf {
    static COMPILING: Mutex<()> = Mutex::new(());
    let program = folder.join(name);
    let _one = COMPILING.lock().expect("lock");
    if !program.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c-tests").join(name).with_extension("c");
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"]);
        assert!(cc.arg(&program).arg(source).status().expect("cc").success());
    }
    program
}

/// A folder in which every user may make files.
pub fn shared_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pinion-test-").tempdir_in("/tmp").expect("folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("mode");
    folder
}

/// A start that is being prepared.
pub struct Launch<'a> {
    program: &'a Path,
    folder: TempDir,
    uid: u32,
    /// Supplementary groups of the caller. Root alone can give them.
    pub groups: Vec<u32>,
    /// Words of a command before all of it: it has the tests' own privileges still.
    pub around: Vec<String>,
    /// Words of a command before the starter: it starts that under conditions of its own.
    pub under: Vec<String>,
    /// Further variables of its environment, or others in place of the configuration's.
    pub variables: Vec<(String, OsString)>,
    /// The whole document.
    pub document: String,
    /// Whether the post-start-host process is asked for.
    pub post_start_host: bool,
    /// Whether the cleanup-host process is asked for.
    pub cleanup_host: bool,
    /// Where a process is to die, as `role:step`.
    pub fault: Option<String>,
    /// Whether the overlay module is asked for.
    pub load_overlay_module: bool,
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
        command.args(["-c", script, "sh"]).arg(self.folder.path()).args(&self.around);
        if self.uid != nix::unistd::geteuid().as_raw() || !self.groups.is_empty() {
            let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
            let groups =
                if groups.is_empty() { "--clear-groups".into() } else { format!("--groups={}", groups.join(",")) };
            command.arg("setpriv").args([format!("--reuid={}", self.uid), format!("--regid={}", self.uid), groups]);
        }
        command.args(&self.under).arg(self.program).current_dir(self.folder.path());
        command.env_clear().env("PINION_RECORD_FD", "9").env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        for (name, value) in pinion::launch::chunks::cut(self.document.as_bytes()).expect("fits") {
            command.env(name, std::ffi::OsString::from(String::from_utf8(value).expect("UTF-8")));
        }
        let asked = [
            ("POST_START_HOST", self.post_start_host),
            ("CLEANUP_HOST", self.cleanup_host),
            ("LOAD_OVERLAY_MODULE", self.load_overlay_module),
        ];
        for (name, asked) in asked {
            if asked {
                command.env(name, "1");
            }
        }
        if let Some(fault) = &self.fault {
            command.env("PINION_FAULT", fault);
        }
        command.envs(self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mounts = host_mounts();
        let guard = Guard(Some(self.folder.path().to_owned()));
        Running { child: command.spawn().expect("spawn"), folder: self.folder, mounts, guard }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Run {
        self.spawn().wait()
    }

    /// Starts it, kills the process that was to kill itself and could not, and waits for its end.
    pub fn run_and_kill(self) -> Run {
        let mut running = self.spawn();
        let deadline = Instant::now() + PATIENCE;
        while running.child.try_wait().expect("status").is_none() && Instant::now() < deadline {
            if let Some(survivor) = running.record().into_iter().find(|event| event["event"] == "fault") {
                kill(i32::try_from(survivor["pid"].as_i64().expect("pid")).expect("pid"));
                break;
            }
            look_again();
        }
        running.wait()
    }
}

/// A start that is on its way.
pub struct Running {
    /// Before the folder, which it looks for: fields end in their order.
    guard: Guard,
    /// The starter.
    pub child: Child,
    folder: TempDir,
    mounts: String,
}

/// Kills what runs in a folder, should a test end before its run does.
struct Guard(Option<PathBuf>);

impl Drop for Guard {
    fn drop(&mut self) {
        let holders = self.0.iter().flat_map(|folder| holders(folder));
        holders.for_each(|pid| kill(i32::try_from(pid).expect("pid")));
    }
}

impl Running {
    /// Waits until the record holds an event for which `wanted` is true.
    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = record(self.folder.path()).into_iter().find(&wanted) {
                return event;
            }
            assert!(Instant::now() < deadline, "{what} did not happen:\n{:#?}", record(self.folder.path()));
            look_again();
        }
    }

    /// The folder of this run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the record holds by now.
    pub fn record(&self) -> Vec<Value> {
        record(self.folder.path())
    }

    /// The pid of the process that has this role.
    pub fn pid(&self, role: &str) -> i32 {
        let event = self.until(role, |event| event["event"] == "process" && event["role"] == role);
        i32::try_from(event["pid"].as_i64().expect("pid")).expect("pid")
    }

    /// Kills the process that has this role.
    pub fn kill(&self, role: &str) {
        kill(self.pid(role));
    }

    /// Ends whatever there is of it. Nothing may be left.
    pub fn end(self) -> Run {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let holders = holders(self.folder());
            if holders.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{holders:?} do not end");
            holders.into_iter().for_each(|pid| kill(pid.cast_signed()));
            look_again();
        }
        let run = self.wait();
        run.nothing_left().unwrap_or_else(|left| panic!("{left}\n{run}"));
        run
    }

    /// Waits for its end, and for that of every process which holds its standard streams.
    pub fn wait(mut self) -> Run {
        self.guard.0 = None;
        let (sender, receiver) = std::sync::mpsc::channel();
        let child = self.child;
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(PATIENCE) else {
            let holders = holders(self.folder.path());
            let about: Vec<String> = holders.iter().map(|pid| about(*pid)).collect();
            holders.into_iter().for_each(|pid| kill(i32::try_from(pid).expect("pid")));
            panic!("no end within {PATIENCE:?}: {about:#?}\n{:#?}", record(self.folder.path()));
        };
        let output = output.expect("wait");
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
