// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths inside a root: both resolvers against Go's own os.Root, the built-in methods under a filter that takes openat2
//! away, and what is left open after many calls. This program starts itself again under the filter.

#[path = "rpc_beneath/descriptors.rs"]
mod descriptors;
#[path = "rpc_beneath/go.rs"]
mod go;
#[path = "rpc_beneath/tree.rs"]
mod tree;
#[path = "common/under.rs"]
mod under;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use libc::{EAGAIN, ENOSYS, EPERM, SYS_openat2};
use nix::mount::MsFlags;
use pinion::gob::Limits;
use pinion::rpc::beneath::{self, Resolver, Want};
use pinion::rpc::builtin::mkdir::MkdirArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::{self, Options};
use pinion::rpc::{Client, MethodSet, Service, serve};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use tree::Tree;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("calls"), Some(root)) => calls(Path::new(&root)),
        _ => {
            go::compare(Resolver::Kernel);
            go::compare(Resolver::Walker);
            if nix::unistd::geteuid().is_root() {
                without_openat2();
                descriptors::stay(Resolver::Kernel);
                descriptors::stay(Resolver::Walker);
            } else {
                println!("skipped: mounting needs root");
            }
        }
    }
}

/// Which file a path leads to, in the words of the Go program, or why to none.
fn open(root: &Path, path: &str, resolver: Resolver) -> Result<String, String> {
    let root = beneath::open_root(root).expect("root");
    let found = beneath::open(root.as_fd(), Path::new(path), Want::Anything, resolver).map_err(beneath::failure)?;
    let about = rustix::fs::fstat(found).expect("stat");
    Ok(format!("ok {} {}", about.st_dev, about.st_ino))
}

/// A client of a server in a thread. Both share namespaces and working directory with the caller.
fn served<T>(resolver: Resolver, calls: impl FnOnce(&mut Client) -> T) -> T {
    let (near, far) = UnixStream::pair().expect("socket pair");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let options = Options { resolver, ..Options::default() };
            let service = Service::new("t", MethodSet::new(), builtin::methods(&options).expect("methods"));
            serve(far, &service, &Limits::default()).expect("serve");
        });
        calls(&mut Client::new(near, "t"))
    })
}

fn mkdir(client: &mut Client, root: &Path, path: &str) -> Result<(), String> {
    let args = MkdirArgs { root: root.into(), path: path.into(), perm: 0o755 };
    client.call::<_, i64>("Mkdir", &args).map(|_| ()).map_err(|error| error.to_string())
}

/// The same calls with openat2, without it, where it is refused, and where others always disturb it: the same answers.
fn without_openat2() {
    let under = under::program();
    let tree = Tree::new();
    let answers = |conditions: &[String]| {
        let mut again = Command::new("unshare");
        again.arg("-m").arg(&under).args(conditions).arg("--").arg(std::env::current_exe().expect("own path"));
        let output = again.arg("calls").arg(tree.root()).output().expect("unshare");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let (resolver, answers) = text.split_once('\n').expect("lines");
        (resolver.to_owned(), answers.to_owned())
    };
    let (resolver, with) = answers(&[]);
    assert_eq!(resolver, "openat2: Ok(())");
    for (errno, name) in [(ENOSYS, "ENOSYS"), (EPERM, "EPERM"), (EAGAIN, "EAGAIN")] {
        let (resolver, without) = answers(&under::denied(&[SYS_openat2], errno));
        // So it was the walker.
        assert_eq!(resolver, format!("openat2: Err({name})"));
        for (with, without) in with.lines().zip(without.lines()) {
            assert_eq!(without, with);
        }
        assert_eq!(without.lines().count(), with.lines().count());
    }
    let made = with.lines().filter(|line| line.ends_with("made")).count();
    let mounted = with.lines().filter(|line| line.ends_with("mounted")).count();
    println!("with and without openat2: {} calls, {made} directories, {mounted} mounts", with.lines().count());
    assert!(made > 50 && mounted > 10);
}

/// Prints whether there is openat2, and the answers of calls with all paths.
fn calls(root: &Path) {
    let how = openat2(CWD, ".", OFlags::PATH, Mode::empty(), ResolveFlags::empty());
    println!("openat2: {:?}", how.map(|_| ()).map_err(|errno| nix::Error::from_raw(errno.raw_os_error())));
    let known = tree::folders(root);
    served(Resolver::Kernel, |client| {
        for path in tree::paths(400) {
            let made = mkdir(client, root, &path);
            let new = tree::take_new(root, &known);
            println!("{path:?} {new:?} {}", made.err().unwrap_or("made".to_owned()));
            let args = MountArgs {
                root: root.into(),
                source: "tmpfs".into(),
                target: path.as_str().into(),
                filesystem: "tmpfs".into(),
                flags: MsFlags::MS_NODEV.bits(),
                data: "size=4k".into(),
            };
            let reply: MountErrorReply = client.call("Mount", &args).expect("Mount");
            println!("{path:?} {} {}", reply.message, if reply.errno == 0 { "mounted" } else { "" });
            tree::unmount_all(root);
        }
    });
}
