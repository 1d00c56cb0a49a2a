// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an observer on the host sees of a run that stands still: in /proc, and in what the engine wrote down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::{self, Running};

/// Something to look for. The texts that the rows compare with are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum See {
    /// A line of the status of the container's process.
    Status(&'static str),
    /// Its five capability sets.
    Sets,
    /// Its namespaces by what they are: new, joined; the host's are left out.
    Namespaces,
    /// Whose user namespace master is in.
    MasterUser,
    /// A file of the container's process.
    File(&'static str),
    /// How mounts spread from and to `/` and `/proc`, as the container has them.
    Propagation,
    /// Whether master and the container pass their mounts on to each other.
    SharedMounts,
    /// The working directories.
    Directories,
    /// Whose session and umask master has.
    Session,
    /// Whether there was an RPC server, and an engine in master.
    Workers,
    /// Who served the RPC requests.
    Server,
    /// The loopback interface of the container's network.
    Loopback,
    /// The descriptor to the file that was to be kept.
    Kept,
    /// Who has the image open.
    Image,
    /// What the starter configuration told PrepareConfig.
    Told(&'static str),
    /// Whether StartProcess saw what PrepareConfig had changed.
    Changed,
    /// The bounding set of the RPC server.
    ServerBounding,
    /// The kept descriptor in the RPC server.
    ServerKept,
    /// Who has the image open when CleanupHost runs.
    ImageAtCleanUp,
    /// The exit code.
    Exit,
    /// Which limit has ended something, as standard error says.
    Limit,
}

/// When a run is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The container's process is in StartProcess, its privileges being its own.
    Start,
    /// Master is in CreateContainer and the RPC server waits; where there is none, as above.
    Server,
    /// cleanup-host is in CleanupHost.
    CleanUp,
    /// The run has ended.
    End,
}

/// The file that is kept, and the one that is the image.
pub const KEPT: &str = "/etc/passwd";
pub const IMAGE: &str = "/etc/group";

/// Where no process has it open.
const NOBODY: &str = "nobody";

/// How long what passes may take to do so.
const PASSING: Duration = Duration::from_secs(5);

/// The kinds of namespaces by their files in /proc/PID/ns.
const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

impl See {
    /// Whether the run has a process that stays on the host. It keeps the mount namespace there, from which mounts may spread.
    pub fn needs_host_process(self) -> bool {
        matches!(self, See::Propagation | See::SharedMounts)
    }

    pub fn moment(self) -> Moment {
        match self {
            See::ServerBounding | See::ServerKept => Moment::Server,
            See::ImageAtCleanUp => Moment::CleanUp,
            See::Exit | See::Limit => Moment::End,
            _ => Moment::Start,
        }
    }
}

/// A run that stands still.
pub struct Sight<'a> {
    pub running: &'a Running,
    /// The container whose namespaces may be joined.
    pub target: i32,
}

impl Sight<'_> {
    pub fn see(&self, see: See) -> String {
        match see {
            See::Status(key) => status(self.container(), key),
            See::Sets => self.sets(),
            See::Namespaces => self.namespaces(),
            See::MasterUser => self.master_user(),
            See::File(name) => lines(&format!("/proc/{}/{name}", self.container())),
            See::Propagation => {
                let of = |point: &str| propagation(self.container(), point).words();
                format!("/ {}, /proc {}", of("/"), of("/proc"))
            }
            See::SharedMounts => self.shared_mounts(),
            See::Directories => {
                let of = |pid: i32| link(&format!("/proc/{pid}/cwd"));
                format!("master {}, container {}", self.named(of(self.master())), self.named(of(self.container())))
            }
            See::Session => self.session(),
            See::Workers => self.workers(),
            See::Server => self.server(),
            See::Loopback => {
                let up = read(&format!("/proc/{}/net/fib_trie", self.container())).contains("127.0.0.1");
                if up { "up" } else { "down" }.into()
            }
            See::Kept => format!("{}, inside {}", self.kept("stage2"), self.logged("StartProcess", "kept=")),
            See::Image => {
                // Of a starter that only joins it is the last role.
                self.master();
                holders(self.running, IMAGE)
            }
            See::Told(key) => self.logged("Configured", &format!("{key}=")),
            See::Changed => self.logged("StartProcess", "prepared="),
            See::ServerBounding if !self.has("rpc-server") => "no RPC server".into(),
            See::ServerBounding => status(self.running.pid("rpc-server"), "CapBnd"),
            See::ServerKept if !self.has("rpc-server") => "no RPC server".into(),
            See::ServerKept => self.kept("rpc-server"),
            See::ImageAtCleanUp => self.lasting_holders(),
            See::Exit | See::Limit => unreachable!("seen at the end"),
        }
    }

    /// Who goes on to have the image open. The starter that waits for an instance lets go of it beside master, which may have
    /// failed before that.
    fn lasting_holders(&self) -> String {
        let deadline = Instant::now() + PASSING;
        loop {
            let open = holders(self.running, IMAGE);
            if open == NOBODY || Instant::now() > deadline {
                return open;
            }
            common::look_again();
        }
    }

    fn container(&self) -> i32 {
        self.running.pid("stage2")
    }

    fn master(&self) -> i32 {
        self.running.pid("master")
    }

    fn has(&self, role: &str) -> bool {
        self.running.record().iter().any(|event| event["event"] == "process" && event["role"] == role)
    }

    fn sets(&self) -> String {
        let sets = ["Inh", "Prm", "Eff", "Bnd", "Amb"];
        let hexadecimal = |set: &str| status(self.container(), &format!("Cap{set}")).trim_start_matches('0').to_owned();
        sets.map(|set| format!("{set} {}", hexadecimal(set))).join(", ")
    }

    fn namespaces(&self) -> String {
        let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for kind in KINDS {
            let of = |pid: &str| link(&format!("/proc/{pid}/ns/{kind}"));
            let own = of(&self.container().to_string());
            // The mount namespace of a run is no more the tests' own than that of its container.
            if own == of("self") {
                continue;
            }
            let how = if own == of(&self.target.to_string()) { "joined" } else { "new" };
            by.entry(how).or_default().push(kind);
        }
        by.into_iter().map(|(how, kinds)| format!("{how}: {}", kinds.join(" "))).collect::<Vec<_>>().join("; ")
    }

    fn master_user(&self) -> String {
        let of = |pid: &str| link(&format!("/proc/{pid}/ns/user"));
        let master = of(&self.master().to_string());
        if master == of("self") {
            "the host's".into()
        } else if master == of(&self.container().to_string()) {
            "the container's".into()
        } else {
            "another".into()
        }
    }

    fn shared_mounts(&self) -> String {
        let (master, container) = (propagation(self.master(), "/"), propagation(self.container(), "/"));
        let of = |pid: i32| link(&format!("/proc/{pid}/ns/mnt"));
        let on_host = of(self.master()) == of(self.running.pid("cleanup-host"));
        let shared = !on_host && master.group.is_some() && master.group == container.group;
        if shared { "with master" } else { "not with master" }.into()
    }

    /// The run's own folder by a name that each run has.
    fn named(&self, path: String) -> String {
        if Path::new(&path) == self.running.folder() { "its folder".into() } else { path }
    }

    fn session(&self) -> String {
        let master = self.master();
        let stat = read(&format!("/proc/{master}/stat"));
        let session =
            stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(3)).expect("a session").to_owned();
        let whose = if session == master.to_string() { "its own session" } else { "the caller's session" };
        let umask = status(master, "Umask");
        let callers = status(std::process::id().cast_signed(), "Umask");
        let umask = if umask == "0000" {
            "umask 0"
        } else if umask == callers {
            "the caller's umask"
        } else {
            "another umask"
        };
        format!("{whose}, {umask}")
    }

    fn workers(&self) -> String {
        let server = if self.has("rpc-server") { "an RPC server" } else { "no RPC server" };
        let called = |event: &serde_json::Value| event["event"] == "callback" && event["role"] == "master";
        let engine = if self.running.record().iter().any(called) { "an engine" } else { "no engine" };
        format!("{server}, {engine} in master")
    }

    /// The starter that begins late says which processes come back to the program.
    fn server(&self) -> String {
        let came_back = |event: &serde_json::Value| event["event"] == "pending" && event["is"] == "rpc-server";
        match (self.has("rpc-server"), self.running.record().iter().any(came_back)) {
            (false, _) => "nobody".into(),
            (true, true) => "the program".into(),
            (true, false) => "the core".into(),
        }
    }

    fn kept(&self, role: &str) -> String {
        let (other, master) = (descriptor(self.running.pid(role), KEPT), descriptor(self.master(), KEPT));
        match (other, master) {
            (Some((number, true)), Some((same, true))) if number == same => "as in master, close-on-exec".into(),
            (None, None) => "closed".into(),
            (other, master) => format!("{other:?}, in master {master:?}"),
        }
    }

    /// What the engine wrote behind `key` in a callback.
    fn logged(&self, callback: &str, key: &str) -> String {
        let log = read(&self.running.folder().join("log").to_string_lossy());
        let line = log.lines().find(|line| line.starts_with(callback)).unwrap_or_default();
        let value = line.split_once(key).map(|(_, value)| value).unwrap_or_default();
        value.split(' ').next().unwrap_or_default().to_owned()
    }
}

/// How mounts spread to and from a mount point.
struct Propagation {
    /// The peer group.
    group: Option<String>,
    slave: bool,
    unbindable: bool,
}

impl Propagation {
    fn words(&self) -> String {
        let words = [(self.group.is_some(), "shared"), (self.slave, "slave"), (self.unbindable, "unbindable")];
        let is: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        if is.is_empty() { "private".into() } else { is.join(" ") }
    }
}

fn propagation(pid: i32, point: &str) -> Propagation {
    let table = read(&format!("/proc/{pid}/mountinfo"));
    // The last one lies above the others.
    let fields = table.lines().map(|line| line.split(' ').collect::<Vec<_>>()).rfind(|fields| fields[4] == point);
    let fields = fields.unwrap_or_else(|| panic!("no {point} in\n{table}"));
    let optional: Vec<&str> = fields[6..].iter().copied().take_while(|field| *field != "-").collect();
    Propagation {
        group: optional.iter().find(|field| field.starts_with("shared:")).map(|field| (*field).to_owned()),
        slave: optional.iter().any(|field| field.starts_with("master:")),
        unbindable: optional.contains(&"unbindable"),
    }
}

/// The roles of the processes that have a file open.
fn holders(running: &Running, file: &str) -> String {
    let mut roles = BTreeMap::new();
    for event in running.record().iter().filter(|event| event["event"] == "process") {
        let pid = i32::try_from(event["pid"].as_i64().expect("pid")).expect("pid");
        roles.insert(pid, event["role"].as_str().expect("role").to_owned());
    }
    let open = roles.into_iter().filter(|(pid, _)| descriptor(*pid, file).is_some());
    let mut open: Vec<String> = open.map(|(_, role)| role).collect();
    open.sort();
    if open.is_empty() { NOBODY.into() } else { open.join(", ") }
}

/// The number of the descriptor to a file, and whether it is closed when a program is executed.
fn descriptor(pid: i32, file: &str) -> Option<(i32, bool)> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let mut open = entries
        .filter_map(Result::ok)
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == Path::new(file)));
    let number = open.next()?.file_name().to_str()?.parse().ok()?;
    let info = read(&format!("/proc/{pid}/fdinfo/{number}"));
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim();
    Some((number, u32::from_str_radix(flags, 8).expect("octal") & CLOSE_ON_EXEC != 0))
}

/// A line of a process's status.
fn status(pid: i32, key: &str) -> String {
    let status = read(&format!("/proc/{pid}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    words(line.unwrap_or_else(|| panic!("no {key} of process {pid}")))
}

/// A file's lines in one.
fn lines(path: &str) -> String {
    read(path).lines().map(words).collect::<Vec<_>>().join(", ")
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn link(path: &str) -> String {
    let target = fs::read_link(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    target.to_string_lossy().into_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is seen of a run that has ended.
pub fn see_end(run: &common::Run, see: See) -> String {
    match see {
        See::Exit => run.exit.to_string(),
        See::Limit => {
            let limit = ["within 300 ms", "longer than 301 ms"].into_iter().find(|words| run.stderr.contains(words));
            limit.unwrap_or("none").into()
        }
        _ => unreachable!("seen while it stands"),
    }
}
