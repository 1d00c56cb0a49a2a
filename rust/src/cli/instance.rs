// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion start`, `list`, `exec`, `stop`, `wait` and `sweep`: instances, by the caller's records of them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Seek as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use super::arguments::{Exec, List, Start, Stop, Sweep};
use super::run::{STARTER_NAME, end_as, host, uses_setuid};
use super::{container, output, print};
use crate::config::Timeouts;
use crate::config::settings::NamespaceKind;
use crate::engine::WaitStatus;
use crate::engines::oci::instance::store::{Found, instance_of};
use crate::engines::oci::instance::{Identity, Instance, Record, Store, Target};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::ffi::sys;
use crate::launch::Launch;
use crate::lifecycle::child::Child;
use crate::lifecycle::daemon::{self, Line};
use crate::lifecycle::roles::Role;
use crate::log;

/// How long everything of an instance may take to go after its container has been killed.
const AFTER_KILL: Duration = Duration::from_secs(60);

/// Starts an instance, and returns when it runs.
pub fn start(asked: Start) -> Result<i32> {
    container::check_descriptors(asked.container.preserve_fds)?;
    // Where the caller ignores it, nobody is there to be waited for.
    sys::signal::ignore(libc::SIGCHLD, false);
    let store = Store::open()?;
    let setuid = uses_setuid(asked.container.setuid);
    let record = Record::new(&asked.name, &new_id(), setuid)?;
    let (file, files) = store.lock()?.create(&record)?;
    let said = files[1].try_clone().tried(|| "keep a file with an instance's output");
    let started = said.and_then(|said| Ok((said, watched(&asked, &record, &file, files, setuid)?)));
    if let Ok((_, status)) = &started
        && *status == WaitStatus::exit(0)
    {
        if !asked.json {
            return Ok(0);
        }
        // By its descriptor: one that has ended by now has a record without a name.
        let _locked = store.lock()?;
        return print(&as_json(&Record::read(&file)?)?);
    }
    let locked = store.lock()?;
    // Somebody may have started another one by now.
    if locked.find(&asked.name)?.is_none_or(|found| found.record.id == record.id) {
        locked.remove(&asked.name)?;
    }
    drop(locked);
    let (mut said, status) = started?;
    // What the starter said stands where the container's words would stand.
    said.rewind().and_then(|()| std::io::copy(&mut said, &mut std::io::stderr())).tried(|| "print what was said")?;
    end_as(status)
}

/// The start, up to when it runs or has failed.
fn watched(asked: &Start, record: &Record, file: &File, files: [File; 2], setuid: bool) -> Result<WaitStatus> {
    let Some(limits) = asked.log else { return launch(asked, record, file, files.map(OwnedFd::from), setuid) };
    let (pipes, copier) = output::start(Store::open()?, &asked.name, files, limits)?;
    let status = launch(asked, record, file, pipes.map(OwnedFd::from), setuid)?;
    if status != WaitStatus::exit(0) {
        copier.end()?;
    }
    Ok(status)
}

fn launch(asked: &Start, record: &Record, file: &File, output: [OwnedFd; 2], setuid: bool) -> Result<WaitStatus> {
    // Beyond those that the container inherits.
    let first = 3 + i32::try_from(asked.container.preserve_fds).unwrap_or_default();
    let lock = rustix::io::fcntl_dupfd_cloexec(file, first).tried(|| "hand the record's lock on")?;
    let user = rustix::process::getuid().as_raw();
    let instance = Instance { name: record.name.clone(), id: record.id.clone(), user, record: lock.as_raw_fd() };
    let document = container::instance(&asked.container, instance)?;
    let (host, [out, err]) = (host()?, output);
    // Nothing else of the caller's, such as a lock or a pipe, is to stay open for as long as the instance runs.
    sys::descriptor::close_on_exec_from(first)?;
    // Nor is the file system with the caller's directory to be in use for so long. Every path is an absolute one by now.
    std::env::set_current_dir("/").tried(|| "change to \"/\"")?;
    let null = File::open("/dev/null").tried(|| "open \"/dev/null\"")?;
    let (line, waiter) = Line::new()?;
    let launch = Launch::new(&host, STARTER_NAME, &document).use_suid(setuid).cleanup_host(true).pass(lock);
    let launch = launch.waiter(waiter).stdin(null).stdout(out).stderr(err);
    // Who asks this process to end means the start, which is to clean up.
    sys::signal::block_all()?;
    let master = Child::adopt(launch.spawn()?, Role::Master)?;
    let timeouts = Timeouts::default();
    let timeouts = asked.container.stop_timeout.map_or(timeouts, |seconds| timeouts.with_stop(seconds));
    daemon::await_start(master, line, &timeouts, true)
}

/// What no other start of this user has at any time.
fn new_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

fn as_json(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Error::invalid(format!("write JSON: {error}")))
}

/// An instance that lives.
fn found(store: &Store, name: &str) -> Result<Found> {
    let found = store.lock()?.find(name)?.filter(|found| found.alive);
    found.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no instance {name:?}"))
            .with_help("pinion list shows those of the calling user")
    })
}

/// A process of an instance that runs.
fn open(name: &str, process: Option<Identity>) -> Result<OwnedFd> {
    let starting = || Error::new(ErrorKind::Refused, format!("instance {name:?} is being started"));
    let ended = || Error::new(ErrorKind::NotFound, format!("instance {name:?} has ended"));
    process.ok_or_else(starting)?.open()?.ok_or_else(ended)
}

/// The instances, as a table or as JSON.
pub fn list(asked: &List) -> Result<String> {
    let store = Store::open()?;
    let mut records = Vec::new();
    for (_, found) in store.lock()?.all()? {
        match found {
            Ok(found) if found.alive => records.push(found.record),
            Ok(_) => {}
            Err(error) => log::warning(format_args!("{error}")),
        }
    }
    if asked.json {
        return as_json(&records);
    }
    let mut text = format!("{:<20} {:>8} {:>8}  PROGRAM\n", "NAME", "PID", "MASTER");
    for record in records {
        let pid = |process: Option<Identity>| process.map_or("-".to_owned(), |process| process.pid.to_string());
        let program = record.join.process.args.join(" ");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<20} {:>8} {:>8}  {}",
            record.name,
            pid(record.container),
            pid(record.master),
            printable(&program)
        );
    }
    Ok(text)
}

/// As it is, but for what would leave its line or move the cursor.
fn printable(text: &str) -> String {
    let plain = |letter: char| ['\'', '"', '\\'].contains(&letter);
    text.chars().map(|letter| if plain(letter) { letter.into() } else { letter.escape_debug().to_string() }).collect()
}

/// Ends an instance.
pub fn stop(asked: &Stop) -> Result<i32> {
    let record = found(&Store::open()?, &asked.name)?.record;
    let (master, container) = (open(&asked.name, record.master)?, open(&asked.name, record.container)?);
    sys::process::send_signal(&container, asked.signal)?;
    if ends_within(&master, Duration::from_secs(asked.timeout.into()))? {
        return Ok(0);
    }
    sys::process::send_signal(&container, libc::SIGKILL)?;
    if ends_within(&master, AFTER_KILL)? {
        return Ok(0);
    }
    let text =
        format!("stop {:?}: its container was killed, and process {:?} has not ended", asked.name, record.master);
    Err(Error::new(ErrorKind::Timeout, text))
}

fn ends_within(process: &OwnedFd, limit: Duration) -> Result<bool> {
    Ok(sys::event::wait_readable(&[process.as_fd()], Some(limit))?[0])
}

/// Waits for an instance's end.
pub fn wait(name: &str) -> Result<i32> {
    let found = found(&Store::open()?, name)?;
    let master = open(name, found.record.master)?;
    sys::event::wait_readable(&[master.as_fd()], None)?;
    match Record::read(&found.file)?.ended {
        Some(status) => end_as(WaitStatus::from_raw(status)),
        None => Err(Error::new(ErrorKind::PeerDied, format!("wait for {name:?}: nobody was left to say how it ended"))),
    }
}

/// Becomes a program in an instance.
pub fn exec(asked: &Exec) -> Result<i32> {
    container::check_descriptors(asked.preserve_fds)?;
    let record = found(&Store::open()?, &asked.name)?.record;
    let container = record
        .container
        .ok_or_else(|| Error::new(ErrorKind::Refused, format!("instance {:?} is being started", asked.name)))?;
    // Who owns the user namespace may enter it without root.
    let setuid = record.setuid && !record.join.namespaces.contains(&NamespaceKind::User);
    let document = container::program(&record.name, asked, Target { container, join: record.join })?;
    let host = host()?;
    match Launch::new(&host, STARTER_NAME, &document).use_suid(setuid).exec()? {}
}

/// Removes what is left of instances that are gone, and says what.
pub fn sweep(asked: &Sweep) -> Result<String> {
    let store = Store::open()?;
    let locked = store.lock()?;
    let lives = |found: &Result<Found>| found.as_ref().map_or(true, |found| found.alive);
    let alive: Vec<String> =
        locked.all()?.into_iter().filter(|(_, found)| lives(found)).map(|(name, _)| name).collect();
    let mut text = String::new();
    for name in locked.names()? {
        // What no start has made is not removed either.
        if instance_of(&name).is_none_or(|instance| alive.iter().any(|alive| alive == instance)) {
            continue;
        }
        if !asked.dry_run
            && let Err(error) = locked.unlink(&name)
        {
            log::warning(format_args!("{error}"));
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", store.path().join(&name).display());
    }
    Ok(text)
}
