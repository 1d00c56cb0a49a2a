// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the runs of these tests are made of: the command, the container's program, the terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;

/// What the container's first process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The shim: the program is its child.
    Shim,
    /// The program itself, of a bundle with a PID namespace.
    Program,
    /// The program itself, of a bundle in the caller's PID namespace.
    ProgramOutside,
}

/// A folder that every user can read, with all that a run needs.
pub struct Host {
    folder: TempDir,
}

/// Who may start a container here.
pub fn callers() -> &'static [&'static str] {
    if common::is_root() {
        return &["root", "user"];
    }
    println!("skipped: everything as root: needs root");
    &["user"]
}

impl Host {
    /// One for all tests that run at this moment.
    pub fn shared() -> Arc<Self> {
        static LAST: Mutex<Weak<Host>> = Mutex::new(Weak::new());
        let mut last = LAST.lock().expect("lock");
        if let Some(host) = last.upgrade() {
            return host;
        }
        let host = Arc::new(Self::new());
        *last = Arc::downgrade(&host);
        host
    }

    fn new() -> Self {
        let host = Host { folder: common::shared_folder() };
        for name in ["pinion", "pinion-starter"] {
            common::copy_program(&common::built().join(name), &host.path(name));
        }
        common::c_program("terminal", host.folder.path());
        let root = host.path("rootfs");
        fs::create_dir(&root).expect("folder");
        common::c_program("receiver", &root);
        for caller in callers() {
            for first in [First::Program, First::ProgramOutside] {
                let bundle = host.bundle(caller, first);
                fs::create_dir(&bundle).expect("folder");
                fs::write(bundle.join("config.json"), host.document(caller, first).to_string()).expect("document");
            }
        }
        // What is missing in a root is made there by whoever runs it.
        fs::set_permissions(&root, PermissionsExt::from_mode(0o777)).expect("mode");
        host
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bundle(&self, caller: &str, first: First) -> PathBuf {
        self.path(&format!("{caller}-{first:?}"))
    }

    fn document(&self, caller: &str, first: First) -> Value {
        let mut namespaces = vec![json!({ "type": "mount" })];
        // One of its own: containers that start at the same time would make the same devices in a root that they share.
        let mut mounts = vec![json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" })];
        if first == First::Program {
            namespaces.push(json!({ "type": "pid" }));
            mounts.push(json!({ "destination": "/proc", "type": "proc", "source": "proc" }));
        }
        let mut linux = json!({});
        if caller == "user" {
            namespaces.push(json!({ "type": "user" }));
            linux["uidMappings"] = json!([{ "containerID": 0, "hostID": common::own_user(), "size": 1 }]);
            linux["gidMappings"] = json!([{ "containerID": 0, "hostID": common::own_group(), "size": 1 }]);
        }
        linux["namespaces"] = Value::Array(namespaces);
        json!({
            "ociVersion": "1.2.0",
            "process": { "args": ["/receiver"], "cwd": "/", "env": ["PATH=/"] },
            "root": { "path": self.path("rootfs") },
            "mounts": mounts,
            "linux": linux,
        })
    }

    /// The words of a command that runs c-tests/receiver.c with these arguments in a container.
    pub fn command(&self, caller: &str, first: First, options: &[&str], receiver: &[&str]) -> Vec<String> {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let place = match first {
            First::Shim => ["--root".to_owned(), text(&self.path("rootfs"))],
            First::Program | First::ProgramOutside => ["--bundle".to_owned(), text(&self.bundle(caller, first))],
        };
        let mut words = vec![text(&self.path("pinion")), "run".to_owned()];
        words.extend(place);
        words.extend(options.iter().chain(&["--", "/receiver"]).chain(receiver).map(|word| (*word).to_owned()));
        words
    }
}
