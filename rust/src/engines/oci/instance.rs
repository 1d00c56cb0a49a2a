// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instances: containers that run on by themselves and are found again by their names.
//!
//! The front end writes a [`Record`] down before anything is created, and its lock goes along to master: whoever holds it is
//! the instance's life. Master completes the record when the container runs; the clean-up removes it ([`store`]).

use std::fs::File;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use super::identity::Maps;
use super::process::Process;
use crate::config::settings::NamespaceKind;
use crate::engine::WaitStatus;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::descriptor;

pub mod store;

pub use store::Store;

/// The version of a record as JSON. Fields are only added within one version.
const VERSION: u32 = 1;
/// The most bytes of a record that are read.
const LARGEST: u64 = 1 << 20;

/// What the engine is told of the instance that it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// What tells it from an earlier one of that name.
    pub id: String,
    /// Whose it is, as the host numbers users.
    pub user: u32,
    /// The open record, locked: a descriptor of the caller's.
    pub record: RawFd,
}

/// A running instance, in which another program is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its first process.
    pub container: Identity,
    /// How.
    pub join: Join,
}

/// What is left to do for an instance after stage 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The instance.
    pub instance: Instance,
    /// What its record is to say.
    pub join: Join,
    /// Whether a setuid-root starter starts it.
    pub setuid: bool,
}

/// What is written down of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub name: String,
    /// What tells it from another one of that name.
    pub id: String,
    /// The boot of the kernel in which it was started.
    pub boot: String,
    /// When it was started, in seconds since 1970.
    pub created: u64,
    /// Whether it was started by the setuid-root starter.
    pub setuid: bool,
    /// Who watches over it, once it runs.
    pub master: Option<Identity>,
    /// The container's first process, once it runs.
    pub container: Option<Identity>,
    /// How another program comes to run in it.
    pub join: Join,
    /// How it ended: the wait status, for those who still have the record open.
    pub ended: Option<i32>,
}

/// A process that cannot be taken for a later one with its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its pid, as the host's /proc has it.
    pub pid: i32,
    /// When it began, in clock ticks since the boot (proc_pid_stat(5)).
    pub start: u64,
}

/// What a program needs to run beside the instance's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Join {
    /// The namespaces that are the instance's own.
    pub namespaces: Vec<NamespaceKind>,
    /// Who wrote the id maps of its user namespace, if it has one.
    pub maps: Maps,
    /// User id.
    pub uid: u32,
    /// Group id and additional ones.
    pub gids: Vec<u32>,
    /// Names of capabilities by set.
    pub capabilities: Vec<(String, Vec<String>)>,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// The instance's own program: another one gets its environment, umask and limits.
    pub process: Process,
    /// The working directory.
    pub cwd: String,
}

impl Identity {
    /// A process that lives.
    pub fn of(pid: i32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(&path).tried(|| format!("read \"{path}\""))?;
        let start = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(19)?.parse().ok());
        let start = start.ok_or_else(|| Error::new(ErrorKind::Protocol, format!("read \"{path}\": no start time")))?;
        Ok(Identity { pid, start })
    }

    /// The process's directory in /proc, which stays its own when the pid goes to another one. The descriptor is left open.
    pub fn open_directory(self) -> Result<RawFd> {
        let path = format!("/proc/{}", self.pid);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, &path, flags, Mode::empty());
        match directory {
            // A later process with this pid began later.
            Ok(directory) if Identity::of(self.pid).is_ok_and(|now| now == self) => Ok(directory.into_raw_fd()),
            Ok(_) | Err(Errno::NOENT) => Err(Error::new(ErrorKind::NotFound, "join the instance: it has ended")),
            Err(errno) => Err(errno).tried(|| format!("open \"{path}\"")),
        }
    }

    /// The process's pidfd. `None` if it has ended, whoever has its pid by now.
    pub fn open(self) -> Result<Option<OwnedFd>> {
        let Some(pid) = (self.pid > 0).then(|| Pid::from_raw(self.pid)).flatten() else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // A later process with this pid began later.
            Ok(pidfd) => Ok(Identity::of(self.pid).is_ok_and(|now| now == self).then_some(pidfd)),
            Err(Errno::SRCH) => Ok(None),
            Err(errno) => Err(errno).tried(|| format!("open process {}", self.pid)),
        }
    }
}

/// The boot of this kernel.
pub fn boot() -> Result<String> {
    const BOOT: &str = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(BOOT).tried(|| format!("read \"{BOOT}\""))?.trim().to_owned())
}

impl Record {
    /// Of an instance that is about to be started.
    pub fn new(name: &str, id: &str, setuid: bool) -> Result<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Ok(Record {
            version: VERSION,
            name: name.into(),
            id: id.into(),
            boot: boot()?,
            created: now.unwrap_or_default().as_secs(),
            setuid,
            ..Default::default()
        })
    }

    /// Reads an open record.
    pub fn read(file: &File) -> Result<Self> {
        let text = read(file).tried(|| "read an instance's record")?;
        let record: Record = serde_json::from_slice(&text)
            .map_err(|error| Error::new(ErrorKind::Protocol, format!("read an instance's record: {error}")))?;
        match record.version {
            VERSION => Ok(record),
            version => Err(Error::new(ErrorKind::Protocol, format!("read an instance's record: version {version}"))),
        }
    }

    /// Writes it over what an open record held.
    pub fn write(&self, file: &File) -> Result<()> {
        write(file, &self.text()?)
    }

    fn text(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::invalid(format!("write an instance's record: {error}")))
    }
}

/// From the beginning: the position is one for all processes that have the descriptor of the one that made the record.
fn read(file: &File) -> std::io::Result<Vec<u8>> {
    let mut text = vec![0; usize::try_from(file.metadata()?.len().min(LARGEST)).unwrap_or_default()];
    let mut length = 0;
    while length < text.len() {
        match file.read_at(&mut text[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(length);
    Ok(text)
}

fn write(file: &File, text: &[u8]) -> Result<()> {
    let written = file.write_all_at(text, 0).and_then(|()| file.set_len(text.len() as u64));
    written.tried(|| "write an instance's record")
}

impl Instance {
    /// Its record, while it runs: the descriptor is the same in each of its processes that come before the program.
    pub fn record(&self) -> Result<File> {
        let shared = descriptor::with(self.record, |fd| fd.as_fd().try_clone_to_owned())?;
        Ok(File::from(shared.tried(|| "open the instance's record")?))
    }

    /// Replaces the record's text under the directory's lock.
    fn replace(&self, text: &[u8]) -> Result<()> {
        let store = Store::of(self.user)?;
        let _locked = store.as_ref().map(Store::lock).transpose()?;
        write(&self.record()?, text)
    }

    /// The record with a change. Nobody but master writes to it.
    fn changed(&self, change: impl FnOnce(&mut Record) -> Result<()>) -> Result<Vec<u8>> {
        let mut record = Record::read(&self.record()?)?;
        change(&mut record)?;
        record.text()
    }

    /// The clean-up: nobody is to find it any more.
    pub fn forget(&self) -> Result<()> {
        Store::of(self.user)?.map_or(Ok(()), |store| store.lock()?.forget(&self.name, &self.id))
    }
}

impl Started {
    /// Stage 2, before it becomes the container's program or the first process for that. The record's lock is the life of those
    /// who watch over the instance. What a setuid program has made is closed to its user, who is to find the instance's namespaces
    /// in /proc.
    pub fn enter(&self) -> Result<()> {
        descriptor::close(self.instance.record);
        if !self.setuid {
            return Ok(());
        }
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).tried(|| "open this process to its user")
    }

    /// Master: what the record is to say once the container runs. It takes its time, which a start has before that.
    pub fn running(&self, container: i32) -> Result<Vec<u8>> {
        self.instance.changed(|record| {
            record.master = Some(Identity::of(std::process::id().cast_signed())?);
            record.container = Some(Identity::of(container)?);
            record.join = self.join.clone();
            Ok(())
        })
    }

    /// Master: the container runs, and the record says so with the text of [`running`](Self::running).
    pub fn runs(&self, text: &[u8]) -> Result<()> {
        self.instance.replace(text)
    }

    /// Master: the container has ended.
    pub fn ended(&self, status: WaitStatus) -> Result<()> {
        let text = self.instance.changed(|record| {
            record.ended = Some(status.raw());
            Ok(())
        })?;
        self.instance.replace(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_more_than_its_pid() {
        let own = Identity::of(std::process::id() as i32).expect("own");
        assert!(own.open().expect("open").is_some());
        assert!(Identity { start: own.start - 1, ..own }.open().expect("open").is_none());
        assert!(Identity { pid: i32::MAX, start: 0 }.open().expect("open").is_none());
        assert!(Identity { pid: -1, start: 0 }.open().expect("open").is_none());
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let file = tempfile::tempfile().expect("file");
        let mut record = Record::new("a", "b", true).expect("record");
        record.join.process.args = vec!["x".repeat(1000)];
        record.write(&file).expect("written");
        assert_eq!(Record::read(&file).expect("read"), record);
        // A shorter one leaves nothing of it.
        let short = Record::new("a", "c", false).expect("record");
        short.write(&file).expect("written");
        assert_eq!(Record::read(&file).expect("read"), short);
        file.set_len(7).expect("cut");
        assert!(Record::read(&file).is_err());
    }
}
