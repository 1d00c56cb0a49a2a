// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chroot, as root and in a user namespace: each method changes the root, and says what it needs where it cannot.

use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use pinion::gob::Limits;
use pinion::rpc::builtin::chroot::ChrootArgs;
use pinion::rpc::builtin::mount::{MountArgs, MountErrorReply};
use pinion::rpc::builtin::{self, Options};
use pinion::rpc::{Client, MethodSet, Service, serve};

/// Every method on a mount, and on a directory that is none.
pub fn change(world: &Path) {
    for method in ["pivot", "move", "chroot"] {
        apart(|client| {
            bind(client, &world.join("src"), &world.join("root"));
            let root = world.join("root");
            let change = ChrootArgs { root: root.as_path().into(), method: method.into() };
            assert_eq!(client.call::<_, i64>("Chroot", &change).expect(method), 0);
            let names = std::fs::read_dir("/").expect("list").map(|entry| entry.expect("entry").file_name());
            assert_eq!(names.filter(|name| name == "f" || name == "sub").count(), 2, "{method}");
            assert!(!Path::new("/proc").exists() && Path::new("/sub/deep").exists());
            assert_eq!(std::env::current_dir().expect("here"), Path::new("/"));
            // It is the root that the next one sees.
            bind(client, Path::new("/sub"), Path::new("/d"));
            assert!(Path::new("/d/deep").exists());
        });
    }
    for (method, reason) in [("pivot", "pivot_root: "), ("move", "move the mount to /: invalid argument")] {
        for folder in ["root", "plain/folder"] {
            let error = apart(|client| {
                let change = ChrootArgs { root: world.join(folder).as_path().into(), method: method.into() };
                client.call::<_, i64>("Chroot", &change).expect_err(method).to_string()
            });
            let wanted = format!("change root to {}: {reason}", world.join(folder).display());
            assert!(error.starts_with(&wanted) && error.contains("a mount point of its own"), "{error}");
        }
    }
    println!("3 methods on a mount, 2 on a directory");
}

fn bind(client: &mut Client, source: &Path, target: &Path) {
    let flags = libc::MS_BIND | libc::MS_REC;
    let args = MountArgs { source: source.into(), target: target.into(), flags, ..MountArgs::default() };
    let reply: MountErrorReply = client.call("Mount", &args).expect("Mount");
    assert_eq!(reply.errno, 0, "{}", reply.message);
}

/// Calls to a server with mounts, root and working directory of its own, which the caller shares.
fn apart<T: Send>(calls: impl FnOnce(&mut Client) -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("unshare");
            let (near, far) = UnixStream::pair().expect("socket pair");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let methods = builtin::methods(&Options::default()).expect("methods");
                    serve(far, &Service::new("t", MethodSet::new(), methods), &Limits::default()).expect("serve");
                });
                calls(&mut Client::new(near, "t"))
            })
        });
        run.join().expect("no panic")
    })
}
