// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A plan for people, a tree of processes with their passports, and for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::config::names;
use crate::config::settings::IdMapping;
use crate::engine::contract::holdings::{self, Descriptor};
use crate::engine::contract::{Capabilities, Ids, MASTER_EFFECTIVE, SERVER_EFFECTIVE};
use crate::lifecycle::roles::Role;
use crate::plan::{Namespace, Plan, Process};

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "flow        {}{}", self.flow.words(), if self.join_only { "; joining only" } else { "" })?;
        let namespaces: Vec<String> = self.namespaces.iter().map(namespace).collect();
        writeln!(f, "namespaces  {}", if namespaces.is_empty() { "none".into() } else { namespaces.join(", ") })?;
        if self.creates_user_namespace() {
            writeln!(f, "user ids    {}", map(&self.uid_map))?;
            writeln!(f, "group ids   {}", map(&self.gid_map))?;
        }
        if let Some(propagation) = self.propagation {
            writeln!(f, "mounts      {}", propagation.word())?;
        }
        writeln!(f, "descriptors kept {:?}", self.descriptors.kept)?;
        let variables = holdings::environment(self.flow.is_setuid()).join(", ");
        writeln!(f, "environment message level, {variables}; emptied but for these")?;
        writeln!(
            f,
            "limits      handshake {} ms, container {}, stop {} ms",
            self.timeouts.handshake_ms,
            match self.timeouts.container_ms {
                0 => "none".into(),
                limit => format!("{limit} ms"),
            },
            self.timeouts.stop_ms
        )?;
        writeln!(f, "\nlauncher")?;
        self.branch(f, Role::Starter, "", true)?;
        writeln!(f, "\nprivileges")?;
        let sets = &self.container.capabilities;
        let configured = |set: &str| {
            let is = match set {
                "permitted" => sets.permitted,
                "inheritable" => sets.inheritable,
                "bounding" => sets.bounding,
                _ => sets.ambient,
            };
            if is == 0 { "none".to_owned() } else { names::capability_names(is).join(" ") }
        };
        for process in &self.processes {
            writeln!(f, "  {:<16} {}", process.role.word(), process.privileges.attributes(configured))?;
        }
        writeln!(f, "\ndescriptors")?;
        writeln!(f, "  {:<16} {}", "every process", in_words(&Descriptor::EVERYWHERE))?;
        for Open { role, descriptors } in self.open() {
            writeln!(f, "  {:<16} {}", role.word(), in_words(&descriptors))?;
        }
        writeln!(f, "\nmessages")?;
        for row in &self.messages {
            writeln!(f, "  {:>2}  {:<16} {} -> {}: {}", row.step, row.name, row.from, row.to, row.wire)?;
        }
        Ok(())
    }
}

/// What a process has open at its callback, beside what every process has.
#[derive(Serialize)]
pub struct Open {
    role: Role,
    descriptors: Vec<Descriptor>,
}

/// A plan for programs.
#[derive(Serialize)]
pub struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    open: Vec<Open>,
}

impl Plan {
    /// All there is to say of it, as JSON.
    pub fn document(&self) -> Document<'_> {
        Document { plan: self, open: self.open() }
    }

    fn open(&self) -> Vec<Open> {
        let of = |role| Descriptor::of(role, self.join_only).iter().copied().filter(|one| self.has(*one)).collect();
        self.processes.iter().map(|process| Open { role: process.role, descriptors: of(process.role) }).collect()
    }

    /// Whether a process on whose list it is has it in this run.
    fn has(&self, descriptor: Descriptor) -> bool {
        match descriptor {
            Descriptor::Kept => !self.descriptors.kept.is_empty() || self.descriptors.image.is_some(),
            Descriptor::PostStartSocket | Descriptor::PostStartPidfd => self.facts.post_start_host && !self.join_only,
            Descriptor::Journal | Descriptor::CleanupSockets | Descriptor::CleanupPidfds | Descriptor::SpareSocket => {
                self.facts.cleanup_host
            }
            Descriptor::InstanceSocket => self.instance,
            Descriptor::ServerSocket | Descriptor::ServerPidfd => !self.join_only,
            _ => true,
        }
    }

    /// One process, what it becomes, and its children. `trunk` stands before the branches of this level.
    fn branch(&self, f: &mut std::fmt::Formatter<'_>, role: Role, trunk: &str, last: bool) -> std::fmt::Result {
        let Some(process) = self.processes.iter().find(|process| process.role == role) else { return Ok(()) };
        let became = self.processes.iter().find(|process| process.earlier == Some(role));
        let (corner, below) = if last { ("└─", "   ") } else { ("├─", "│  ") };
        let width = 22usize.saturating_sub(trunk.chars().count());
        writeln!(f, "{trunk}{corner} {:<width$} {}", role.word(), self.passport(process))?;
        if let Some(became) = became {
            let word = format!("= {}", became.role.word());
            writeln!(f, "{trunk}{below}{word:<width$} {}", self.passport(became))?;
        }
        let is_parent = |parent: Role| parent == role || became.is_some_and(|became| parent == became.role);
        let is_child = |child: &&Process| child.earlier.is_none() && child.parent.is_some_and(is_parent);
        let mut children = self.processes.iter().filter(is_child).peekable();
        while let Some(child) = children.next() {
            self.branch(f, child.role, &format!("{trunk}{below}"), children.peek().is_none())?;
        }
        Ok(())
    }

    /// What a user id is where there is no number to say.
    fn no_mapped_uid(&self) -> &'static str {
        if self.creates_user_namespace() { "uid not mapped" } else { "mapped uid" }
    }

    fn passport(&self, process: &Process) -> String {
        let row = process.privileges;
        let mapped = |uid| format!("uid {uid} (mapped)");
        let ids = match row.ids {
            Ids::RealUser => format!("uid {}", self.facts.uid),
            Ids::RealUserSavedRoot => format!("uid {}, saved 0", self.facts.uid),
            Ids::RootForUser => format!("uid 0 for {}, whose the file accesses are", self.facts.uid),
            Ids::MappedUser => self.mapped_uid().map_or(self.no_mapped_uid().into(), mapped),
            Ids::MappedUserOrRoot if self.becomes_root().0 => "uid 0 of its user namespace".into(),
            Ids::MappedUserOrRoot => self.container_uid().map_or(self.no_mapped_uid().into(), mapped),
            Ids::Target => self.target_uid().map_or("target uid".into(), |uid| format!("uid {uid}")),
        };
        let capabilities = match row.capabilities {
            Capabilities::None => "no capabilities".into(),
            Capabilities::Callers => "the caller's capabilities".into(),
            Capabilities::FullInNamespace => "all capabilities of its user namespace".into(),
            Capabilities::Permitted => "no effective capabilities".into(),
            Capabilities::RootsButFiles => "root's capabilities but those about files".into(),
            Capabilities::Regain => names::capability_names(MASTER_EFFECTIVE).join(" "),
            Capabilities::Server => names::capability_names(SERVER_EFFECTIVE).join(" "),
            Capabilities::Configured => match names::capability_names(self.container.capabilities.effective) {
                names if names.is_empty() => "no capabilities".into(),
                names => names.join(" "),
            },
        };
        let mut passport = format!("{ids}, {capabilities}");
        if row.no_new_privs {
            passport.push_str(", no_new_privs");
        }
        if let Some(signal) = row.death_signal {
            // Writing to a string cannot fail.
            let _ = write!(passport, ", {} when its parent dies", signal.name());
            if row.death_signal_in_callback.is_none() {
                passport.push_str(" (not in its callback)");
            }
        }
        if !process.callbacks.is_empty() {
            let callbacks: Vec<&str> = process.callbacks.iter().map(|callback| callback.name()).collect();
            let _ = write!(passport, "; {}", callbacks.join(", "));
        }
        passport
    }
}

fn in_words(descriptors: &[Descriptor]) -> String {
    descriptors.iter().map(|descriptor| descriptor.words()).collect::<Vec<_>>().join(", ")
}

fn namespace(namespace: &Namespace) -> String {
    let kind = crate::namespaces::words(&[namespace.kind]);
    match &namespace.join {
        Some(path) => format!("{kind} joined from \"{path}\" by {}", namespace.by),
        None => format!("{kind} new by {}", namespace.by),
    }
}

fn map(lines: &[IdMapping]) -> String {
    let line =
        |line: &IdMapping| format!("{} is {} on the host ({} of them)", line.container_id, line.host_id, line.size);
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}
