// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the probe saw, without what differs from run to run. Everything that is normalised is normalised here, and says why.

use std::collections::BTreeMap;
use std::path::Path;

/// By section: lines. Their order means nothing, but for a mount's place among those of the same mount point.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Them.
    pub sections: BTreeMap<String, Vec<String>>,
}

impl Seen {
    /// Reads what the probe printed.
    pub fn read(text: &str, bundle: &Path) -> Self {
        // Each runtime gets a bundle of its own, so the directory's name differs: a host source path.
        let text = text.replace(bundle.to_str().expect("UTF-8"), "BUNDLE");
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut section = String::new();
        for line in text.lines() {
            match line.strip_prefix("== ") {
                Some(name) => {
                    section = name.to_owned();
                    sections.entry(section.clone()).or_default();
                }
                None => sections.entry(section.clone()).or_default().push(line.to_owned()),
            }
        }
        for (name, lines) in &mut sections {
            match name.as_str() {
                "mounts" => *lines = mounts(lines),
                "namespaces" => lines.iter_mut().for_each(|line| *line = namespace(line)),
                "descriptors" => lines.iter_mut().for_each(|line| *line = descriptor(line)),
                _ => {}
            }
        }
        Seen { sections }
    }

    /// Whether the probe came to its end.
    pub fn is_whole(&self) -> bool {
        self.sections.contains_key("end")
    }

    /// The lines of each section that only this one or only the other one has.
    pub fn differences(&self, other: &Seen) -> Vec<(String, Vec<String>, Vec<String>)> {
        let names = self.sections.keys().chain(other.sections.keys().filter(|name| !self.sections.contains_key(*name)));
        let lines = |seen: &Seen, name: &str| seen.sections.get(name).cloned().unwrap_or_default();
        let difference = |name: &String| {
            let (mut ours, mut theirs) = (lines(self, name), lines(other, name));
            ours.retain(|line| match theirs.iter().position(|other| other == line) {
                Some(at) => {
                    theirs.remove(at);
                    false
                }
                None => true,
            });
            (name.clone(), ours, theirs)
        };
        names.map(difference).filter(|(_, ours, theirs)| !ours.is_empty() || !theirs.is_empty()).collect()
    }
}

/// A line of mountinfo (proc_pid_mountinfo(5)): `id parent device root point options fields... - type source options`.
struct Mount<'a> {
    id: &'a str,
    parent: &'a str,
    root: &'a str,
    point: &'a str,
    options: &'a str,
    fields: Vec<&'a str>,
    kind: &'a str,
    source: &'a str,
    filesystem: &'a str,
}

fn parse(line: &str) -> Option<Mount<'_>> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut words = mount.split(' ');
    let (id, parent, _device) = (words.next()?, words.next()?, words.next()?);
    let (root, point, options) = (words.next()?, words.next()?, words.next()?);
    let mut last = filesystem.splitn(3, ' ');
    let (kind, source, filesystem) = (last.next()?, last.next()?, last.next()?);
    Some(Mount { id, parent, root, point, options, fields: words.collect(), kind, source, filesystem })
}

/// - Mount ids are the kernel's running numbers: the parent is named by its mount point instead.
/// - Device numbers of file systems without a device are running numbers as well.
/// - Numbers of peer groups are running numbers; that there is one, as peer or as slave, stays.
/// - Options are a set: their order is the kernel's, and for a file system's own that of the calls which made it.
/// - Which of several mounts of one point is topmost matters and is counted; where in the list it stands does not.
fn mounts(lines: &[String]) -> Vec<String> {
    let mounts: Vec<Mount<'_>> = lines.iter().filter_map(|line| parse(line)).collect();
    let parent =
        |mount: &Mount<'_>| mounts.iter().find(|other| other.id == mount.parent).map_or("-", |other| other.point);
    let sorted = |options: &str| {
        let mut words: Vec<&str> = options.split(',').collect();
        words.sort_unstable();
        words.join(",")
    };
    let mut layers: BTreeMap<&str, usize> = BTreeMap::new();
    let normalised = mounts.iter().map(|mount| {
        let layer = layers.entry(mount.point).or_default();
        *layer += 1;
        let fields: Vec<&str> =
            mount.fields.iter().map(|field| field.split_once(':').map_or(*field, |(word, _)| word)).collect();
        format!(
            "{} (layer {layer}, on {}) {} [{}] {} {} {} {}",
            mount.point,
            parent(mount),
            sorted(mount.options),
            fields.join(" "),
            mount.kind,
            mount.source,
            mount.root,
            sorted(mount.filesystem),
        )
    });
    normalised.collect()
}

/// The number of a new namespace is a running number: what counts is whether it is the caller's.
fn namespace(line: &str) -> String {
    let kind = line.split(':').next().unwrap_or_default();
    let hosts = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("namespace");
    format!("{kind} {}", if hosts.as_os_str() == line { "of the host" } else { "of its own" })
}

/// The number of a pipe or socket is a running number.
fn descriptor(line: &str) -> String {
    line.split_once(":[").map_or(line, |(kind, _)| kind).to_owned()
}
