// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One bundle under one runtime, in surroundings that are the same for both.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::bundle::{Bundle, Who};
use crate::common;
use crate::seen::Seen;

/// Both programs where every user can execute them.
pub struct Programs {
    folder: TempDir,
}

impl Programs {
    /// Copies them.
    pub fn copy() -> Self {
        let folder = common::shared_folder();
        for (name, program) in
            [("pinion", env!("CARGO_BIN_EXE_pinion")), ("pinion-starter", env!("CARGO_BIN_EXE_pinion-starter"))]
        {
            common::copy_program(Path::new(program), &folder.path().join(name));
        }
        Programs { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Which runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The one that is compared with.
    Crun,
    /// Ours.
    Pinion,
}

/// How a bundle is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How many descriptors from 3 on are handed down. Five are open, with the numbers 3 to 7.
    pub preserve: u32,
    /// Whether the mounts outside are shared ones.
    pub shared: bool,
}

/// What a run left to compare.
pub struct Outcome {
    /// As a shell says it: 128 and the signal's number for a death by a signal.
    pub code: i32,
    /// What the container's program printed.
    pub stdout: String,
    /// What the runtime had to say.
    pub stderr: String,
    /// What the probe printed, in sections, normalised.
    pub seen: Seen,
}

/// A private mount namespace in which crun finds the pure cgroup2 hierarchy that it wants, and in which a bundle's volume has
/// a file system mounted in it; then the ordinary user, if it is to be that one. `timeout` stands outermost: what hangs
/// ends as a failure that the other runtime does not have.
const AS_ROOT: &str = "umask 022; cd /; [ -z \"$SHARED\" ] || mount --make-rshared /
mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs -o mode=755 inner \"$BUNDLE/volume/sub\" || exit 125
exec 3< \"$BUNDLE/volume/file\" 4<&3 5<&3 6<&3 7<&3
[ \"$USER_ID\" = 0 ] || exec setpriv --reuid \"$USER_ID\" --regid \"$USER_ID\" --clear-groups \"$@\"
exec \"$@\"";

/// An ordinary user's tests take the host as it is.
const AS_IS: &str = "umask 022; cd /; exec 3< \"$BUNDLE/volume/file\" 4<&3 5<&3 6<&3 7<&3; exec \"$@\"";

/// Runs a document under a runtime.
pub fn run(programs: &Programs, runtime: Runtime, who: Who, document: &Value, options: Options) -> Outcome {
    let bundle = Bundle::write(document);
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60"]);
    if common::is_root() {
        command.args(["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_ROOT, "sh"]);
    } else {
        command.args(["sh", "-c", AS_IS, "sh"]);
    }
    let preserve = options.preserve.to_string();
    match runtime {
        Runtime::Crun => {
            command.args(["crun", "--cgroup-manager=disabled", "--root"]).arg(bundle.state());
            command.args(["run", "--preserve-fds", &preserve, "--bundle"]).arg(bundle.path());
            // crun knows its containers by name.
            command.arg(bundle.path().file_name().expect("name"));
        }
        Runtime::Pinion => {
            command.arg(programs.path("pinion")).args(["run", "--preserve-fds", &preserve, "--bundle"]);
            command.arg(bundle.path());
        }
    }
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("PINION_STARTER", programs.path("pinion-starter"));
    command.env("BUNDLE", bundle.path()).env("USER_ID", who.uid().to_string()).env("LEAKED", "into the container");
    command.envs(options.shared.then_some(("SHARED", "1")));
    // Not the null device: crun gives the standard streams to the container's user, and that one is the host's.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn().and_then(Child::wait_with_output).expect("timeout");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Outcome {
        code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default()),
        seen: Seen::read(&stdout, bundle.path()),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
