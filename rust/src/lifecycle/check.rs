// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The privilege contract, enforced: before a callback is called the kernel is asked what the process really has.

use crate::config::settings::CapabilitySets;
use crate::engine::contract::holdings::DeathSignal;
use crate::engine::contract::{Callback, Capabilities, Dumpable, Ids, Privileges, Securebits, Set};
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys::environ;
use crate::lifecycle::child::has_armed_death_signal;
use crate::lifecycle::roles::Role;
use crate::plan::{Flow, Plan};
use crate::privileges::posture::{KEEP_CAPS, Posture, bounding_among, number_of};

/// Whether what a process has is looked at before and after each callback. Only `make bench-start` has a starter that leaves it out.
pub const ENFORCED: bool = !cfg!(feature = "_unenforced");

/// Compares the kernel's answer with the row, before a callback is called, and returns it.
///
/// Two values are not asked for everywhere. The bounding set takes a system call for each capability; no process can add to
/// it, so that it is looked at where a program is about to be executed with it. The parent-death signal belongs to a thread:
/// it is looked at where the callback is called in the one that has asked for it.
pub fn check(plan: &Plan, role: Role, callback: Callback) -> Result<Posture> {
    if !ENFORCED {
        return Ok(Posture::default());
    }
    let (row, is) = (plan.privileges(role), Posture::read()?);
    let mut differs = Differs(Vec::new());
    // An engine of the setuid flow may have got root back and put it aside.
    let put_aside = row.capabilities == Capabilities::Regain && is.credentials.has_put_root_aside();
    let uid = if put_aside { None } else { wanted_uid(plan, row.ids) };
    differs.look_ids("user ids", uid, is.credentials.uid);
    for (name, wanted, is) in capabilities(plan, &row, &is, put_aside) {
        differs.look(&format!("{name} capabilities"), wanted, is, hexadecimal);
    }
    if role == Role::Stage2 {
        let wanted = plan.container.capabilities.bounding;
        let beyond = bounding_among(plan.facts.known_capabilities & !wanted)?;
        differs.look("bounding capabilities beyond the configured ones", Some(0), beyond, hexadecimal);
    }
    let came = &plan.facts.attributes;
    let no_new_privs = Some(came.no_new_privs || row.no_new_privs);
    differs.look("no_new_privs", no_new_privs.map(u64::from), is.attributes.no_new_privs.into(), truth);
    let securebits = match row.securebits {
        Securebits::None if may_have_stayed(plan, &row) => None,
        Securebits::None => Some(0),
        Securebits::Callers => Some(came.securebits),
        Securebits::KeepCaps => Some(came.securebits | KEEP_CAPS),
    };
    differs.look("securebits", securebits.map(u64::from), is.attributes.securebits.into(), hexadecimal);
    let dumpable = wanted_dumpable(plan, &row).map(u64::from);
    differs.look("dumpable attribute", dumpable, is.attributes.dumpable.into(), truth);
    differs.look_around(role, &is);
    differs.none_in(callback, role).map(|()| is)
}

/// Before a callback of a process on the host, which has no plan: its user's ids for good and, unless that is root, no
/// capability in any set.
pub fn check_on_host(callback: Callback) -> Result<Posture> {
    if !ENFORCED {
        return Ok(Posture::default());
    }
    let role = crate::trace::role();
    let is = Posture::read()?;
    let [uid, ..] = is.credentials.uid;
    let mut differs = Differs(Vec::new());
    differs.look_ids("user ids", Some(uid), is.credentials.uid);
    differs.look_ids("group ids", Some(is.credentials.gid[0]), is.credentials.gid);
    if uid != 0 {
        for (name, is) in sets(&is) {
            differs.look(&format!("{name} capabilities"), Some(0), is, hexadecimal);
        }
    }
    differs.look_around(role, &is);
    differs.none_in(callback, role).map(|()| is)
}

fn sets(is: &Posture) -> [(&'static str, u64); 4] {
    let credentials = &is.credentials;
    [
        ("effective", credentials.effective),
        ("permitted", credentials.permitted),
        ("inheritable", credentials.inheritable),
        ("ambient", is.attributes.ambient),
    ]
}

fn wanted_uid(plan: &Plan, ids: Ids) -> Option<u32> {
    match ids {
        Ids::RealUser => Some(plan.facts.uid),
        // No callback is called in such a process.
        Ids::RealUserSavedRoot | Ids::RootForUser => None,
        Ids::MappedUser => plan.mapped_uid(),
        Ids::MappedUserOrRoot => plan.container_uid(),
        Ids::Target => plan.target_uid(),
    }
}

/// Each set by name: what it is to be, if that is known, and what it is.
fn capabilities(plan: &Plan, row: &Privileges, is: &Posture, put_aside: bool) -> Vec<(&'static str, Option<u64>, u64)> {
    let (facts, configured, sets_of) = (&plan.facts, &plan.container.capabilities, row.sets);
    let value = |set: Set, callers: u64, configured: fn(&CapabilitySets) -> u64, all: &CapabilitySets| match set {
        _ if may_have_stayed(plan, row) => None,
        Set::None => Some(0),
        Set::Callers => Some(callers),
        Set::SetuidProgram => Some(facts.permitted),
        // No callback is called in such a process.
        Set::SetuidProgramButFiles => None,
        Set::Full => Some(facts.known_capabilities),
        Set::Only(bits) => Some(bits & facts.permitted),
        Set::Configured => Some(configured(all) & facts.known_capabilities),
    };
    let effective = if put_aside { Set::None } else { sets_of.effective };
    let wanted = [
        value(effective, facts.effective, |sets| sets.effective, configured),
        value(sets_of.permitted, facts.permitted, |sets| sets.permitted, configured),
        value(sets_of.inheritable, facts.inheritable, |sets| sets.inheritable, configured),
        value(sets_of.ambient, facts.attributes.ambient, |sets| sets.ambient, configured),
    ];
    sets(is).into_iter().zip(wanted).map(|((name, is), wanted)| (name, wanted, is)).collect()
}

/// Whether the user namespace that the process has joined may be the one in which it was, so that it has what it had.
fn may_have_stayed(plan: &Plan, row: &Privileges) -> bool {
    plan.flow == Flow::JoinUserNamespace && row.capabilities == Capabilities::FullInNamespace
}

/// `None` where it hangs on whether the process has changed its ids.
fn wanted_dumpable(plan: &Plan, row: &Privileges) -> Option<bool> {
    let takes_ids = plan.container.uid.is_some() || !plan.container.gids.is_empty();
    let came = plan.facts.attributes.dumpable;
    match row.dumpable {
        Dumpable::AsCalledUnlessTarget | Dumpable::OpenedUnlessTarget if takes_ids => None,
        Dumpable::AsCalled | Dumpable::AsCalledUnlessTarget => Some(came),
        Dumpable::Hidden => Some(false),
        Dumpable::OpenedUnlessTarget => Some(true),
    }
}

fn hexadecimal(set: u64) -> String {
    format!("{set:#x}")
}

fn truth(flag: u64) -> String {
    (flag != 0).to_string()
}

/// Everything that is not as it should be.
struct Differs(Vec<String>);

impl Differs {
    fn look(&mut self, what: &str, wanted: Option<u64>, is: u64, show: fn(u64) -> String) {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
            self.note(what, &show(is), &show(wanted));
        }
    }

    fn look_ids(&mut self, what: &str, wanted: Option<u32>, is: [u32; 3]) {
        if let Some(wanted) = wanted.filter(|wanted| is != [*wanted; 3]) {
            self.note(what, &format!("{is:?}"), &format!("{:?}", [wanted; 3]));
        }
    }

    /// What every process has to have kept since it was made, whatever its flow.
    fn look_around(&mut self, role: Role, is: &Posture) {
        let wanted = number_of(DeathSignal::in_callback(role).map(DeathSignal::signal));
        let wanted = has_armed_death_signal().then_some(wanted.into());
        self.look("parent-death signal", wanted, number_of(is.death_signal).into(), |number| number.to_string());
        if let Some((beyond, kept)) = environ::beyond_kept() {
            self.note("variables in its environment", beyond.trim_end(), &kept);
        }
    }

    fn note(&mut self, what: &str, is: &str, wanted: &str) {
        self.0.push(format!("{what}: {is}, the contract says {wanted}"));
    }

    fn none_in(self, callback: Callback, role: Role) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let text = format!("call {} in {role}: the process has other {}", callback.name(), self.0.join("; "));
        Err(Error::new(ErrorKind::Refused, text))
    }
}
