// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mkdir: a directory beneath a root.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;
use rustix::process::umask;
use rustix::thread::CapabilitySet;

use super::{Builtin, Resolver};
use crate::error::{CallbackError, Error};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::rpc::beneath::{self, Want};

gob_struct! {
    /// The arguments of Mkdir.
    pub struct MkdirArgs as "MkdirArgs" {
        /// The root; empty is `/`.
        pub root: ByteString as "Root",
        /// The directory to make: a path under the root, or relative to it.
        pub path: ByteString as "Path",
        /// Permission bits, at most 0777: Go's `FileMode` has other meanings above.
        pub perm: u32 as "Perm" ("fs.FileMode"),
    }
}

/// Mkdir.
pub static METHOD: Builtin = Builtin {
    name: "Mkdir",
    raises: CapabilitySet::empty(),
    args: MkdirArgs::gob_type,
    secrets: &[],
    add: |set, builtin, options| {
        let resolver = options.resolver;
        builtin.answered_by(set, move |args| mkdir(args, resolver))
    },
};

/// The umask from before comes back when this is dropped.
pub(super) struct OpenUmask(Mode);

impl OpenUmask {
    /// Lets every permission bit through.
    pub(super) fn open() -> Self {
        OpenUmask(umask(Mode::empty()))
    }
}

impl Drop for OpenUmask {
    fn drop(&mut self) {
        umask(self.0);
    }
}

fn mkdir(args: MkdirArgs, resolver: Resolver) -> Result<i64, CallbackError> {
    let failed = |text: String| Error::invalid(format!("mkdir {}: {text}", args.path));
    let refused = |errno: Errno| failed(beneath::failure(errno)).with_errno(errno.raw_os_error());
    if args.path.is_empty() {
        return Err(refused(Errno::NOENT).into());
    }
    if args.perm > 0o777 {
        return Err(failed("unsupported file mode".to_owned()).into());
    }
    let root = beneath::open_root(args.root.as_path()).map_err(refused)?;
    let path = beneath::relative(args.root.as_path(), args.path.as_path());
    let (parent, name) = place(&root, &path, resolver).map_err(refused)?;
    let _open = OpenUmask::open();
    mkdirat(parent.as_ref().unwrap_or(&root), name, Mode::from_raw_mode(args.perm)).map_err(refused)?;
    Ok(0)
}

/// The parent directory, if it is not the root itself, and the last name.
fn place<'a>(root: &OwnedFd, path: &'a Path, resolver: Resolver) -> Result<(Option<OwnedFd>, &'a OsStr), Errno> {
    let Some(name) = path.file_name() else {
        // The root, or a path that ends with `..`: a directory if it is inside.
        beneath::open(root.as_fd(), path, Want::Directory, resolver)?;
        return Err(Errno::EXIST);
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            Some(beneath::open(root.as_fd(), parent, Want::Directory, resolver)?)
        }
        _ => None,
    };
    Ok((parent, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn directories_are_made_inside_the_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        symlink("..", root.join("out")).unwrap();
        symlink("/etc", root.join("abs")).unwrap();
        let make = |path: &[u8], perm| {
            let args = MkdirArgs { root: root.as_path().into(), path: path.to_vec().into(), perm };
            mkdir(args, Resolver::Kernel).map_err(|error| error.to_string())
        };
        assert_eq!(make(b"/new", 0o777), Ok(0));
        assert_eq!(fs::metadata(root.join("new")).unwrap().permissions().mode() & 0o7777, 0o777);
        assert_eq!(make(root.join("new/b").as_os_str().as_bytes(), 0o700), Ok(0));
        assert_eq!(make(b"bytes\xff", 0o700), Ok(0));
        assert!(root.join(OsStr::from_bytes(b"bytes\xff")).is_dir());
        let text = |path: &str| make(path.as_bytes(), 0o755).unwrap_err();
        assert_eq!(text("/new"), "mkdir /new: file exists");
        assert_eq!(text("/"), "mkdir /: file exists");
        assert_eq!(text("out/x"), "mkdir out/x: path escapes from parent");
        assert_eq!(text("abs/x"), "mkdir abs/x: path escapes from parent");
        assert_eq!(text("../x"), "mkdir ../x: path escapes from parent");
        assert_eq!(text("none/x"), "mkdir none/x: no such file or directory");
        assert_eq!(text(""), "mkdir : no such file or directory");
        assert_eq!(make(b"sticky", 0o1777).unwrap_err(), "mkdir sticky: unsupported file mode");
    }
}
