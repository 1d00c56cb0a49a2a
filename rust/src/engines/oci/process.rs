// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's program: how it is described, and the last steps before it runs.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use oci_spec::runtime::{PosixRlimit, PosixRlimitType};
use rustix::fs::FileType;
use rustix::process::{Pid, Resource, Rlimit};
use serde::{Deserialize, Serialize};

use super::in_root::kind;
use super::spec;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys::{descriptor, keyring};

/// Where a program is looked for when the container's environment has no PATH.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// As many descriptors as anybody hands down; more is a mistake in a number.
const MAX_PRESERVED: u32 = 1024;

/// The program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Program and arguments; at least the program.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<String>,
    /// The file mode bits that it takes away; without it the caller's.
    pub umask: Option<u32>,
    /// How many descriptors from 3 on it inherits.
    pub preserve_fds: u32,
    /// Whether it is the child of a small first process.
    pub init: bool,
    /// Resource limits.
    pub limits: Vec<Limit>,
}

/// One resource limit; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Which.
    pub resource: PosixRlimitType,
    /// The limit that counts.
    pub soft: u64,
    /// Up to where the program may raise it.
    pub hard: u64,
}

impl Process {
    /// Reads the program from a document.
    pub fn from_spec(spec: &spec::Process, preserve_fds: u32, init: bool) -> Result<Self> {
        let args = spec.args.clone().unwrap_or_default();
        if args.first().is_none_or(String::is_empty) {
            return Err(Error::invalid("process.args: no program is given"));
        }
        let mut env = spec.env.clone().unwrap_or_default();
        for (index, text) in args.iter().enumerate() {
            no_nul(text, || format!("process.args[{index}]"))?;
        }
        for (index, text) in env.iter().enumerate() {
            no_nul(text, || format!("process.env[{index}]"))?;
            if text.find('=').is_none_or(|at| at == 0) {
                return Err(Error::invalid(format!("process.env[{index}]: {text:?} is not NAME=VALUE")));
            }
        }
        last_of_each_name(&mut env);
        let umask = spec.user.as_ref().and_then(|user| user.umask());
        if let Some(umask) = umask.filter(|umask| *umask > 0o777) {
            return Err(Error::invalid(format!("process.user.umask: {umask} is more than 511 (octal 777)")));
        }
        if preserve_fds > MAX_PRESERVED {
            return Err(Error::invalid(format!("preserveFds: {preserve_fds} is more than {MAX_PRESERVED}")));
        }
        let limits = limits(spec.rlimits.as_deref().unwrap_or_default())?;
        Ok(Process { args, env, umask, preserve_fds, init, limits })
    }

    /// Sets the limits on the container's process, while the caller still may raise them.
    pub fn set_limits(&self, container: i32) -> Result<()> {
        let pid = Pid::from_raw(container).ok_or_else(|| Error::invalid("there is no container process"))?;
        for limit in &self.limits {
            let value = |number| (number != u64::MAX).then_some(number);
            let new = Rlimit { current: value(limit.soft), maximum: value(limit.hard) };
            rustix::process::prlimit(Some(pid), resource(limit.resource), new)
                .tried(|| format!("set the limit {} to {} (at most {})", limit.resource, limit.soft, limit.hard))?;
        }
        Ok(())
    }

    /// Lowers the limits to what the calling process may set without privileges.
    pub fn lower_limits(&mut self) {
        for limit in &mut self.limits {
            let own = rustix::process::getrlimit(resource(limit.resource)).maximum.unwrap_or(u64::MAX);
            (limit.soft, limit.hard) = (limit.soft.min(own), limit.hard.min(own));
        }
    }

    /// Sets the limits on the calling process.
    pub fn set_own_limits(&self) -> Result<()> {
        self.set_limits(rustix::process::getpid().as_raw_pid())
    }

    /// Becomes the program. Returns only with an error.
    pub fn execute(&self) -> Result<Infallible> {
        check_working_directory()?;
        self.close_descriptors()?;
        leave_callers_keyring()?;
        if let Some(umask) = self.umask {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
        }
        let program = self.args.first().map(String::as_str).unwrap_or_default();
        let args = c_strings(&self.args)?;
        let env = c_strings(&self.env)?;
        let errno = candidates(program, search_path(&self.env)).try_fold(Errno::ENOENT, |worst, candidate| {
            let Ok(candidate) = CString::new(candidate) else { return Ok(worst) };
            match nix::unistd::execve(&candidate, &args, &env) {
                Ok(never) => match never {},
                // What cannot be reached here may be found further on; a program without the right to run it is worth
                // more as a reason than one that is not there.
                Err(Errno::EACCES) => Ok(Errno::EACCES),
                Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(worst),
                Err(errno) => Err(errno),
            }
        });
        let (Ok(errno) | Err(errno)) = errno;
        let error = Error::system(format!("execute {program:?}"), errno as i32);
        Err(if program.contains('/') || errno != Errno::ENOENT {
            error
        } else {
            error.with_help(format!("it is in no directory of the container's PATH ({})", search_path(&self.env)))
        })
    }

    /// The descriptors below this and from 3 on are handed down, as far as they are open.
    pub fn first_own_descriptor(&self) -> RawFd {
        3 + RawFd::try_from(self.preserve_fds).unwrap_or_default()
    }

    /// Nothing that was opened outside goes along but what was asked for, and of that no directory: a way out of the
    /// container it would be (CVE-2016-9962, CVE-2024-21626).
    fn close_descriptors(&self) -> Result<()> {
        let end = self.first_own_descriptor();
        descriptor::close_on_exec_from(end)?;
        for number in (3..end).filter(|number| descriptor::is_open(*number)) {
            if descriptor::with(number, is_handed_down_directory)?.tried(|| format!("look at descriptor {number}"))? {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("hand descriptor {number} down: it is a directory outside the container"),
                ));
            }
        }
        Ok(())
    }
}

/// The caller's session keyring holds keys of the host, and whoever has it may use them. Without keyrings in the kernel
/// there are none to use; nor with a filter that forbids the call, which the program has too.
fn leave_callers_keyring() -> Result<()> {
    match keyring::join_new_session() {
        Ok(()) | Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        Err(errno) => {
            let error = Error::system("make a session keyring", errno as i32);
            Err(if errno == Errno::EDQUOT {
                error.with_help("the sysctls kernel.keys.maxkeys and kernel.keys.maxbytes limit what a user may have")
            } else {
                error
            })
        }
    }
}

/// What the core has opened has close-on-exec, also between the numbers that the caller hands down.
fn is_handed_down_directory(fd: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let handed_down = !rustix::io::fcntl_getfd(fd)?.contains(rustix::io::FdFlags::CLOEXEC);
    Ok(handed_down && kind(fd)? == FileType::Directory)
}

/// The working directory must be one of the container's: the kernel names any other one `(unreachable)`, or does not
/// know a name at all (CVE-2024-21626).
fn check_working_directory() -> Result<()> {
    let name = rustix::process::getcwd(Vec::new()).tried(|| "find the working directory")?;
    if name.as_bytes().starts_with(b"/") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, format!("the working directory {name:?} is outside the container")))
}

fn search_path(env: &[String]) -> &str {
    // As getenv(3): the first one counts.
    env.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH)
}

/// The names under which a program is tried, in their order. An empty part of the path is the working directory.
fn candidates<'a>(program: &'a str, path: &'a str) -> impl Iterator<Item = String> + 'a {
    let direct = program.contains('/').then(|| program.to_owned());
    let search = (direct.is_none()).then(|| {
        path.split(':').map(move |directory| {
            if directory.is_empty() { format!("./{program}") } else { format!("{directory}/{program}") }
        })
    });
    direct.into_iter().chain(search.into_iter().flatten())
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>> {
    let c_string = |text: &String| CString::new(text.as_str()).map_err(|_| Error::invalid("text has a NUL byte"));
    texts.iter().map(c_string).collect()
}

/// Refuses a NUL byte, which would end a text early.
pub(super) fn no_nul(text: &str, what: impl FnOnce() -> String) -> Result<()> {
    if OsStr::new(text).as_bytes().contains(&0) {
        return Err(Error::invalid(format!("{}: has a NUL byte", what())));
    }
    Ok(())
}

/// Of several variables with one name the last one counts, as with runc and crun; left to the program, to most of them the
/// first one would.
fn last_of_each_name(env: &mut Vec<String>) {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut later = BTreeSet::new();
    let mut kept: Vec<bool> = env.iter().rev().map(|entry| later.insert(name(entry))).collect();
    env.retain(|_| kept.pop().unwrap_or(true));
}

fn limits(spec: &[PosixRlimit]) -> Result<Vec<Limit>> {
    let mut limits: Vec<Limit> = Vec::with_capacity(spec.len());
    for (index, limit) in spec.iter().enumerate() {
        let limit = Limit { resource: limit.typ(), soft: limit.soft(), hard: limit.hard() };
        if limits.iter().any(|earlier| earlier.resource == limit.resource) {
            return Err(Error::invalid(format!("process.rlimits[{index}].type: {} is there twice", limit.resource)));
        }
        if limit.soft > limit.hard {
            return Err(Error::invalid(format!(
                "process.rlimits[{index}]: soft {} is more than hard {}",
                limit.soft, limit.hard
            )));
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn resource(name: PosixRlimitType) -> Resource {
    match name {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn process(document: serde_json::Value) -> Result<Process> {
        let spec: spec::Process = serde_json::from_value(document).expect("process");
        Process::from_spec(&spec, 0, false)
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let limit = |soft, hard| json!({"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard});
        for (document, error) in [
            (json!({"cwd": "/"}), "process.args: no program is given"),
            (json!({"cwd": "/", "args": [""]}), "process.args: no program is given"),
            (json!({"cwd": "/", "args": ["a", "b\0"]}), "process.args[1]: has a NUL byte"),
            (json!({"cwd": "/", "args": ["a"], "env": ["A=1", "B"]}), "process.env[1]: \"B\" is not NAME=VALUE"),
            (json!({"cwd": "/", "args": ["a"], "env": ["=1"]}), "process.env[0]: \"=1\" is not NAME=VALUE"),
            (
                json!({"cwd": "/", "args": ["a"], "user": {"umask": 512}}),
                "process.user.umask: 512 is more than 511 (octal 777)",
            ),
            (
                json!({"cwd": "/", "args": ["a"], "rlimits": [limit(2, 1)]}),
                "process.rlimits[0]: soft 2 is more than hard 1",
            ),
            (
                json!({"cwd": "/", "args": ["a"], "rlimits": [limit(1, 1), limit(1, 1)]}),
                "process.rlimits[1].type: RLIMIT_NOFILE is there twice",
            ),
        ] {
            assert_eq!(process(document).expect_err("refused").to_string(), error);
        }
    }

    #[test]
    fn a_program_is_looked_for_as_execvp_does() {
        let found = |program, path| candidates(program, path).collect::<Vec<_>>();
        assert_eq!(found("sh", "/bin::/x"), ["/bin/sh", "./sh", "/x/sh"]);
        assert_eq!(found("./sh", "/bin"), ["./sh"]);
        assert_eq!(search_path(&["A=1".into(), "PATH=/a".into(), "PATH=/b".into()]), "/a");
        assert_eq!(search_path(&[]), DEFAULT_PATH);
    }

    #[test]
    fn the_last_variable_of_a_name_counts() {
        let env = json!(["A=1", "B=", "A=2", "PATH=/x", "AB=3", "A=4=5"]);
        let process = process(json!({"cwd": "/", "args": ["a"], "env": env})).expect("process");
        assert_eq!(process.env, ["B=", "PATH=/x", "AB=3", "A=4=5"]);
    }

    #[test]
    fn an_error_names_the_program() {
        let run = |program: &str, path: &str| {
            let process =
                Process { args: vec![program.into()], env: vec![format!("PATH={path}")], ..Default::default() };
            let Err(error) = process.execute();
            error
        };
        assert_eq!(run("/no/such", "/bin").to_string(), "execute \"/no/such\": no such file or directory");
        let error = run("no-such-program", "/bin:/usr/bin");
        assert_eq!(error.to_string(), "execute \"no-such-program\": no such file or directory");
        assert_eq!(error.help(), Some("it is in no directory of the container's PATH (/bin:/usr/bin)"));
        assert_eq!(run("passwd", "/etc:/nothing").to_string(), "execute \"passwd\": permission denied");
    }
}
