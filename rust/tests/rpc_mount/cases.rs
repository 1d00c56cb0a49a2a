// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The requests that are compared.

use std::path::{Path, PathBuf};

use libc::{
    MS_BIND, MS_DIRSYNC, MS_LAZYTIME, MS_MGC_VAL, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID,
    MS_NOSYMFOLLOW, MS_PRIVATE, MS_RDONLY, MS_REC, MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SILENT, MS_SLAVE,
    MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE,
};

/// mount(2)'s arguments; the target from the root on.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: String,
    pub target: &'static str,
    pub filesystem: &'static str,
    pub flags: u64,
    pub data: String,
}

/// What happens before the request.
pub enum Step {
    /// A mount(2) that succeeds.
    Mount(Request),
    /// Another working directory.
    Enter(PathBuf),
    /// A new folder in the root.
    Make(&'static str),
    /// A file in the root is open for writing.
    Write(&'static str),
}

/// A request and what comes before.
pub struct Case {
    pub name: String,
    pub before: Vec<Step>,
    pub request: Request,
}

impl Case {
    /// Whether the target is a file.
    pub fn on_file(&self) -> bool {
        self.request.target == "f"
    }
}

/// Cases in a world.
struct Table<'a> {
    world: &'a Path,
    cases: Vec<Case>,
}

impl Table<'_> {
    /// `@` in source and data is the world.
    fn request(&self, source: &str, target: &'static str, filesystem: &'static str, flags: u64, data: &str) -> Request {
        let world = self.world.to_str().expect("UTF-8");
        Request { source: source.replace('@', world), target, filesystem, flags, data: data.replace('@', world) }
    }

    fn add(&mut self, name: &str, before: Vec<Step>, request: Request) {
        self.cases.push(Case { name: name.to_owned(), before, request });
    }

    fn bind(&self, source: &str, target: &'static str) -> Step {
        Step::Mount(self.request(source, target, "", MS_BIND | MS_REC, ""))
    }

    fn make(&self, target: &'static str, propagation: u64) -> Step {
        Step::Mount(self.request("", target, "", propagation, ""))
    }

    fn tmpfs(&self, target: &'static str) -> Step {
        Step::Mount(self.request("tmpfs", target, "tmpfs", 0, "size=64k"))
    }
}

/// All cases.
pub fn all(world: &Path) -> Vec<Case> {
    let mut table = Table { world, cases: Vec::new() };
    binds(&mut table);
    remounts(&mut table);
    propagation(&mut table);
    moves(&mut table);
    file_systems(&mut table);
    table.cases
}

/// Requests that succeed without mount(2).
pub fn by_newer_calls(world: &Path) -> Vec<Case> {
    let mut table = Table { world, cases: Vec::new() };
    for (source, target, flags) in [
        ("@/src", "d", MS_BIND | MS_REC),
        ("@/src/f", "f", MS_BIND),
        ("@/src/sub", "d", MS_MOVE),
        ("", "mount", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_STRICTATIME),
        ("", "mount", MS_SHARED | MS_REC),
    ] {
        let request = table.request(source, target, "", flags, "");
        table.add(&format!("{source:?} on {target} with {flags:#x}"), Vec::new(), request);
    }
    table.cases
}

fn binds(table: &mut Table<'_>) {
    let sources = [
        "@/src",
        "@/src/",
        "@/src/f",
        "@/src/sub",
        "@/src/sub/g",
        "@/src/link",
        "@/src/abs/d",
        "@/none",
        "@/src/f/",
        "@/src/f/x",
        "",
        "src",
        "src/f",
        ".",
        "/",
        "@/locked",
        "@/root",
        "/proc/thread-self/ns/mnt",
        "/proc/self/ns/uts",
    ];
    for source in sources {
        for target in ["d", "f"] {
            for flags in [MS_BIND, MS_BIND | MS_REC] {
                let enter = Step::Enter(table.world.to_owned());
                let request = table.request(source, target, "", flags, "");
                table.add(&format!("bind {source:?} on {target} with {flags:#x}"), vec![enter], request);
            }
        }
    }
    // What mount(2) does not look at when it binds.
    for flags in [MS_RDONLY | MS_NOSUID, MS_PRIVATE, MS_MOVE, MS_MGC_VAL, 1 << 31, 1 << 40, MS_SILENT | MS_NOATIME] {
        let request = table.request("@/src", "d", "tmpfs", flags | MS_BIND, "size=1k");
        table.add(&format!("bind with {flags:#x}"), Vec::new(), request);
    }
    for (source, of_source, of_target) in [
        ("@/src", MS_PRIVATE, MS_SHARED),
        ("@/root/e", MS_SHARED, MS_PRIVATE),
        ("@/root/e", MS_SHARED, MS_SHARED),
        ("@/root/e", MS_SLAVE, MS_SHARED),
        ("@/root/e", MS_UNBINDABLE, MS_PRIVATE),
    ] {
        let mut before = vec![table.bind("@/src", "e"), table.make("e", of_source)];
        before.extend([table.bind("@/low", "d"), table.make("d", of_target)]);
        let request = table.request(source, "d", "", MS_BIND | MS_REC, "");
        table.add(&format!("bind {source} ({of_source:#x}) on a mount ({of_target:#x})"), before, request);
    }
    let sub_unbindable = vec![table.bind("@/src", "e"), table.make("e/sub", MS_UNBINDABLE)];
    let request = table.request("@/root/e", "d", "", MS_BIND | MS_REC, "");
    table.add("bind a tree with an unbindable mount", sub_unbindable, request);
    let request = table.request("@/src", "d", "", MS_BIND | MS_REC, "");
    table.add("bind on a mount", vec![table.bind("@/low", "d")], request);
}

fn remounts(table: &mut Table<'_>) {
    let access_times = [
        0,
        MS_NOATIME,
        MS_NODIRATIME,
        MS_RELATIME,
        MS_STRICTATIME,
        MS_NOATIME | MS_NODIRATIME,
        MS_RELATIME | MS_NODIRATIME,
        MS_NOATIME | MS_STRICTATIME,
        MS_NOATIME | MS_RELATIME,
    ];
    let others = [
        0,
        MS_RDONLY,
        MS_NOSUID | MS_NODEV,
        MS_NOEXEC | MS_NOSYMFOLLOW,
        MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
        MS_REC,
        MS_SYNCHRONOUS | MS_SILENT,
        MS_MGC_VAL,
    ];
    // A mount of a bind, of one that is locked for a user namespace, of its own with flags.
    for first in ["@/plain", "@/locked", "tmpfs"] {
        for flags in access_times.iter().flat_map(|times| others.map(|other| times | other)) {
            let remount = |flags| table.request("", "d", "", flags | MS_REMOUNT | MS_BIND, "");
            let before = match first {
                "tmpfs" => vec![table.tmpfs("d"), Step::Mount(remount(MS_NOSUID | MS_NOATIME | MS_NODIRATIME))],
                source => vec![table.bind(source, "d")],
            };
            let request = remount(flags);
            table.add(&format!("remount {first} with {flags:#x}"), before, request);
        }
    }
    let remount = MS_REMOUNT | MS_BIND;
    for (target, flags) in [("d", remount), ("f", remount | MS_RDONLY), ("none", remount), ("d", remount | 1 << 31)] {
        let request = table.request("", target, "", flags, "");
        table.add(&format!("remount {target}, which is no mount, with {flags:#x}"), Vec::new(), request);
    }
    let request = table.request("", "d", "", remount | MS_RDONLY, "");
    table.add("remount a mount that is written to", vec![table.bind("@/src", "d"), Step::Write("d/f")], request);
    for (flags, data) in [(MS_RDONLY, ""), (0, "size=1m"), (MS_NOSUID, ""), (0, "bogus"), (MS_NOATIME | MS_REC, "")] {
        let request = table.request("", "d", "", flags | MS_REMOUNT, data);
        table.add(&format!("remount a tmpfs with {flags:#x},{data:?}"), vec![table.tmpfs("d")], request);
    }
}

fn propagation(table: &mut Table<'_>) {
    let kinds = [MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE];
    for before in kinds {
        for after in kinds.iter().flat_map(|kind| [*kind, kind | MS_REC, kind | MS_REC | MS_SILENT]) {
            // A slave has a master only if another mount of the group is left.
            let steps =
                vec![table.bind("@/src", "e"), table.make("e", MS_SHARED | MS_REC), table.bind("@/root/e", "d")];
            let steps = steps.into_iter().chain([table.make("d", before)]).collect();
            let request = table.request("", "d", "", after, "");
            table.add(&format!("propagation from {before:#x} to {after:#x}"), steps, request);
        }
    }
    for flags in [MS_PRIVATE | MS_SHARED, MS_SLAVE | MS_RDONLY, MS_SHARED | MS_MOVE, MS_PRIVATE | MS_NOSUID] {
        let request = table.request("@/src", "d", "", flags, "");
        table.add(&format!("propagation {flags:#x}"), vec![table.bind("@/src", "d")], request);
    }
    for target in ["d", "f", "none"] {
        let request = table.request("", target, "", MS_PRIVATE, "");
        table.add(&format!("propagation of {target}, which is no mount"), Vec::new(), request);
    }
}

fn moves(table: &mut Table<'_>) {
    let sources = ["@/src/sub", "@/root/e", "@/root/e/sub", "@/src", "@/none", "", "root/e", "@/src/sub/g"];
    for source in sources {
        for target in ["d", "f", "e/sub", "e"] {
            let before = vec![table.bind("@/src", "e"), Step::Enter(table.world.to_owned())];
            let request = table.request(source, target, "", MS_MOVE, "");
            table.add(&format!("move {source:?} to {target}"), before, request);
        }
    }
    let before = vec![table.bind("@/low", "e"), table.make("e", MS_SHARED), table.tmpfs("e")];
    let request = table.request("@/root/e", "d", "", MS_MOVE, "");
    table.add("move from a shared mount", before, request);
    let before = vec![table.bind("@/low", "e"), table.bind("@/low", "d"), table.make("d", MS_SHARED)];
    let request = table.request("@/root/e", "d", "", MS_MOVE, "");
    table.add("move to a shared mount", before, request);
}

fn file_systems(table: &mut Table<'_>) {
    let kinds: [(&str, &str, u64, &str); 29] = [
        ("tmpfs", "tmpfs", 0, ""),
        ("", "tmpfs", 0, ""),
        ("a b", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=1777"),
        ("tmpfs", "tmpfs", MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME, "nr_inodes=10"),
        ("tmpfs", "tmpfs", MS_STRICTATIME | MS_NODIRATIME | MS_NOSYMFOLLOW, "mpol=local"),
        ("tmpfs", "tmpfs", MS_MGC_VAL | MS_SILENT | MS_REC, "uid=0,gid=0"),
        ("tmpfs", "tmpfs", 0, "size=big"),
        ("tmpfs", "tmpfs", 0, "bogus=1"),
        ("tmpfs", "tmpfs", 0, ",,"),
        ("tmpfs", "tmpfs", 1 << 31, ""),
        ("tmpfs", "tmpfs", 1 << 40, ""),
        ("tmpfs", "", 0, ""),
        ("tmpfs", "TMPFS", 0, ""),
        ("tmpfs", "tmpfs.sub", 0, ""),
        ("", "", 0, ""),
        ("x", "nosuchfs", 0, ""),
        ("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
        ("proc", "proc", 0, "hidepid=2"),
        ("sysfs", "sysfs", MS_RDONLY, ""),
        ("mqueue", "mqueue", 0, ""),
        ("devpts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"),
        ("cgroup2", "cgroup2", 0, ""),
        ("ramfs", "ramfs", 0, "mode=700"),
        ("overlay", "overlay", MS_RDONLY, "lowerdir=@/low:@/src"),
        ("overlay", "overlay", 0, "lowerdir=@/none,upperdir=@/low,workdir=@/src"),
        ("overlay", "overlay", 0, ""),
        ("@/src/f", "ext4", 0, ""),
        ("/dev/none", "squashfs", MS_RDONLY, ""),
        ("", "ext4", 0, ""),
    ];
    for (source, filesystem, flags, data) in kinds {
        for target in ["d", "f"] {
            let request = table.request(source, target, filesystem, flags, data);
            table.add(&format!("{filesystem:?} {source:?} {flags:#x} {data:?} on {target}"), Vec::new(), request);
        }
    }
    let layers = "lowerdir=@/low,upperdir=@/root/e/up,workdir=@/root/e/work";
    for flags in [0, MS_NOSUID | MS_NODEV, MS_RDONLY] {
        let before = vec![table.tmpfs("e"), Step::Make("e/up"), Step::Make("e/work")];
        let request = table.request("overlay", "d", "overlay", flags, layers);
        table.add(&format!("a whole overlay with {flags:#x}"), before, request);
    }
    let request = table.request("tmpfs", "d", "tmpfs", 0, "");
    table.add("a file system on a mount", vec![table.tmpfs("d")], request);
    let before = vec![table.bind("@/low", "e"), table.make("e", MS_SHARED), table.bind("@/root/e", "d")];
    let request = table.request("tmpfs", "d", "tmpfs", 0, "");
    table.add("a file system on a shared mount", before, request);
}
