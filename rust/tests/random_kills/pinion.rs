// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `pinion run` and `pinion start`: nothing is recorded, so that the processes are known by the files they execute.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common;
use crate::world::{BUSYBOX, FLOWS, Flow, Seen, World, finish, until, write_root};
use crate::{CODE, Draws, Moments, kills};

const SCRIPT: &str = "echo ran; sleep 0.03; echo ended; exit 7";

/// How long it may take until nothing is left.
const LIMIT: Duration = Duration::from_secs(10);

/// A flow, with files that nobody else executes.
struct Arena {
    world: World,
    verb: &'static str,
    files: BTreeSet<(u64, u64)>,
    mounts: String,
}

/// A process that was killed.
struct Victim {
    pid: i32,
    /// The file that it executed.
    file: String,
}

impl Arena {
    fn new(flow: Flow, verb: &'static str) -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            println!("skipped: pinion {verb}, {flow:?}: needs busybox");
            return None;
        }
        let world = World::alone(flow)?;
        let root = world.folder.path().join("rootfs");
        if !root.exists() {
            write_root(&root);
        }
        let programs = world.programs().into_iter().chain([root.join("bin/busybox")]);
        let files = programs.filter_map(|path| of(&path)).collect();
        let mounts = world.mounts();
        Some(Arena { world, verb, files, mounts })
    }

    fn name(&self) -> String {
        self.world.name("killed")
    }

    fn spawn(&self) -> std::process::Child {
        let (name, root) = (self.name(), self.world.folder.path().join("rootfs"));
        let mut arguments = vec![self.verb];
        arguments.extend(self.world.options());
        if self.world.flow != Flow::Ranges {
            arguments.extend(["--root", root.to_str().expect("UTF-8")]);
        }
        if self.verb == "start" {
            arguments.push(&name);
        }
        arguments.extend(["--", "sh", "-c", SCRIPT]);
        let mut command = self.world.pinion(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pinion")
    }

    fn processes(&self) -> Vec<i32> {
        let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.is_of_run(*pid)).collect()
    }

    fn is_of_run(&self, pid: i32) -> bool {
        of(Path::new(&format!("/proc/{pid}/exe"))).is_some_and(|file| self.files.contains(&file))
    }

    /// Kills any process of the run, if there is one.
    fn kill_one(&self, draws: &mut Draws) -> Option<Victim> {
        let all = self.processes();
        let pid = *all.get(draws.below(all.len().max(1)))?;
        let opened = rustix::process::Pid::from_raw(pid).expect("a pid");
        let pidfd = rustix::process::pidfd_open(opened, rustix::process::PidfdFlags::empty()).ok()?;
        let file = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?.to_string_lossy().into_owned();
        // It is still the one that was found, or has ended.
        let killed =
            self.is_of_run(pid) && rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL).is_ok();
        killed.then_some(Victim { pid, file })
    }

    /// What is wrong with a run.
    fn judge(&self, seen: &Seen, victim: Option<&Victim>) -> Result<(), String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.left(seen, victim) {
                None => break,
                Some(left) if Instant::now() > deadline => {
                    return Err(format!("{left}, exit {}, {:?}, {:?}", seen.exit, seen.out, seen.err));
                }
                Some(_) => common::look_again(),
            }
        }
        let ended = seen.out.lines().any(|line| line == "ended");
        match (self.verb, seen.exit) {
            ("run", CODE) if ended => Ok(()),
            ("start", 0) => Ok(()),
            (_, 255 | -9) if victim.is_some() => Ok(()),
            (_, exit) => Err(format!("its caller sees exit {exit}, {:?}, {:?}", seen.out, seen.err)),
        }
    }

    fn left(&self, seen: &Seen, victim: Option<&Victim>) -> Option<String> {
        if let Some(pid) = self.processes().first() {
            return Some(format!("process {pid} is left: {}", common::about(pid.cast_unsigned())));
        }
        if self.world.mounts() != self.mounts {
            return Some(format!("mounts have changed: {}", self.world.mounts()));
        }
        let files = self.world.files(&self.name());
        // Nobody stays behind the front end to remove what it has just written down: the next start, or a sweep.
        let may_leave = victim.is_some_and(|victim| victim.file.ends_with("/pinion"));
        let left = files.iter().find(|file| seen.exit != 0 || file.ends_with(".json"));
        left.filter(|_| !may_leave).map(|file| format!("the file {file} is left"))
    }

    /// How long a run takes until nobody of it is left: the quickest of some, since a kill after the end is none.
    fn clean(&self) -> Duration {
        let once = || {
            let begun = Instant::now();
            let seen = finish(self.spawn());
            assert_eq!(seen.exit, if self.verb == "run" { CODE } else { 0 }, "{:?}: {}", self.world.flow, seen.err);
            until("a run without a kill is over", || self.processes().is_empty());
            begun.elapsed()
        };
        (0..3).map(|_| once()).min().expect("some")
    }
}

fn of(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

fn in_every_flow(verb: &'static str) {
    let mut failed = Vec::new();
    for arena in FLOWS.into_iter().filter_map(|flow| Arena::new(flow, verb)) {
        let name = format!("pinion {verb}, {:?}", arena.world.flow);
        let (mut draws, clean, count) = (Draws::of(&name), arena.clean(), kills());
        let (mut hit, mut moments) = (0, Moments::of(clean, &mut draws));
        for number in 0..count {
            let moment = moments.next();
            let child = arena.spawn();
            std::thread::park_timeout(moment);
            let victim = arena.kill_one(&mut draws);
            hit += u32::from(victim.is_some());
            moments.learn(moment, victim.is_some());
            let seen = finish(child);
            if let Err(wrong) = arena.judge(&seen, victim.as_ref()) {
                let victim = victim.map(|victim| (victim.pid, victim.file));
                failed.push(format!("{name}: run {number}, {victim:?} killed after {moment:?}: {wrong}"));
            }
        }
        println!("{name}: {count} runs of {clean:.1?}, {hit} kills");
    }
    assert!(failed.is_empty(), "{} failures:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn whoever_of_a_run_is_killed_whenever() {
    in_every_flow("run");
}

#[test]
fn whoever_of_a_start_is_killed_whenever() {
    in_every_flow("start");
}
