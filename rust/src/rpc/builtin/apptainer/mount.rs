// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount: mount(2) on any path.

use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::mount::MsFlags;
use rustix::fs::{Mode, OFlags, open};
use rustix::thread::CapabilitySet;

use crate::error::errno_text;
use crate::gob::{ByteString, Typed};
use crate::gob_struct;
use crate::policy;
use crate::rpc::builtin::Builtin;
use crate::rpc::builtin::host::Host;
use crate::rpc::builtin::mount::{self, Failure};

gob_struct! {
    /// The arguments of Mount, as in mount(2).
    pub struct MountArgs as "MountArgs" {
        /// What to mount.
        pub source: ByteString as "Source",
        /// Where; symbolic links are followed.
        pub target: ByteString as "Target",
        /// The file system's type.
        pub filesystem: ByteString as "Filesystem",
        /// The flags.
        pub flags: u64 as "Mountflags" ("uintptr"),
        /// The file system's options, or empty.
        pub data: ByteString as "Data",
    }
}

/// Mount.
pub static METHOD: Builtin = Builtin {
    name: "Mount",
    raises: CapabilitySet::SYS_ADMIN,
    args: MountArgs::gob_type,
    secrets: &[],
    add: |set, builtin, options| {
        let host = OnceLock::new();
        mount::add(set, builtin, options, move |args: MountArgs| {
            let _raised = mount::raise_for(&args.filesystem)?;
            Ok(mount_anywhere(&args, host.get_or_init(Host::noted)).err())
        })
    },
};

fn mount_anywhere(args: &MountArgs, host: &Host) -> Result<(), Failure> {
    if policy::server().is_some() {
        return mount_judged(args, host);
    }
    let flags = MsFlags::from_bits_retain(args.flags as libc::c_ulong);
    // Some file systems refuse options that are there and empty.
    let data = (!args.data.is_empty()).then_some(args.data.as_bytes());
    let (source, target, filesystem) = (args.source.as_bytes(), args.target.as_bytes(), args.filesystem.as_bytes());
    nix::mount::mount(Some(source), target, Some(filesystem), flags, data).map_err(|errno| {
        let errno = errno as i32;
        Failure { text: format!("{}: {}", mount::what(&args.source, &args.target), errno_text(errno)), errno }
    })
}

/// As the policy lets it, on what the target is when it is opened.
fn mount_judged(args: &MountArgs, host: &Host) -> Result<(), Failure> {
    let target = open(args.target.as_path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
        let errno = errno.raw_os_error();
        Failure { text: format!("{}: {}", mount::what(&args.source, &args.target), errno_text(errno)), errno }
    })?;
    let MountArgs { source, target: name, filesystem, flags, data } = args.clone();
    let args = mount::MountArgs { root: "/".into(), source, target: name, filesystem, flags, data };
    mount::mount_onto(&args, target.as_fd(), host)
}
