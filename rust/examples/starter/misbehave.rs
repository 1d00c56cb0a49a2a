// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a callback of this engine does wrong when its configuration says so. Each is a few system calls, so that an engine in
//! another language can do the same.
//!
//! | word | what the callback does |
//! | --- | --- |
//! | `error` | returns an error |
//! | `panic` | panics |
//! | `hang` | never returns |
//! | `stop` | stops its process, and goes on when that is continued |
//! | `thread` | makes a thread that never ends, and goes on |
//! | `kill` | kills its process with SIGKILL; `kill first` spares cleanup-spare |
//! | `chdir` | changes to `/proc` and goes on |
//! | `umask` | sets the umask 0077 and goes on |
//! | `mask` | blocks SIGUSR1, or opens it if it was blocked, and goes on |
//! | `setgid` | sets the effective group id 1 and goes on |
//! | `capset` | drops its effective capabilities and goes on |
//! | `ambient` | makes CAP_CHOWN inheritable and ambient, and goes on |
//! | `no_new_privs` | sets no_new_privs and goes on |
//! | `securebits` | sets the securebit that keeps capabilities, and goes on |
//! | `dumpable` | opens its process to others of its user, or closes it if it was open, and goes on |
//! | `death signal` | has SIGHUP sent when its parent dies, and goes on |
//! | `regain` | gets root back and puts it aside again, as master of the setuid flow may, and goes on |
//! | `fork` | makes a child, which returns an error; waits for its end and goes on |
//! | `fork exit` | makes a child, which calls exit(0); waits for its end and goes on |
//! | `exit` | calls exit(3) |
//! | `_exit` | calls _exit(3) |
//! | `exec` | executes `sleep 1000` |
//!
//! InitConfig, for which any word will do, makes a thread. CreateContainer can also `disconnect` and hang, or `exec in the server`: it
//! calls the engine's RPC method Exec, which does that, and returns well. MonitorContainer can `end by SIGTERM`: it returns an error when
//! that comes; or `leave`: once PostStartProcess is called it returns exit code 5, whatever the container does. CleanupHost can
//! `end its parent`: it sends that SIGTERM, and returns when it has been taken.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, getgid, getuid, setresgid, setresuid};
use pinion::engine::CallbackResult;
use pinion::ffi::sys::process::{Cloned, clone, exit};
use pinion::lifecycle::roles::Role;
use pinion::trace;
use rustix::process::{
    DumpableBehavior, WaitId, WaitIdOptions, dumpable_behavior, set_dumpable_behavior, set_parent_process_death_signal,
    waitid,
};
use rustix::thread::{
    CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities, set_keep_capabilities,
    set_no_new_privs,
};

/// Does in `callback` what the word `how` says.
pub fn misbehave(callback: &str, how: &str) -> CallbackResult {
    match how {
        "error" => return Err(format!("{callback} was told to fail").into()),
        "panic" => panic!("{callback} was told to panic"),
        "hang" => hang(),
        "stop" => raise(Signal::SIGSTOP)?,
        "thread" => drop(std::thread::spawn(|| hang())),
        "kill first" if trace::role() == Role::CleanupSpare => {}
        "kill" | "kill first" => {
            raise(Signal::SIGKILL)?;
            // The first process of a PID namespace survives its own signals: whoever reads the record kills it.
            trace::event("fault", || serde_json::json!({}));
            hang()
        }
        "chdir" => std::env::set_current_dir("/proc")?,
        "umask" => drop(umask(Mode::from_bits_truncate(0o077))),
        "mask" => toggle(Signal::SIGUSR1)?,
        "setgid" => setresgid(getgid(), Gid::from_raw(1), getgid())?,
        "capset" => {
            let mut sets = capabilities(None)?;
            sets.effective = CapabilitySet::empty();
            set_capabilities(None, sets)?;
        }
        "ambient" => {
            let mut sets = capabilities(None)?;
            sets.inheritable |= CapabilitySet::CHOWN;
            set_capabilities(None, sets)?;
            configure_capability_in_ambient_set(CapabilitySet::CHOWN, true)?;
        }
        "no_new_privs" => set_no_new_privs(true)?,
        "securebits" => set_keep_capabilities(true)?,
        "dumpable" => match dumpable_behavior()? {
            DumpableBehavior::Dumpable => set_dumpable_behavior(DumpableBehavior::NotDumpable)?,
            _ => set_dumpable_behavior(DumpableBehavior::Dumpable)?,
        },
        "death signal" => set_parent_process_death_signal(Some(rustix::process::Signal::HUP))?,
        "regain" => {
            let (root, user) = (Uid::from_raw(0), getuid());
            setresuid(root, root, user)?;
            setresuid(user, user, root)?;
        }
        "fork" => fork(|| ())?,
        "fork exit" => fork(|| std::process::exit(0))?,
        "end its parent" => end_parent()?,
        "exit" => std::process::exit(3),
        "_exit" => exit(3),
        "exec" => return Err(execute().into()),
        // The callback's own.
        _ => {}
    }
    Ok(())
}

fn end_parent() -> CallbackResult {
    let parent = nix::unistd::getppid();
    nix::sys::signal::kill(parent, Signal::SIGTERM)?;
    let pending = |line: &str| {
        let set = line.strip_prefix("ShdPnd:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        set.is_some_and(|set| set & (1 << (Signal::SIGTERM as i32 - 1)) != 0)
    };
    while std::fs::read_to_string(format!("/proc/{parent}/status"))?.lines().any(pending) {
        std::thread::yield_now();
    }
    Ok(())
}

/// Makes a thread that stays.
pub fn make_thread() {
    drop(std::thread::spawn(|| hang()));
}

/// Replaces the process.
pub fn execute() -> std::io::Error {
    Command::new("sleep").arg("1000").exec()
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn toggle(signal: Signal) -> nix::Result<()> {
    let how = if SigSet::thread_get_mask()?.contains(signal) { SigmaskHow::SIG_UNBLOCK } else { SigmaskHow::SIG_BLOCK };
    let mut set = SigSet::empty();
    set.add(signal);
    sigprocmask(how, Some(&set), None)
}

/// Makes a process, which does `child` and returns as the caller does, which waits for its end.
fn fork(child: impl FnOnce()) -> CallbackResult {
    match clone(0)? {
        Cloned::Child => {
            child();
            Err("this is the child".into())
        }
        Cloned::Parent(pid, _) => {
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED)?;
            Ok(())
        }
    }
}
