// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel shows of a process to somebody outside: /proc, and through c-tests/posture.c what that does not
//! tell. Nothing in here knows what a process is for.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common;

/// The namespaces that are looked at, by their files in /proc/PID/ns.
pub const NAMESPACES: [&str; 7] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];

/// The five capability sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    pub inheritable: u64,
    pub permitted: u64,
    pub effective: u64,
    pub bounding: u64,
    pub ambient: u64,
}

/// One thread. The kernel keeps all of this for each by itself.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Real, effective, saved, of file accesses.
    pub uid: [u32; 4],
    pub gid: [u32; 4],
    pub groups: Vec<u32>,
    pub sets: Sets,
    pub no_new_privs: u32,
    pub dumpable: i64,
    pub securebits: i64,
    pub death_signal: i64,
}

/// An open descriptor.
#[derive(Clone, Debug)]
pub struct Descriptor {
    pub number: i32,
    /// What its link says.
    pub target: String,
    pub directory: bool,
    pub close_on_exec: bool,
    /// The process behind a pidfd.
    pub process: Option<i32>,
}

impl Descriptor {
    /// The inode of a socket.
    pub fn socket(&self) -> Option<u64> {
        self.target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    }
}

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub session: i32,
    pub program: PathBuf,
    pub threads: Vec<Thread>,
    pub descriptors: Vec<Descriptor>,
    pub namespaces: BTreeMap<&'static str, String>,
    /// The lines of its memory map with what it can write and others may map as well.
    pub shared_memory: Vec<String>,
    pub environment: Vec<String>,
    pub limits: Vec<String>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    pub peer: u64,
    /// As socket(2) has them: 1 for a stream, 5 for packets in sequence.
    pub kind: u64,
}

impl Socket {
    /// What comes by it.
    pub fn word(&self) -> &'static str {
        match self.kind {
            1 => "stream",
            5 => "packets",
            _ => "socket",
        }
    }
}

/// The program that asks the kernel what /proc does not tell.
pub struct Collector {
    program: PathBuf,
    _folder: TempDir,
}

impl Collector {
    pub fn new() -> Self {
        let folder = common::shared_folder();
        Collector { program: common::c_program("posture", folder.path()), _folder: folder }
    }

    /// Looks at processes. One that has ended meanwhile is an error.
    pub fn look(&self, pids: &[i32]) -> Result<Vec<Process>, String> {
        let mut words = vec!["look".to_owned()];
        words.extend(pids.iter().map(ToString::to_string));
        let hidden = self.ask(Command::new(&self.program).args(words))?;
        pids.iter().map(|pid| process(*pid, &hidden)).collect()
    }

    /// Every Unix socket by its inode.
    pub fn sockets(&self) -> Result<BTreeMap<u64, Socket>, String> {
        let lines = self.ask(Command::new(&self.program).arg("sockets"))?;
        let number = |line: &Value, key: &str| line[key].as_u64().expect("a number");
        let socket = |line: &Value| Socket { peer: number(line, "peer"), kind: number(line, "type") };
        Ok(lines.iter().map(|line| (number(line, "inode"), socket(line))).collect())
    }

    /// What keeps another process of the user `uid`, without capabilities, from a process: the errno of tracing it, of
    /// taking a descriptor of it, and of reading its memory.
    pub fn reach(&self, pid: i32, uid: u32, gid: u32) -> Result<[i64; 3], String> {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
        command.args(["--inh-caps=-all", "--bounding-set=-all"]);
        let line = self.ask(command.arg(&self.program).args(["reach", &pid.to_string()]))?.remove(0);
        Ok(["trace", "descriptor", "memory"].map(|key| line[key].as_i64().expect("an errno")))
    }

    fn ask(&self, command: &mut Command) -> Result<Vec<Value>, String> {
        let output = command.output().expect("posture");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned());
        }
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        Ok(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }
}

/// Whether each thread of a process waits for something.
pub fn stands_still(pid: i32) -> bool {
    let waits = |thread: i32| {
        let status = read(&format!("/proc/{pid}/task/{thread}/status"));
        status.is_ok_and(|status| field(&status, "State").starts_with('S'))
    };
    tasks(pid).is_ok_and(|threads| threads.into_iter().all(waits))
}

/// Whether there is such a process, which has not ended.
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_ok_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// The fields of /proc/PID/stat from the third on.
fn stat(pid: i32) -> Result<Vec<String>, String> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    Ok(text.rsplit(") ").next().unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}

/// The session of a process.
pub fn session(pid: i32) -> Result<i32, String> {
    Ok(stat(pid)?[3].parse().expect("a session"))
}

/// Its limits, a line each.
pub fn limits(pid: i32) -> Result<Vec<String>, String> {
    Ok(read(&format!("/proc/{pid}/limits"))?.lines().map(str::to_owned).collect())
}

/// Its namespaces.
pub fn namespaces(pid: i32) -> Result<BTreeMap<&'static str, String>, String> {
    NAMESPACES.into_iter().map(|file| Ok((file, link(&format!("/proc/{pid}/ns/{file}"))?))).collect()
}

fn process(pid: i32, hidden: &[Value]) -> Result<Process, String> {
    let hidden = hidden.iter().find(|line| line["pid"] == pid).ok_or("posture left a process out")?;
    let hidden = hidden["threads"].as_array().expect("threads");
    let environment = fs::read(format!("/proc/{pid}/environ")).map_err(|error| error.to_string())?;
    let environment = String::from_utf8_lossy(&environment).split('\0').map(str::to_owned).collect::<Vec<_>>();
    let maps = read(&format!("/proc/{pid}/maps"))?;
    let writable = |line: &&str| line.split(' ').nth(1).is_some_and(|mode| mode.contains('w') && mode.ends_with('s'));
    Ok(Process {
        pid,
        session: session(pid)?,
        program: link(&format!("/proc/{pid}/exe"))?.into(),
        threads: tasks(pid)?.into_iter().map(|id| thread(pid, id, hidden)).collect::<Result<_, _>>()?,
        descriptors: descriptors(pid)?,
        namespaces: namespaces(pid)?,
        shared_memory: maps.lines().filter(writable).map(str::to_owned).collect(),
        environment: environment.into_iter().filter(|entry| !entry.is_empty()).collect(),
        limits: limits(pid)?,
    })
}

fn tasks(pid: i32) -> Result<Vec<i32>, String> {
    let path = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

fn thread(pid: i32, id: i32, hidden: &[Value]) -> Result<Thread, String> {
    let status = read(&format!("/proc/{pid}/task/{id}/status"))?;
    let hidden = hidden.iter().find(|thread| thread["thread"] == id).ok_or("a thread came meanwhile")?;
    let number = |key: &str| hidden[key].as_i64().expect("a number");
    Ok(Thread {
        dumpable: number("dumpable"),
        securebits: number("securebits"),
        death_signal: number("death_signal"),
        ..status_of(&status)
    })
}

/// What a status file tells of a thread.
pub fn status_of(status: &str) -> Thread {
    let numbers = |name: &str| -> Vec<u32> {
        field(status, name).split_whitespace().map(|number| number.parse().expect("a number")).collect()
    };
    let four = |name: &str| -> [u32; 4] { numbers(name).try_into().expect("four ids") };
    let set = |name: &str| u64::from_str_radix(field(status, name), 16).expect("a set");
    Thread {
        uid: four("Uid"),
        gid: four("Gid"),
        groups: numbers("Groups"),
        sets: Sets {
            inheritable: set("CapInh"),
            permitted: set("CapPrm"),
            effective: set("CapEff"),
            bounding: set("CapBnd"),
            ambient: set("CapAmb"),
        },
        no_new_privs: numbers("NoNewPrivs")[0],
        dumpable: 0,
        securebits: 0,
        death_signal: 0,
    }
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in a status file")).trim()
}

/// The open descriptors of a process, by number.
fn descriptors(pid: i32) -> Result<Vec<Descriptor>, String> {
    numbers(pid)?.into_iter().map(|number| descriptor(pid, number)).collect()
}

/// What this process hands on to the programs that it executes. Its threads open and close others at any time, which do
/// not outlive that.
pub fn handed_on() -> Vec<Descriptor> {
    let own = std::process::id().cast_signed();
    let open = numbers(own).expect("own descriptors").into_iter().filter_map(|number| descriptor(own, number).ok());
    open.filter(|descriptor| !descriptor.close_on_exec).collect()
}

fn numbers(pid: i32) -> Result<Vec<i32>, String> {
    let path = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
    let mut numbers: Vec<i32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn descriptor(pid: i32, number: i32) -> Result<Descriptor, String> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let path = format!("/proc/{pid}/fd/{number}");
    let info = read(&format!("/proc/{pid}/fdinfo/{number}"))?;
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags =
        value("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok()).ok_or("a descriptor without flags")?;
    Ok(Descriptor {
        number,
        target: link(&path)?,
        directory: fs::metadata(&path).is_ok_and(|file| file.is_dir()),
        close_on_exec: flags & CLOSE_ON_EXEC != 0,
        process: value("Pid:").and_then(|pid| pid.parse().ok()),
    })
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn link(path: &str) -> Result<String, String> {
    let target = fs::read_link(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(target.to_string_lossy().into_owned())
}
