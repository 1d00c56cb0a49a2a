// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The built-in Mount against mount(2) itself: the same requests in namespaces that are alike have to end with the same
//! errno, the same mounts and the same working directory: as root and in a user namespace, with and without proc, and
//! under filters that take the newer calls away. This program starts itself again under such conditions.

#[path = "rpc_mount/cases.rs"]
mod cases;
#[path = "rpc_mount/outcome.rs"]
mod outcome;
#[path = "rpc_mount/roots.rs"]
mod roots;
#[path = "common/under.rs"]
mod under;

use std::path::Path;
use std::process::Command;

use libc::{ENOSYS, ENOTBLK, EPERM, SYS_mount, SYS_mount_setattr, SYS_move_mount, SYS_open_tree, SYS_openat2};
use nix::mount::MsFlags;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

/// The mounts that a table starts from. Those of a user namespace's parent are locked in it.
const WORLD: &str = r#"
set -e
world=$1; shift
mount -t tmpfs world "$world"
cd "$world"
mkdir src src/d src/sub locked plain root root/d root/e root/mount low
mount -t tmpfs sub src/sub
mkdir src/sub/deep
echo f >src/f; echo g >src/sub/g; echo h >root/f
ln -s d src/link; ln -s "$world/src" src/abs
mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime,nodiratime locked locked
mount -t tmpfs -o mode=755 plain plain
mkdir plain/folder
mount -t tmpfs -o mode=755 mount root/mount
cd /
exec "$@"
"#;

const WITH_PROC: &str = "with proc";

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("table"), Some(world), proc) => compare(Path::new(&world), proc.as_deref() == Some(WITH_PROC)),
        (Some("newer"), Some(world), _) => newer_calls(Path::new(&world)),
        (Some("roots"), Some(world), _) => roots::change(Path::new(&world)),
        _ if !nix::unistd::geteuid().is_root() => println!("skipped: mounting needs root"),
        _ => all(),
    }
}

fn compare(world: &Path, proc: bool) {
    let filtered = open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLOEXEC).is_err()
        || move_mount(CWD, "", CWD, "", MoveMountFlags::empty()) != Err(Errno::NOENT);
    let cases = cases::all(world);
    let mut differences = 0;
    for case in &cases {
        let (kernel, server) = (outcome::of(case, world, proc, false), outcome::of(case, world, proc, true));
        // Without proc a file's descriptor has no name: the newer calls alone can mount on it, and have errnos of their own.
        let same = match proc || !case.on_file() {
            true => kernel == server,
            false => server.failed() && (kernel.failed() || filtered) || kernel == server,
        };
        if !same {
            differences += 1;
            println!("{}:\nmount(2): {}\nMount: {}", case.name, kernel.beside(&server), server.beside(&kernel));
        }
    }
    println!("{} cases, {differences} differences", cases.len());
    assert!(differences == 0);
}

/// mount(2) is taken away: binds, moves, attributes and propagation do without.
fn newer_calls(world: &Path) {
    assert_eq!(nix::mount::mount(Some(""), "/", Some(""), MsFlags::MS_BIND, None::<&str>), Err(nix::Error::ENOTBLK));
    for case in cases::by_newer_calls(world) {
        let outcome = outcome::of(&case, world, true, true);
        assert!(!outcome.failed(), "{}: {}", case.name, outcome.beside(&outcome));
    }
    println!("mount(2) is not needed");
}

/// This program, again, in a mount namespace of its own with a world.
fn again(words: &[&str], userns: bool, under: &Path, conditions: &[String]) -> Result<String, String> {
    let world = tempfile::tempdir().expect("folder");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", WORLD, "sh"]).arg(world.path());
    if userns {
        command.args(["unshare", "-U", "-r", "-m"]);
    }
    command.arg(under).args(conditions).arg("--").arg(std::env::current_exe().expect("own path"));
    let output = command.arg(words[0]).arg(world.path()).args(&words[1..]).output().expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(text + &String::from_utf8_lossy(&output.stderr)),
    }
}

/// Every table: who, with what taken away, with or without proc.
fn all() {
    let under = under::program();
    let newer = [SYS_open_tree, SYS_move_mount, SYS_mount_setattr, SYS_openat2];
    let filters: [(&str, Vec<String>); 6] = [
        ("no filter", Vec::new()),
        ("no newer call (ENOSYS)", under::denied(&newer, ENOSYS)),
        ("no newer call (EPERM)", under::denied(&newer, EPERM)),
        ("no open_tree", under::denied(&[SYS_open_tree], EPERM)),
        ("no move_mount", under::denied(&[SYS_move_mount], ENOSYS)),
        ("no mount_setattr", under::denied(&[SYS_mount_setattr], ENOSYS)),
    ];
    let mut failed = Vec::new();
    let mut told = |name: String, result: Result<String, String>| {
        let (Ok(text) | Err(text)) = &result;
        println!("{name}: {}", text.lines().last().unwrap_or_default());
        failed.extend(result.err().map(|text| format!("{name}:\n{text}")));
    };
    told("no mount".into(), again(&["newer"], false, &under, &under::denied(&[SYS_mount], ENOTBLK)));
    for (who, userns) in [("root", false), ("user namespace", true)] {
        told(format!("{who}, roots"), again(&["roots"], userns, &under, &[]));
    }
    for (place, (filter, conditions)) in filters.iter().enumerate() {
        for (who, userns) in [("root", false), ("user namespace", true)] {
            for proc in [WITH_PROC, "without proc"] {
                // The first two in every combination.
                if place < 2 || !userns && proc == WITH_PROC {
                    told(format!("{who}, {filter}, {proc}"), again(&["table", proc], userns, &under, conditions));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
