// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An attacker exchanges directories and files with links, at full speed, in the places that a start goes through. For
//! `PINION_RACE_SECONDS` (2).

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::common::USER;
use crate::host::{Bundle, Host, mode};

/// Fewer starts than this would prove nothing, however slow the machine is.
const STARTS: usize = 30;

/// A place, and what it is exchanged with.
struct Place(PathBuf, PathBuf);

impl Place {
    /// A path of the user's, exchanged with a link.
    fn new(path: PathBuf, target: &Path) -> Place {
        let link = path.with_file_name(format!("{}-link", path.file_name().expect("name").display()));
        symlink(target, &link).expect("link");
        lchown(&link, Some(USER), Some(USER)).expect("owner");
        Place(path, link)
    }

    fn exchange(&self) {
        renameat_with(CWD, &self.0, CWD, &self.1, RenameFlags::EXCHANGE).expect("exchange");
    }
}

/// What of the host must stay as it is: names, owners, modes and times of everything in a directory.
fn state(directory: &Path) -> Vec<String> {
    let mut found = vec![];
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let about = fs::symlink_metadata(&path).expect("state");
        found.push(format!(
            "{path:?} {} {:o} {} {}",
            about.uid(),
            about.mode(),
            about.mtime_nsec(),
            about.ctime_nsec()
        ));
        if about.is_dir() {
            left.extend(fs::read_dir(&path).expect("directory").map(|entry| entry.expect("entry").path()));
        }
    }
    found.sort();
    found
}

/// Everything of root's in a directory of the user's.
fn of_root(directory: &Path) -> Vec<String> {
    state(directory).into_iter().filter(|line| line.contains("\" 0 ")).collect()
}

/// Mounts and covered paths whose way leads through the places.
fn furnish(host: &Host, bundle: &mut Bundle, source: &Path) {
    for name in ["target", "dev", "masked"] {
        host.directory(&format!("user/bundle/rootfs/{name}"));
    }
    bundle.mount("/target/inner", "tmpfs", "tmpfs", &[]);
    bundle.mount("/target/file", "", "/etc/passwd", &["bind"]);
    bundle.mount("/source", "", source.to_str().expect("UTF-8"), &["rbind"]);
    bundle.document["linux"]["maskedPaths"] = json!(["/masked"]);
    bundle.document["linux"]["readonlyPaths"] = json!(["/target"]);
}

#[test]
fn exchanged_paths_lead_nowhere() {
    let Some(host) = Host::new() else { return };
    let Some(mut bundle) = host.bundle("user/bundle") else { return };
    let user = host.directory("user");
    let victim = host.path("victim");
    fs::create_dir_all(victim.join("inner")).expect("victim");
    fs::create_dir_all(host.path("closed/inner")).expect("closed");
    fs::write(host.path("closed/inner/file"), "secret").expect("file");
    mode(&host.path("closed"), 0o700);
    let source = host.directory("user/source");
    furnish(&host, &mut bundle, &source);
    let script = "cat /source/file /masked/file; exit 7";
    let command = host.words(&bundle, script);
    let records = host.directory("run/user/1000/pinion");
    mode(&records, 0o700);
    let inside = |name: &str| bundle.root(name);
    let places = [
        Place::new(inside("target"), &victim),
        Place::new(inside("dev"), &victim),
        Place::new(inside("masked"), &host.path("closed/inner")),
        Place::new(bundle.directory.join("rootfs"), &victim),
        Place::new(source, &host.path("closed/inner")),
        Place::new(bundle.directory.join("config.json"), Path::new("/etc/shadow")),
        Place::new(records.clone(), &victim),
        Place::new(bundle.directory.clone(), Path::new("/")),
    ];
    for line in state(&user) {
        let path = line.split('"').nth(1).expect("path");
        lchown(path, Some(USER), Some(USER)).expect("owner");
    }
    let before = (state(&victim), state(&host.path("closed")), state(&host.path("etc")));
    let seconds = std::env::var("PINION_RACE_SECONDS").ok().map_or(2, |text| text.parse().expect("seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut starts, mut worked) = (0, 0);
    while starts < STARTS || Instant::now() < until {
        let place = &places[starts % places.len()];
        let ended = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    place.exchange();
                }
            });
            let seen = match place.0 == records {
                true => host.pinion(&["start", "--setuid", &format!("race{starts}"), "--", "true"]),
                false => host.run(&command.iter().map(String::as_str).collect::<Vec<_>>()),
            };
            ended.store(true, Ordering::Relaxed);
            seen
        });
        if !place.1.is_symlink() {
            place.exchange();
        }
        assert!(!seen.stdout.contains("secret") && !seen.stderr.contains("secret"), "{:?}: {seen:?}", place.0);
        assert!([0, 7, 255].contains(&seen.code), "{:?}: {seen:?}", place.0);
        worked += usize::from(seen.code != 255);
        starts += 1;
    }
    println!("{starts} starts, of which {worked} worked");
    assert_eq!((state(&victim), state(&host.path("closed")), state(&host.path("etc"))), before);
    assert_eq!(
        [of_root(&user), of_root(&host.path("run/user/1000"))].concat(),
        Vec::<String>::new(),
        "made for the user"
    );
    assert!(worked > 0, "no start got through");
}
