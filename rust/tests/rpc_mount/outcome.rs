// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one request leads to, by mount(2) itself or through the server, in a mount namespace of its own.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use pinion::gob::Limits;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::{self, Options};
use pinion::rpc::{Client, MethodSet, Service, serve};

use crate::cases::{Case, Request, Step};

/// What the two ways must agree on.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// 0 for success.
    errno: i32,
    /// The lines of mountinfo, with numbers that stand for their first place in it.
    mounts: Vec<String>,
    /// The working directory.
    here: Option<PathBuf>,
    /// How unmounting ends: below the target, and at it.
    unmounted: [Result<(), Errno>; 2],
    /// The lines of mountinfo then.
    left: Vec<String>,
}

impl Outcome {
    pub fn failed(&self) -> bool {
        self.errno != 0
    }

    /// In words, with the mounts that another one has not.
    pub fn beside(&self, other: &Outcome) -> String {
        let own = |mine: &[String], theirs: &[String]| -> Vec<String> {
            mine.iter().filter(|line| !theirs.contains(line)).map(|line| format!("\n    {line}")).collect()
        };
        let Outcome { errno, here, unmounted, .. } = self;
        let (mounts, left) = (own(&self.mounts, &other.mounts).concat(), own(&self.left, &other.left).concat());
        format!("errno {errno}, in {here:?}, unmounted {unmounted:?}{mounts}\n  left{left}")
    }
}

/// Does what comes before in a case, and its request.
pub fn of(case: &Case, world: &Path, proc: bool, by_server: bool) -> Outcome {
    std::thread::scope(|scope| scope.spawn(|| run(case, &world.join("root"), proc, by_server)).join().expect("thread"))
}

fn run(case: &Case, root: &Path, proc: bool, by_server: bool) -> Outcome {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("unshare");
    let mut written = Vec::new();
    for step in &case.before {
        match step {
            Step::Mount(request) => {
                let result = by_mount(request, root);
                assert_eq!(result, Ok(()), "{}: {request:?}", case.name);
            }
            Step::Enter(folder) => std::env::set_current_dir(folder).expect("chdir"),
            Step::Make(folder) => std::fs::create_dir(root.join(folder)).expect("mkdir"),
            Step::Write(file) => written.push(File::create(root.join(file)).expect("write")),
        }
    }
    // They show the namespace in which they were opened.
    let [before, after] = [(); 2].map(|()| File::open("/proc/thread-self/mountinfo").expect("mountinfo"));
    if !proc {
        let none = None::<&str>;
        mount(Some("none"), "/proc", Some("tmpfs"), MsFlags::empty(), none).expect("hide proc");
    }
    let errno = match by_server {
        true => by_call(&case.request, root),
        false => by_mount(&case.request, root).err().map_or(0, |errno| errno as i32),
    };
    drop(written);
    let mounts = lines(before);
    let here = std::env::current_dir().ok();
    let target = root.join(case.request.target);
    let unmounted = [target.join("sub"), target].map(|place| umount2(&place, MntFlags::empty()));
    Outcome { errno, mounts, here, unmounted, left: lines(after) }
}

fn by_mount(request: &Request, root: &Path) -> nix::Result<()> {
    let data = (!request.data.is_empty()).then_some(request.data.as_str());
    let flags = MsFlags::from_bits_retain(request.flags);
    let source = CString::new(request.source.as_str()).expect("no NUL");
    mount(Some(&source[..]), &root.join(request.target), Some(request.filesystem), flags, data)
}

fn by_call(request: &Request, root: &Path) -> i32 {
    let (near, far) = UnixStream::pair().expect("socket pair");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let service = Service::new("t", MethodSet::new(), builtin::methods(&Options::default()).expect("methods"));
            serve(far, &service, &Limits::default()).expect("serve");
        });
        let args = MountArgs {
            root: root.into(),
            source: request.source.as_str().into(),
            target: root.join(request.target).as_path().into(),
            filesystem: request.filesystem.into(),
            flags: request.flags,
            data: request.data.as_str().into(),
        };
        let reply: MountErrorReply = Client::new(near, "t").call("Mount", &args).expect("call");
        let errno = i32::try_from(reply.errno).expect("errno");
        assert_eq!(reply.is_not_exist, errno == libc::ENOENT);
        assert_eq!(reply.is_permission, matches!(errno, libc::EPERM | libc::EACCES));
        assert_eq!(reply.message.is_empty(), errno == 0);
        errno
    })
}

/// mountinfo without the numbers that every namespace gives anew.
fn lines(mut file: File) -> Vec<String> {
    let mut text = String::new();
    file.read_to_string(&mut text).expect("mountinfo");
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut number = |kind: &str, text: &str| {
        let next = numbers.len();
        *numbers.entry(format!("{kind}{text}")).or_insert(next)
    };
    let lines = text.lines().map(|line| {
        let words = line.split(' ').enumerate().map(|(place, word)| match (place, word.split_once(':')) {
            (0 | 1, _) => number("mount", word).to_string(),
            (2, _) => number("device", word).to_string(),
            (_, Some((kind @ ("shared" | "master" | "propagate_from"), group))) => {
                format!("{kind}:{}", number("group", group))
            }
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect()
}
