// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The methods of Apptainer that SingularityCE has not, or with other arguments. Their paths are the process's own: none
//! is confined to a root. Errors have the texts of Go's `os` package, since the client knows them by nothing else.

pub mod access;
pub mod chown;
pub mod eval_relative;
pub mod mkdir;
pub mod mount;
pub mod read_dir;
pub mod readlink;
pub mod symlink;
pub mod umask;
pub mod unmount;
pub mod write_file;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use nix::mount::{MsFlags, mount as mount_directly};
    use nix::sched::{CloneFlags, unshare};
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

    use crate::gob::Limits;
    use crate::rpc::builtin::registered::{self, GoError};
    use crate::rpc::builtin::{APPTAINER, Options, methods};
    use crate::rpc::{Client, MethodSet, Service, serve};

    /// Serves a client in a thread that has its own mounts, may have every capability and has none in effect. Returns what
    /// is in effect afterwards.
    fn serve_lowered(server: UnixStream) -> CapabilitySet {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount_directly(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        let lowered = CapabilitySets { effective: CapabilitySet::empty(), ..capabilities(None).unwrap() };
        set_capabilities(None, lowered).unwrap();
        let service = Service::new("t", MethodSet::new(), methods(&Options::of(&APPTAINER)).unwrap());
        serve(server, &service, &Limits::default()).unwrap();
        capabilities(None).unwrap().effective
    }

    #[test]
    fn only_mounts_raise_capabilities() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: mounting needs root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(|| serve_lowered(far));
        let mut client = Client::new(near, "t").with_names(registered::names());
        let target = || dir.path().into();
        let tmpfs = mount::MountArgs { target: target(), filesystem: "tmpfs".into(), ..Default::default() };
        assert_eq!(client.call::<_, Option<GoError>>("Mount", &tmpfs).unwrap(), None);
        let unmount = unmount::UnmountArgs { target: target(), flags: 0 };
        assert_eq!(client.call::<_, Option<GoError>>("Unmount", &unmount).unwrap(), None);
        let missing = mount::MountArgs { target: Path::new("/none").into(), ..tmpfs };
        let failure = client.call::<_, Option<GoError>>("Mount", &missing).unwrap();
        assert_eq!(failure, Some(GoError::Errno(libc::ENOENT as u64)));
        let chown = chown::ChownArgs { name: target(), uid: 1, gid: 1 };
        let failure = client.call::<_, i64>("Chown", &chown).unwrap_err().to_string();
        assert!(failure.ends_with(": operation not permitted"), "{failure}");
        drop(client);
        assert_eq!(server.join().unwrap(), CapabilitySet::empty());
    }
}
