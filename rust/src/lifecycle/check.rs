// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privilege contract, enforced: before a callback is called the kernel is asked what the process really has.

use crate::engine::contract::{Callback, Capabilities, Ids, MASTER_EFFECTIVE};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::roles::Role;
use crate::plan::Plan;
use crate::privileges::Credentials;

/// Compares the kernel's answer with the row, before a callback is called, and returns it.
pub fn check(plan: &Plan, role: Role, callback: Callback) -> Result<Credentials> {
    let row = plan.privileges(role);
    let is = Credentials::read()?;
    let uid = match row.ids {
        Ids::RealUser => Some(plan.facts.uid),
        // No callback is called in such a process.
        Ids::RealUserSavedRoot | Ids::RootForUser => None,
        Ids::MappedUser => plan.mapped_uid(),
        Ids::MappedUserOrRoot => plan.container_uid(),
        Ids::Target => plan.target_uid(),
    };
    let capabilities = match row.capabilities {
        Capabilities::None => Some((0, 0)),
        Capabilities::Callers => Some((plan.facts.effective, plan.facts.permitted)),
        // Which bits the kernel knows is asked once, where they are applied.
        Capabilities::FullInNamespace => None,
        // No callback is called in such a process.
        Capabilities::Permitted | Capabilities::RootsButFiles | Capabilities::Server => None,
        Capabilities::Regain => Some((MASTER_EFFECTIVE & plan.facts.permitted, plan.facts.permitted)),
        Capabilities::Configured => {
            let mask = plan.facts.known_capabilities;
            Some((plan.container.capabilities.effective & mask, plan.container.capabilities.permitted & mask))
        }
    };
    if row.capabilities == Capabilities::Regain && is.has_put_root_aside() {
        return Ok(is);
    }
    if let Some(uid) = uid.filter(|uid| is.uid != [*uid; 3]) {
        return Err(mismatch(role, callback, "user ids", format!("{:?}", is.uid), format!("{:?}", [uid; 3])));
    }
    match capabilities {
        Some((effective, permitted)) if (is.effective, is.permitted) != (effective, permitted) => Err(mismatch(
            role,
            callback,
            "capabilities (effective, permitted)",
            format!("{:#x}, {:#x}", is.effective, is.permitted),
            format!("{effective:#x}, {permitted:#x}"),
        )),
        _ => Ok(is),
    }
}

fn mismatch(role: Role, callback: Callback, what: &str, is: String, wanted: String) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("call {} in {role}: the process's {what} are {is}, the contract says {wanted}", callback.name()),
    )
}
