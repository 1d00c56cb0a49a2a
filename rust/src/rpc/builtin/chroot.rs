// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chroot: the container's root directory, for the server and the container process alike.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{chdir, chroot, fchdir, pivot_root};
use rustix::thread::CapabilitySet;

use super::Builtin;
use crate::error::{CallbackError, Error, ErrorKind, Result, Tried};
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::policy;
use crate::trusted::Root;

gob_struct! {
    /// The arguments of Chroot.
    pub struct ChrootArgs as "ChrootArgs" {
        /// The new root; empty is the working directory.
        pub root: ByteString as "Root",
        /// `pivot`, `move` or `chroot`.
        pub method: ByteString as "Method",
    }
}

/// Chroot.
pub static METHOD: Builtin = Builtin {
    name: "Chroot",
    raises: CapabilitySet::SYS_ADMIN.union(CapabilitySet::SYS_CHROOT),
    args: ChrootArgs::gob_type,
    secrets: &[],
    add: |set, builtin, _| {
        let root = Root::present(policy::server().is_some());
        builtin.answered_by(set, move |args| change_root(args, &root))
    },
};

fn change_root(args: ChrootArgs, first: &Root) -> Result<i64, CallbackError> {
    // Descriptors lead back to the host's root, and with it would come back what is refused elsewhere.
    if policy::server().is_some() && !first.is_present()? {
        return Err(Error::new(ErrorKind::Refused, "change root: it is the container's already").into());
    }
    let root = if args.root.is_empty() { ".".into() } else { args.root.clone() };
    let enter = || chdir(root.as_path()).tried(|| format!("chdir {root}"));
    let done = match args.method.as_bytes() {
        b"pivot" => enter().and_then(|()| pivot()),
        b"move" => enter().and_then(|()| move_here()),
        b"chroot" => enter().and_then(|()| chroot(".").tried(|| "chroot")),
        _ => Err(Error::invalid(format!("unknown method {:?}", args.method))),
    };
    done.and_then(|()| chdir("/").tried(|| "chdir /"))
        .map_err(|error| error.during(format!("change root to {root}")))?;
    Ok(0)
}

/// Makes the working directory, a mount, the root of the mount namespace, and lets go of the old one. Slave first: the
/// detaching must not reach the mounts that it is a copy of.
fn pivot() -> Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let old = open("/", flags, Mode::empty()).tried(|| "open the old root")?;
    let new = open(".", flags, Mode::empty()).tried(|| "open the new root")?;
    pivot_root(".", ".").map_err(|errno| unfit("pivot_root", errno.raw_os_error()))?;
    // From here on the old root lies on the new one, and only its descriptor leads to it.
    fchdir(&old).tried(|| "chdir to the old root")?;
    let none = None::<&str>;
    mount(none, ".", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none).tried(|| "make the old root a slave")?;
    umount2(".", MntFlags::MNT_DETACH).tried(|| "detach the old root")?;
    fchdir(&new).tried(|| "chdir to the new root")
}

/// Moves the working directory, a mount, over the root. For where the root cannot be pivoted, as on a ramfs.
fn move_here() -> Result<()> {
    let none = None::<&str>;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none).map_err(|errno| unfit("move the mount to /", errno as i32))?;
    chroot(".").tried(|| "chroot")
}

/// Why a directory cannot take the root's place: the kernel has one errno or two for all that it asks of it.
fn unfit(what: &str, errno: i32) -> Error {
    let error = Error::system(what, errno);
    match errno {
        libc::EINVAL | libc::EBUSY => error.because(Error::invalid(
            "a new root has to be a mount point of its own, as after a bind onto itself, made by this user namespace, \
             and it, its parent and the present root must not be shared mounts",
        )),
        _ => error,
    }
}
