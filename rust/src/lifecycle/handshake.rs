// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step 14, master's half: id maps, 'ready', the shared mount namespace.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::accounts::SubordinateIds;
use crate::config::Settings;
use crate::config::settings::NamespaceKind;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::lifecycle::child::Child;
use crate::lifecycle::container::MasterEnds;
use crate::lifecycle::messages::{FromContainer, Handshake};
use crate::lifecycle::{Start, Stop};
use crate::namespaces;
use crate::plan::{Facts, Flow, Plan};
use crate::privileges::setuid;

/// Leads the container process through its namespaces, its id maps being written. If that ends on the way, its own report
/// is the error; without one the starter ends with its status.
pub fn lead(start: &Start, plan: &Plan, child: &mut Child, ends: &MasterEnds) -> Result<(), Stop> {
    let limit = plan.timeouts.handshake();
    let led = ready(start, child, ends, limit).and_then(|()| {
        if plan.propagate_to_master { share_mounts(plan, child, ends).map_err(Stop::from) } else { Ok(()) }
    });
    explained(led, child, ends)
}

fn explained(led: Result<(), Stop>, child: &mut Child, ends: &MasterEnds) -> Result<(), Stop> {
    match led {
        Err(Stop::Failed { error, .. }) if error.kind() == ErrorKind::PeerDied => Err(reported(child, ends)?),
        led => led,
    }
}

/// What the container process said before it ended, or how it ended.
fn reported(child: &mut Child, ends: &MasterEnds) -> Result<Stop> {
    let status = child.wait()?;
    Ok(match ends.control.pending() {
        Some(FromContainer::Failed(report)) => Stop::from(Error::from(report)),
        _ => Stop::Ended(status),
    })
}

/// Writes the id maps of a new user namespace, says so, and in the hybrid flow without setuid joins it.
pub fn write_maps(plan: &Plan, settings: &Settings, child: &mut Child, ends: &MasterEnds) -> Result<(), Stop> {
    let written = maps(plan, settings, child, ends).map_err(Stop::from);
    explained(written, child, ends)
}

fn maps(plan: &Plan, settings: &Settings, child: &Child, ends: &MasterEnds) -> Result<()> {
    if !plan.creates_user_namespace() {
        return Ok(());
    }
    if plan.flow == Flow::SetuidHybrid {
        let Facts { uid, gid, .. } = plan.facts;
        let _root = setuid::raise()?;
        SubordinateIds::read(uid)?.permit(&settings.uid_mappings, &settings.gid_mappings, uid, gid)?;
        namespaces::user::write_maps(child, settings)?;
    } else {
        namespaces::user::write_maps(child, settings)?;
    }
    Handshake::MapsWritten.send(&ends.master)?;
    if plan.flow == Flow::Hybrid {
        namespaces::join(child, NamespaceKind::User, "of the container")?;
    }
    Ok(())
}

fn ready(start: &Start, child: &Child, ends: &MasterEnds, limit: Duration) -> Result<(), Stop> {
    let arrived = start.until(&[ends.master.as_fd(), child.as_fd()], Some(limit))?;
    match arrived.as_slice() {
        [false, false] => {
            let text = format!("wait for the container's namespaces: nothing came within {} ms", limit.as_millis());
            Err(Stop::from(Error::new(ErrorKind::Timeout, text)))
        }
        [true, _] => Handshake::NamespacesReady.take(&ends.master).map_err(Stop::from),
        _ => Err(Stop::from(Error::new(ErrorKind::PeerDied, "wait for the container's namespaces: its process ended"))),
    }
}

/// Joins the mount namespace that the container process made for both, keeping root and working directory.
fn share_mounts(plan: &Plan, child: &Child, ends: &MasterEnds) -> Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let here = open(".", flags, Mode::empty()).tried(|| "open the working directory")?;
    // The kernel asks for capabilities in master's own user namespace as well.
    let root = (plan.flow == Flow::SetuidHybrid).then(setuid::raise).transpose()?;
    namespaces::mount::join_with_same_root(child)?;
    drop(root);
    nix::unistd::fchdir(&here).tried(|| "go back to the working directory")?;
    Handshake::Joined.send(&ends.master)
}
