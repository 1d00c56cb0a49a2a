// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs of the host that privileged processes start: found in a constant list of directories, checked on the opened
//! file, and run with nothing of the caller's.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use rustix::fs::{FileType, Mode, OFlags, fcntl_setfl, fstat, open};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};
use rustix::thread::CapabilitySet;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::helper::{Confinement, confine};
use crate::ffi::sys::process::not_made;
use crate::ffi::sys::{event, inherited};
use crate::lifecycle::fault;

pub mod file;
mod root;

pub use root::{Place, Root};

/// Where programs are looked for: the caller's own PATH is not to be trusted with what runs with privileges.
pub const DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What a program has said is kept up to this many bytes, the last ones.
const SAID: usize = 16 << 10;

/// A program that nobody but its owner can have changed.
pub struct Program {
    path: String,
    file: OwnedFd,
}

/// How a program is run.
pub struct Run<'a> {
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it reads from its standard input; at most as much as a pipe takes, usually 64 KiB.
    pub input: &'a [u8],
    /// Files that it may use, at the numbers they have here.
    pub files: Vec<OwnedFd>,
    /// The IPC namespace to run it in, if it is not the caller's.
    pub ipc: Option<&'a OwnedFd>,
    /// Whether it runs with user and group id 0 and no further groups.
    pub root: bool,
    /// Its ambient capabilities.
    pub ambient: CapabilitySet,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// What it wrote, as one line.
    pub said: String,
}

impl Run<'_> {
    /// With these arguments, nothing to read, no capabilities beyond those of its ids, and the caller's ids.
    pub fn with<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Run {
            arguments: arguments.into_iter().map(Into::into).collect(),
            input: &[],
            files: Vec::new(),
            ipc: None,
            root: false,
            ambient: CapabilitySet::empty(),
        }
    }
}

impl Program {
    /// Opens the first executable file of that name in [`DIRECTORIES`]. Errors: none there; owned by another user than
    /// `owners`, or writable by others than its owner. `help` says where a missing one comes from.
    pub fn find(name: &str, owners: &[u32], help: &str) -> Result<Program> {
        Self::find_in(&DIRECTORIES, name, owners, help)
    }

    fn find_in(directories: &[&str], name: &str, owners: &[u32], help: &str) -> Result<Program> {
        for directory in directories {
            if let Some(program) = Self::open(&format!("{directory}/{name}"), owners)? {
                return Ok(program);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("use {name}: not found in {}", directories.join(":")))
            .with_help(help))
    }

    /// Opens an executable file that was found before. Errors: as for [`Program::find`].
    pub fn at(path: &str, owners: &[u32]) -> Result<Program> {
        let gone = || Error::new(ErrorKind::NotFound, format!("use {path:?}: no such program"));
        Self::open(path, owners)?.ok_or_else(gone)
    }

    fn open(path: &str, owners: &[u32]) -> Result<Option<Program>> {
        let Ok(file) = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { return Ok(None) };
        let found = fstat(&file).tried(|| format!("look at {path:?}"))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_mode & 0o111 == 0 {
            return Ok(None);
        }
        let refused = |why: String| Error::new(ErrorKind::Refused, format!("use {path:?}: {why}"));
        if !owners.contains(&found.st_uid) {
            return Err(refused(format!("owned by user {}, not by root", found.st_uid)));
        }
        if found.st_mode & 0o022 != 0 {
            return Err(refused("writable by others than its owner".into()).with_help(format!("chmod go-w {path}")));
        }
        Ok(Some(Program { path: path.to_owned(), file }))
    }

    /// Where it was found.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The opened file, close-on-exec.
    pub fn into_file(self) -> OwnedFd {
        self.file
    }

    /// Runs it to its end, in `/`, in a process group of its own, with a constant environment and umask 022. It dies with
    /// the caller. Errors: it could not be started.
    pub fn run(&self, run: Run<'_>) -> Result<Ended> {
        self.start_and_wait(run).map_err(|error| error.during(format!("run {:?}", self.path)))
    }

    fn start_and_wait(&self, run: Run<'_>) -> Result<Ended> {
        let (hearing, speaking) = pipe2(OFlag::O_CLOEXEC).tried(|| "make a pipe")?;
        fcntl_setfl(&hearing, OFlags::NONBLOCK).tried(|| "prepare a pipe")?;
        let clone = |fd: &OwnedFd| fd.try_clone().tried(|| "share a descriptor");
        // The opened file itself, whatever has its name by now. It stays open, for the interpreter of a script to read.
        let file = clone(&self.file)?;
        let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
        command.arg0(&self.path).args(&run.arguments).current_dir("/").process_group(0);
        command.env_clear().env("PATH", DIRECTORIES.join(":")).env("LC_ALL", "C");
        command.stdin(input(run.input)?).stdout(clone(&speaking)?).stderr(speaking);
        let ipc = run.ipc.map(clone).transpose()?;
        confine(&mut command, Confinement { parent: getpid(), ipc, root: run.root, ambient: run.ambient });
        inherited::inherit(&mut command, run.files.into_iter().chain([file]).collect());
        let spawned = fault::fork(&self.path).map_err(std::io::Error::from).and_then(|()| command.spawn());
        // With the command go the pipe's other ends, so that it has an end.
        drop(command);
        let mut said = Vec::new();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                hear(&hearing, &mut said)?;
                let tried = String::from_utf8_lossy(&said).into_owned();
                return Err(not_made(Error::io(if tried.is_empty() { "start it".to_owned() } else { tried }, &error)));
            }
        };
        if let Err(error) = listen(&hearing, child.id(), &mut said) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        let status = child.wait().tried(|| "wait for its end")?;
        Ok(Ended { status, said: one_line(&said) })
    }
}

impl Ended {
    /// How it ended, and what it said.
    pub fn text(&self) -> String {
        let end = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        if self.said.is_empty() { end } else { format!("{end}: {}", self.said) }
    }
}

/// A pipe with everything in it already, so that nobody waits for a program that does not read, nor is told by a signal
/// of one that has ended.
fn input(bytes: &[u8]) -> Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let (reading, writing) = pipe2(OFlag::O_CLOEXEC).tried(|| "make a pipe")?;
    fcntl_setfl(&writing, OFlags::NONBLOCK).tried(|| "prepare a pipe")?;
    match rustix::io::write(&writing, bytes) {
        Ok(written) if written == bytes.len() => Ok(reading.into()),
        Ok(_) | Err(Errno::AGAIN) => {
            Err(Error::invalid(format!("an input of {} bytes fills more than a pipe", bytes.len())))
        }
        Err(errno) => Err(errno).tried(|| "fill a pipe"),
    }
}

/// Hears the process until it has ended, which need not close the pipe: what it started may live on.
fn listen(hearing: &OwnedFd, pid: u32, said: &mut Vec<u8>) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = pidfd_open(pid.ok_or_else(|| Error::invalid("no pid"))?, PidfdFlags::empty()).tried(|| "watch it")?;
    loop {
        let ended = event::wait_readable(&[hearing.as_fd(), process.as_fd()], None)?[1];
        let closed = hear(hearing, said)?;
        if ended {
            return Ok(());
        }
        if closed {
            return event::wait_readable(&[process.as_fd()], None).map(drop);
        }
    }
}

/// Takes what there is, and says whether the pipe has come to its end.
fn hear(hearing: &OwnedFd, said: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(hearing, &mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                said.extend_from_slice(&buffer[..count]);
                said.drain(..said.len().saturating_sub(SAID));
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(errno).tried(|| "hear it"),
        }
    }
}

/// Lines become one, and nothing in it can steer a terminal.
fn one_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.trim().replace(|char: char| char.is_control(), " "))
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn me() -> [u32; 1] {
        [rustix::process::geteuid().as_raw()]
    }

    fn put(directory: &str, text: &str, mode: u32) {
        let program = format!("{directory}/helper");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn directory(root: &TempDir, name: &str) -> String {
        let path = root.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_first_executable_of_a_trusted_owner_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let [none, other, good] = ["none", "other", "good"].map(|name| directory(&root, name));
        put(&other, "", 0o644);
        put(&good, "", 0o755);
        let path = [none.as_str(), &other, &good];
        let found = Program::find_in(&path, "helper", &me(), "").unwrap();
        assert_eq!(found.path(), format!("{good}/helper"));
        let error = Program::find_in(&path, "helper", &[me()[0] + 1], "").err().unwrap();
        let text = format!("use \"{good}/helper\": owned by user {}, not by root", me()[0]);
        assert_eq!(error.to_string(), text);
        let error = Program::find_in(&path[..2], "helper", &me(), "install it").err().unwrap();
        assert_eq!((error.kind(), error.help()), (ErrorKind::NotFound, Some("install it")));
    }

    #[test]
    fn one_that_others_can_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = directory(&root, "path");
        for mode in [0o775, 0o757] {
            put(&path, "", mode);
            let error = Program::find_in(&[&path], "helper", &me(), "").err().unwrap();
            assert_eq!(error.to_string(), format!("use \"{path}/helper\": writable by others than its owner"));
            assert_eq!(error.help(), Some(format!("chmod go-w {path}/helper").as_str()));
        }
    }

    /// Runs a script of the host's shell.
    fn run(script: &str, change: impl FnOnce(&mut Run<'_>)) -> Result<Ended> {
        let mut run = Run::with(["-c", script, "sh"]);
        change(&mut run);
        Program::find("sh", &[0], "").unwrap().run(run)
    }

    #[test]
    fn a_program_has_nothing_of_its_callers() {
        let script = "pwd; umask; ulimit -c; cat; echo \"$1\"; tr '\\0' '\\n' </proc/$$/environ";
        let ended = run(script, |run| {
            run.arguments.push("one two".into());
            run.input = b"told\n";
        });
        let mut said: Vec<String> = ended.unwrap().said.split("; ").map(str::to_owned).collect();
        said[5..].sort();
        assert_eq!(said.join("; "), format!("/; 0022; 0; told; one two; LC_ALL=C; PATH={}", DIRECTORIES.join(":")));
    }

    #[test]
    fn the_end_and_the_last_words_are_told() {
        let ended = run("echo one; printf 'two\\033[2J\\n' >&2; exit 3", |_| {}).unwrap();
        assert_eq!(ended.text(), "exit code 3: one; two [2J");
        assert_eq!(run("kill -9 $$", |_| {}).unwrap().text(), "signal 9");
        let ended = run("head -c 1000000 /dev/zero | tr '\\0' x; echo end", |_| {}).unwrap();
        assert!(ended.status.success());
        assert_eq!((ended.said.len(), ended.said.ends_with("xend")), (SAID - 1, true));
    }

    #[test]
    fn what_a_program_leaves_running_is_not_waited_for() {
        let ended = run("sleep 1000 & echo $!", |_| {}).unwrap();
        let left = ended.said.parse().ok().and_then(Pid::from_raw).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
        assert!(ended.status.success());
    }

    #[test]
    fn a_failed_step_and_too_much_input_are_told() {
        let null = std::fs::File::open("/dev/null").unwrap().into();
        let mut wrong = Run::with(["-c", "true"]);
        wrong.ipc = Some(&null);
        let sh = Program::find("sh", &[0], "").unwrap();
        let text = sh.run(wrong).unwrap_err().to_string();
        assert_eq!(text, format!("run {:?}: join the IPC namespace: invalid argument", sh.path()));
        let much = vec![0; 10 << 20];
        let mut long = Run::with(["-c", "true"]);
        long.input = &much;
        let text = sh.run(long).unwrap_err().to_string();
        assert_eq!(text, format!("run {:?}: an input of 10485760 bytes fills more than a pipe", sh.path()));
    }
}
