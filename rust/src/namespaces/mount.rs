// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount namespaces: propagation of `/`, and the check that master still has the same root after joining one.

use std::os::fd::AsFd;

use nix::mount::{MsFlags, mount};
use nix::sys::stat::stat;

use crate::config::settings::{NamespaceKind, Propagation, PropagationKind};
use crate::error::{Error, Result, Tried};
use crate::namespaces;

impl Propagation {
    /// Private for the whole tree: the default of a namespace shared with master.
    pub const PRIVATE: Propagation = Propagation { kind: PropagationKind::Private, recursive: true };
    /// Shared for the whole tree.
    pub const SHARED: Propagation = Propagation { kind: PropagationKind::Shared, recursive: true };

    /// The word that the configuration uses: `rslave`, `private`, ….
    pub const fn word(self) -> &'static str {
        match (self.kind, self.recursive) {
            (PropagationKind::Shared, false) => "shared",
            (PropagationKind::Shared, true) => "rshared",
            (PropagationKind::Slave, false) => "slave",
            (PropagationKind::Slave, true) => "rslave",
            (PropagationKind::Private, false) => "private",
            (PropagationKind::Private, true) => "rprivate",
            (PropagationKind::Unbindable, false) => "unbindable",
            (PropagationKind::Unbindable, true) => "runbindable",
        }
    }

    fn flags(self) -> MsFlags {
        let kind = match self.kind {
            PropagationKind::Shared => MsFlags::MS_SHARED,
            PropagationKind::Slave => MsFlags::MS_SLAVE,
            PropagationKind::Private => MsFlags::MS_PRIVATE,
            PropagationKind::Unbindable => MsFlags::MS_UNBINDABLE,
        };
        if self.recursive { kind | MsFlags::MS_REC } else { kind }
    }
}

/// Sets the propagation of `/` in the caller's mount namespace.
pub fn set_propagation(propagation: Propagation) -> Result<()> {
    mount(None::<&str>, "/", None::<&str>, propagation.flags(), None::<&str>)
        .tried(|| format!("make \"/\" {} in the new mount namespace", propagation.word()))
}

/// Joins the mount namespace of another process through its pidfd and proves that `/` is still the same directory: in a
/// chroot it would not be, and everything that follows would happen in another tree.
pub fn join_with_same_root(pidfd: impl AsFd) -> Result<()> {
    let before = stat("/").tried(|| "look at \"/\"")?;
    namespaces::join(pidfd, NamespaceKind::Mount, "of the container")?;
    let after = stat("/").tried(|| "look at \"/\"")?;
    if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino) {
        return Err(Error::invalid("\"/\" is another directory after joining the container's mount namespace")
            .with_help(
                "this process runs in a weak chroot; start it outside, or in a mount namespace entered by pivot_root",
            ));
    }
    Ok(())
}
