// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A start that has ended: what it said, what its record tells, and whether anything of it is left.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

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
    /// The mount table of the host before it.
    pub(super) mounts: String,
    pub(super) folder: TempDir,
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

    /// Whether master was forked to run on as a daemon.
    pub fn is_instance(&self) -> bool {
        self.events("process").any(|event| event["role"] == "master" && event["parent"] != Value::Null)
    }

    /// Everything in the record by now.
    pub fn record(&self) -> Vec<Value> {
        record(self.folder.path())
    }

    /// What the engine has written down by now: processes whose head was killed write on after that.
    pub fn late_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The folder of this run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Looks for anything that the run left behind: a process, a mount on the host, a file beside the test's own. Processes of
    /// a tree whose head was killed get a moment to follow it.
    pub fn nothing_left(&self) -> Result<(), String> {
        if let Some(pid) = self.unreaped() {
            return Err(format!("zombie {pid} is left"));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.left();
            match left {
                None => return Ok(()),
                Some(what) if Instant::now() > deadline => return Err(what),
                Some(_) => look_again(),
            }
        }
    }

    /// A process that the starter, having ended by itself, has not waited for. What a killed one leaves is init's to reap, and so are
    /// the processes on the host of an instance.
    fn unreaped(&self) -> Option<i64> {
        let by_itself =
            |event: &Value| event["event"] == "exit" && (event["role"] == "starter" || event["role"] == "master");
        let events = self.record();
        // Written down when master has been made, which may be killed before it writes anything.
        if events.iter().any(|event| event["event"] == "step" && event["name"] == "daemon") {
            return None;
        }
        let pids = events.iter().filter(|_| events.iter().any(by_itself)).filter_map(|event| event["pid"].as_i64());
        pids.into_iter().find(|pid| is_zombie(*pid))
    }

    fn left(&self) -> Option<String> {
        let marker = self.folder.path().to_str().expect("UTF-8");
        if let Some(pid) = holders(self.folder.path()).first() {
            return Some(format!("process {pid} is left: {}", about(*pid)));
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

/// The record in a run's folder, whole lines only.
pub fn record(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("record")).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| whole(line).unwrap_or_else(|| panic!("no line of a record: {line}")))
        .collect()
}

/// A line, without what a process may have left before it that was killed inside its write (rust/src/trace.rs).
fn whole(line: &str) -> Option<Value> {
    let begins = line.match_indices("{\"").map(|(at, _)| at);
    begins.filter_map(|at| serde_json::from_str::<Value>(&line[at..]).ok()).find(|line| line["v"].is_number())
}

fn processes() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The processes of a run: those that have its record open or work in its folder.
pub fn holders(folder: &Path) -> Vec<u32> {
    let file = folder.join("record");
    let works = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    processes().filter(|pid| works(pid) || holds(*pid, &file)).collect()
}

fn is_zombie(pid: i64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains(") Z ")
}

/// Between two looks at something that has no descriptor to wait for.
pub fn look_again() {
    std::thread::park_timeout(Duration::from_millis(3));
}

/// Kills a process. One that has ended is none of the caller's business.
pub fn kill(pid: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

fn holds(pid: u32, file: &Path) -> bool {
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    fds.filter_map(Result::ok).any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == file))
}

/// Its status in one line.
pub fn about(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().take(7).collect::<Vec<_>>().join(", ")
}

/// The mount table of the tests' own namespace.
pub fn host_mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo")
}
