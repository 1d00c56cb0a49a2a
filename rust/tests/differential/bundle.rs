// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles with a busybox root: what `runc spec` and `runc spec --rootless` write, as a start for each case to change.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;

/// Where Debian's busybox-static has it.
pub const BUSYBOX: &str = "/bin/busybox";

const PROBE: &str = include_str!("probe.sh");
const TOOLS: &[&str] =
    &["sh", "cat", "find", "grep", "head", "hostname", "id", "ip", "readlink", "rm", "sed", "stat", "tr", "wc"];

/// Who starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Real root.
    Root,
    /// An ordinary user, in a user namespace of its own.
    User,
}

impl Who {
    /// In words, for messages.
    pub const fn word(self) -> &'static str {
        match self {
            Who::Root => "root",
            Who::User => "rootless",
        }
    }

    /// The number under which it runs.
    pub fn uid(self) -> u32 {
        match self {
            Who::Root => 0,
            Who::User if common::is_root() => common::USER,
            Who::User => nix::unistd::geteuid().as_raw(),
        }
    }

    /// The group, likewise.
    pub fn gid(self) -> u32 {
        if self == Who::User && !common::is_root() { nix::unistd::getegid().as_raw() } else { self.uid() }
    }
}

/// What `runc spec` writes, without a terminal and with the probe as its program.
pub fn document(who: Who) -> Value {
    let mut document: Value = serde_json::from_str(include_str!("spec.json")).expect("document");
    if who == Who::User {
        let linux = &mut document["linux"];
        linux["namespaces"] = kinds(&["pid", "ipc", "uts", "mount", "user"]);
        linux["uidMappings"] = json!([{"containerID": 0, "hostID": who.uid(), "size": 1}]);
        linux["gidMappings"] = json!([{"containerID": 0, "hostID": who.gid(), "size": 1}]);
        linux.as_object_mut().expect("linux").remove("resources");
        for mount in document["mounts"].as_array_mut().expect("mounts") {
            match mount["destination"].as_str() {
                Some("/dev/pts") => mount["options"].as_array_mut().expect("options").retain(|word| word != "gid=5"),
                Some("/sys") => {
                    *mount = json!({"destination": "/sys", "type": "none", "source": "/sys",
                                    "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]});
                }
                _ => {}
            }
        }
    }
    document
}

/// New namespaces of these kinds, as a document lists them.
pub fn kinds(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({"type": kind})).collect()
}

/// Takes most of the document away: /proc, /dev, and what the probe cannot do without. The rest is the case's own.
pub fn lean(document: &mut Value) {
    document["root"]["readonly"] = json!(false);
    document["mounts"].as_array_mut().expect("mounts").truncate(2);
    for name in ["maskedPaths", "readonlyPaths"] {
        document["linux"][name] = json!([]);
    }
}

/// Adds a mount.
pub fn mount(document: &mut Value, destination: &str, kind: &str, source: &str, options: &[&str]) {
    let mount = json!({"destination": destination, "type": kind, "source": source, "options": options});
    document["mounts"].as_array_mut().expect("mounts").push(mount);
}

/// A bundle in the file system.
pub struct Bundle {
    folder: TempDir,
}

impl Bundle {
    /// Writes it: its root belongs to whoever is user 0 in the container, and `volume` has a file and two directories.
    /// `$BUNDLE` in the document stands for the bundle's own path.
    pub fn write(document: &Value) -> Self {
        let bundle = Bundle { folder: common::shared_folder() };
        let root = bundle.path().join("rootfs");
        let text = document.to_string().replace("$BUNDLE", bundle.path().to_str().expect("UTF-8"));
        for folder in ["rootfs/bin", "rootfs/etc", "rootfs/there", "rootfs/dev", "volume/sub", "volume/other"] {
            fs::create_dir_all(bundle.path().join(folder)).expect("folder");
        }
        common::copy_program(Path::new(BUSYBOX), &root.join("bin/busybox"));
        TOOLS.iter().for_each(|tool| symlink("busybox", root.join("bin").join(tool)).expect("link"));
        for (file, text, mode) in [
            ("rootfs/probe", PROBE, 0o755),
            ("rootfs/etc/file", "text", 0o644),
            ("rootfs/there/file", "text", 0o600),
            ("rootfs/not-a-program", "text", 0o644),
            ("volume/file", "text", 0o644),
            ("config.json", &text, 0o644),
        ] {
            let path = bundle.path().join(file);
            fs::write(&path, text).expect("file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        }
        symlink("file", root.join("there/link")).expect("link");
        if common::is_root() {
            let owner = |map: &str| {
                let id = document["linux"][map][0]["hostID"].as_u64().unwrap_or_default();
                u32::try_from(id).expect("id")
            };
            own(bundle.path(), owner("uidMappings"), owner("gidMappings"));
        }
        bundle
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder of it, for what a runtime keeps about its containers.
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }
}

fn own(path: &Path, uid: u32, gid: u32) {
    if path.is_symlink() {
        return std::os::unix::fs::lchown(path, Some(uid), Some(gid)).expect("owner");
    }
    chown(path, Some(uid), Some(gid)).expect("owner");
    if path.is_dir() {
        fs::read_dir(path).expect("folder").for_each(|entry| own(&entry.expect("entry").path(), uid, gid));
    }
}
