// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mkdir and Mount while others exchange what lies in the root: nothing is made and nothing is mounted outside of it.
//! `make test-rpc-race` is the long form; PINION_RACE_CALLS is the number of calls for each resolver. Needs root.

#[path = "rpc_race/arena.rs"]
mod arena;
#[path = "rpc_race/attack.rs"]
mod attack;

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::net::UnixStream;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use pinion::error::CallbackError;
use pinion::gob::Limits;
use pinion::rpc::builtin::mkdir::MkdirArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::{self, Options, Resolver};
use pinion::rpc::{Client, MethodSet, Service, serve};

use arena::Arena;
use attack::Attack;

/// How many calls are made between two looks at what came of them.
const ROUND: u32 = 250;

fn calls() -> u32 {
    std::env::var("PINION_RACE_CALLS").map_or(2000, |calls| calls.parse().expect("PINION_RACE_CALLS: a number"))
}

/// What became of the calls.
#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    made: u32,
    mounted: u32,
    refused: BTreeMap<String, u32>,
    swaps: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { calls, made, mounted, refused, swaps } = self;
        write!(f, "{calls} calls, {made} directories made, {mounted} mounts, refused {refused:?}, {swaps} swaps")
    }
}

/// Makes calls until something lies outside the root, which is the error, or all are made.
fn race(own: MethodSet, resolver: Resolver, calls: u32) -> Result<Tally, String> {
    let folder = tempfile::tempdir().expect("folder");
    let outer = || {
        own_namespace();
        let arena = Arena::new(folder.path());
        let attack = Attack::new();
        thread::scope(|scope| {
            // The attackers stay in this namespace, where nothing else is mounted.
            attack.start(scope, &arena);
            let inside = scope.spawn(|| {
                own_namespace();
                let options = Options { resolver, ..Options::default() };
                let service = Service::new("t", own, builtin::methods(&options).expect("methods"));
                let (near, far) = UnixStream::pair().expect("socket pair");
                thread::scope(|scope| {
                    scope.spawn(|| serve(far, &service, &Limits::default()).expect("serve"));
                    rounds(Client::new(near, "t"), &arena, &attack, calls)
                })
            });
            let result = inside.join();
            attack.stop();
            result.expect("no panic")
        })
    };
    thread::scope(|scope| scope.spawn(outer).join().expect("no panic"))
}

/// A mount namespace for the calling thread and those that it starts.
fn own_namespace() {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("unshare");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("make mounts private");
}

fn rounds(mut client: Client, arena: &Arena, attack: &Attack, calls: u32) -> Result<Tally, String> {
    let mut tally = Tally::default();
    while tally.calls < calls {
        arena.raise();
        let before = arena.look();
        let end = calls.min(tally.calls + ROUND);
        while tally.calls < end {
            // Requests that come together keep the server at work.
            let numbers = tally.calls..end.min(tally.calls + 25);
            let sent: Vec<u64> = numbers.clone().map(|number| send(&mut client, arena, number)).collect();
            for (number, sent) in numbers.zip(sent) {
                receive(&mut client, number, sent, &mut tally);
            }
        }
        attack.paused(|| arena.judge(&before))?;
    }
    tally.swaps = attack.swaps();
    Ok(tally)
}

/// Call `number`: in every place directories are made, and a bind and a new file system mounted.
fn send(client: &mut Client, arena: &Arena, number: u32) -> u64 {
    let place = arena::TARGETS.get(number as usize / 4 % (arena::TARGETS.len() + 1));
    let inner = |name: &str| place.map_or(arena::LAST.to_owned(), |place| format!("{place}/{name}"));
    if is_mkdir(number) {
        let path = inner(&format!("new{number}"));
        let args = MkdirArgs { root: arena.root().as_path().into(), path: path.as_str().into(), perm: 0o755 };
        return client.send("Mkdir", &args).expect("send");
    }
    let (source, filesystem, flags, data) = match number % 4 {
        1 => (arena.source(), "", MsFlags::MS_BIND | MsFlags::MS_REC, ""),
        _ => ("tmpfs".into(), "tmpfs", MsFlags::MS_NODEV, "size=4k"),
    };
    let args = MountArgs {
        root: arena.root().as_path().into(),
        source: source.as_path().into(),
        target: inner("m").as_str().into(),
        filesystem: filesystem.into(),
        flags: flags.bits(),
        data: data.into(),
    };
    client.send("Mount", &args).expect("send")
}

fn is_mkdir(number: u32) -> bool {
    number.is_multiple_of(2)
}

/// Counts the answer to call `number`.
fn receive(client: &mut Client, number: u32, sent: u64, tally: &mut Tally) {
    tally.calls += 1;
    if is_mkdir(number) {
        match client.receive::<i64>(sent) {
            Ok(_) => tally.made += 1,
            Err(error) => count(tally, &error.to_string()),
        }
    } else {
        let reply: MountErrorReply = client.receive(sent).expect("Mount");
        match reply.errno {
            0 => tally.mounted += 1,
            _ => count(tally, &reply.message.to_string()),
        }
    }
}

/// The reason is what follows the last colon.
fn count(tally: &mut Tally, message: &str) {
    let reason = message.rsplit(": ").next().unwrap_or_default();
    *tally.refused.entry(reason.to_owned()).or_default() += 1;
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: mounting needs root");
    }
    root
}

fn nothing_leaves(resolver: Resolver) {
    if !is_root() {
        return;
    }
    let tally = race(MethodSet::new(), resolver, calls()).unwrap_or_else(|outside| panic!("{resolver:?}: {outside}"));
    println!("{resolver:?}: {tally}");
    assert!(tally.made > 0 && tally.mounted > 0 && tally.swaps > 0, "{tally}");
    assert!(tally.refused.contains_key("path escapes from parent"), "{tally}");
}

#[test]
fn nothing_leaves_the_root_by_openat2() {
    nothing_leaves(Resolver::Kernel);
}

#[test]
fn nothing_leaves_the_root_by_the_walker() {
    nothing_leaves(Resolver::Walker);
}

/// The test's own test: methods that look at a path first and go by its name then are found out, each of them.
#[test]
fn methods_that_go_by_names_are_caught() {
    if !is_root() {
        return;
    }
    // What a careful but mistaken server does.
    fn checked(
        root: &pinion::gob::ByteString,
        path: &pinion::gob::ByteString,
    ) -> Result<std::path::PathBuf, CallbackError> {
        let whole = root.as_path().join(path.as_path());
        let parent = whole.parent().expect("parent").canonicalize()?;
        if !parent.starts_with(root.as_path()) {
            return Err("path escapes from parent".into());
        }
        Ok(whole)
    }
    let mkdir = MethodSet::new().method("Mkdir", |args: MkdirArgs| -> Result<i64, CallbackError> {
        std::fs::create_dir(checked(&args.root, &args.path)?)?;
        Ok(0)
    });
    let mount = MethodSet::new().method("Mount", |args: MountArgs| -> Result<MountErrorReply, CallbackError> {
        let flags = MsFlags::from_bits_retain(args.flags);
        let Ok(target) = checked(&args.root, &args.target) else {
            return Ok(MountErrorReply { errno: 18, message: "escapes".into(), ..Default::default() });
        };
        let done = mount(Some(args.source.as_path()), &target, Some(args.filesystem.as_path()), flags, None::<&str>);
        let errno = done.err().map_or(0, |errno| errno as u64);
        Ok(MountErrorReply { errno, message: "failed".into(), ..Default::default() })
    });
    for (name, method) in [("Mkdir", mkdir), ("Mount", mount)] {
        let outside = race(method, Resolver::Kernel, 1_000_000).expect_err(name);
        println!("{name} by name: {outside}");
    }
}
