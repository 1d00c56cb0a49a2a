// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A server that has answered for long has as many descriptors open and as much mounted as at first.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use pinion::rpc::Client;
use pinion::rpc::beneath::Resolver;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};

/// How often all requests are made: 10,000 calls.
const TIMES: usize = 1000;

/// Calls that succeed and that fail, each in every way.
pub fn stay(resolver: Resolver) {
    let folder = tempfile::tempdir().expect("folder");
    let run = || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("unshare");
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("make mounts private");
        mount(Some("root"), folder.path(), Some("tmpfs"), MsFlags::empty(), none).expect("mount");
        fs::create_dir_all(folder.path().join("a/b")).expect("mkdir");
        fs::write(folder.path().join("file"), "").expect("write");
        std::os::unix::fs::symlink("../..", folder.path().join("a/out")).expect("link");
        crate::served(resolver, |client| {
            once(client, folder.path());
            let before = held();
            (0..TIMES).for_each(|_| once(client, folder.path()));
            assert_eq!(held(), before);
            println!(
                "{resolver:?}: {} calls, then as before {} descriptors and {} mounts",
                TIMES * 10,
                before.0,
                before.1
            );
        });
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("no panic"));
}

/// How many descriptors are open in this process, and mounts are in this thread's namespace.
fn held() -> (usize, usize) {
    let descriptors = fs::read_dir("/proc/self/fd").expect("list").count();
    (descriptors, fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo").lines().count())
}

fn once(client: &mut Client, root: &Path) {
    let mut mkdir = |path, succeeds| assert_eq!(crate::mkdir(client, root, path).is_ok(), succeeds, "{path}");
    mkdir("a/b/new", true);
    mkdir("a/b/new", false);
    mkdir("a/out/new", false);
    mkdir("none/new", false);
    fs::remove_dir(root.join("a/b/new")).expect("rmdir");
    let source = root.to_str().expect("UTF-8");
    for (source, target, filesystem, flags, succeeds) in [
        (source, "a/b", "", MsFlags::MS_BIND, true),
        ("", "a/b", "", MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, true),
        // A tree that cannot be put where it should.
        (source, "file", "", MsFlags::MS_BIND | MsFlags::MS_REC, false),
        (source, "a/out/x", "", MsFlags::MS_BIND, false),
        ("tmpfs", "a", "tmpfs", MsFlags::empty(), true),
        ("tmpfs", "a", "nosuchfs", MsFlags::empty(), false),
    ] {
        let args = MountArgs {
            root: root.into(),
            source: source.into(),
            target: target.into(),
            filesystem: filesystem.into(),
            flags: flags.bits(),
            data: "".into(),
        };
        let reply: MountErrorReply = client.call("Mount", &args).expect("Mount");
        assert_eq!(reply.errno == 0, succeeds, "{target}: {}", reply.message);
    }
    for mounted in ["a", "a/b"] {
        umount2(&root.join(mounted), MntFlags::MNT_DETACH).expect("unmount");
    }
}
