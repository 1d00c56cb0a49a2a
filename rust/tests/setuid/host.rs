// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A host with the setuid starter: its programs, its /etc and /run, and what a run leaves on it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{self, USER};

const BUSYBOX: &str = "/usr/bin/busybox";

/// What a container ends with that is no more than its user.
pub const CODE: i32 = 7;

/// How long a run may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// In a mount namespace of its own, whose mounts are shared as those of most hosts are: what a start mounts outside its
/// own namespace shows up here. $1 is the host's folder, $2 the file for the mounts, the rest the command.
const IN_ITS_PLACE: &str = r#"
mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && mount --make-rshared / || exit 98
mounts=$2; shift 2
cat /proc/self/mountinfo >"$mounts.before"
"$@"
code=$?
cat /proc/self/mountinfo >"$mounts.after"
exit $code
"#;

/// A host.
pub struct Host {
    folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code, or the negative number of a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Host {
    /// Where setuid programs can be made; says why not.
    pub fn new() -> Option<Host> {
        if !common::is_root() {
            println!("skipped: the setuid starter needs root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pinion-setuid-").tempdir_in("/tmp").expect("folder");
        mode(folder.path(), 0o755);
        let host = Host { folder };
        for (program, name) in [
            (env!("CARGO_BIN_EXE_pinion"), "pinion"),
            (env!("CARGO_BIN_EXE_pinion-starter"), "pinion-starter"),
            (env!("CARGO_BIN_EXE_pinion-starter"), "pinion-starter-suid"),
        ] {
            common::copy_program(Path::new(program), &host.path(name));
            mode(&host.path(name), if name.ends_with("suid") { 0o4755 } else { 0o755 });
        }
        fs::create_dir(host.path("etc")).expect("etc");
        fs::create_dir(host.path("etc/pinion")).expect("etc");
        fs::create_dir(host.path("runs")).expect("runs");
        host.directory("run/user/1000");
        mode(&host.path("run/user/1000"), 0o700);
        fs::write(
            host.path("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nben:x:1001:1001::/:/bin/sh\n",
        )
        .expect("passwd");
        fs::write(host.path("etc/group"), "root:x:0:\nann:x:1000:\ncontainers:x:5000:\n").expect("group");
        for name in ["subuid", "subgid"] {
            fs::write(host.path("etc").join(name), "ann:700000:65536\n").expect("ranges");
        }
        fs::write(host.path("etc/shadow"), "root:secret\n").expect("shadow");
        mode(&host.path("etc/shadow"), 0o600);
        Some(host)
    }

    /// A file of the host's folder, which every user can search and root alone can change.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// The policy from now on.
    pub fn policy(&self, text: &str) {
        fs::write(self.path("etc/pinion/policy.json"), text).expect("policy");
        mode(&self.path("etc/pinion/policy.json"), 0o644);
    }

    /// The policy from now on: the version, and these keys.
    pub fn allow(&self, keys: Value) {
        let mut policy = json!({ "version": 1 });
        policy.as_object_mut().expect("object").extend(keys.as_object().expect("object").clone());
        self.policy(&policy.to_string());
    }

    /// A directory of the user's.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("directory");
        chown(&path, Some(USER), Some(USER)).expect("owner");
        path
    }

    /// The user runs `pinion`.
    pub fn pinion(&self, arguments: &[&str]) -> Ended {
        let program = self.text("pinion");
        self.run(&[&[program.as_str()], arguments].concat())
    }

    /// The user runs a script in a container without a bundle.
    pub fn script(&self, script: &str) -> Ended {
        self.pinion(&["run", "--setuid", "--", "sh", "-c", script])
    }

    /// The user runs a command.
    pub fn run(&self, command: &[&str]) -> Ended {
        self.run_as(&format!("{USER}"), &[], command)
    }

    /// A user runs a command, with options of setpriv(1).
    pub fn run_as(&self, user: &str, options: &[&str], command: &[&str]) -> Ended {
        let ids = [format!("--reuid={user}"), format!("--regid={user}")];
        let groups =
            if options.iter().any(|option| option.starts_with("--groups")) { None } else { Some("--clear-groups") };
        let words = ["env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR=/tmp", "setpriv"];
        let words = words.into_iter().chain(ids.iter().map(String::as_str)).chain(groups);
        let words: Vec<&str> = words.chain(options.iter().copied()).chain(command.iter().copied()).collect();
        self.run_by_root(&words)
    }

    /// The user executes the setuid starter itself, with these variables and under conditions of c-tests/under.c. The
    /// container has the host's own directories for its root, and ends with [`CODE`] if it is no more than its user.
    pub fn start(&self, variables: &[&str], conditions: &[&str]) -> Ended {
        self.start_as("1000", variables, conditions)
    }

    /// The same as another user.
    pub fn start_as(&self, user: &str, variables: &[&str], conditions: &[&str]) -> Ended {
        self.start_script(user, variables, conditions, "")
    }

    /// The same, with a script of the container's before it ends.
    pub fn start_script(&self, user: &str, variables: &[&str], conditions: &[&str], script: &str) -> Ended {
        let words = self.words_of_start(user, variables, conditions, script);
        self.run_as(user, &[], &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The words of that, from env(1) on.
    pub fn start_words(&self) -> Vec<String> {
        self.words_of_start("1000", &[], &[], "")
    }

    fn words_of_start(&self, user: &str, variables: &[&str], conditions: &[&str], script: &str) -> Vec<String> {
        let script = format!(
            "{script}
             test $(id -u) = {user} && test \"$(id -G)\" = {user} && grep -q '^CapEff:.0*$' /proc/self/status && \
             grep -q '^CapBnd:.0*$' /proc/self/status && grep -q '^NoNewPrivs:.1$' /proc/self/status && exit {CODE}"
        );
        let config = json!({ "args": ["sh", "-c", script] });
        let document = json!({ "engineName": "oci", "containerID": "test", "engineConfig": config }).to_string();
        let chunks = pinion::launch::chunks::cut(document.as_bytes()).expect("fits").into_iter();
        let chunks = chunks.map(|(name, value)| format!("{name}={}", String::from_utf8(value).expect("UTF-8")));
        let under = common::c_program("under", self.folder.path()).to_str().expect("UTF-8").to_owned();
        let words = ["env".to_owned()].into_iter().chain(chunks).chain(variables.iter().map(|word| (*word).to_owned()));
        let words = words.chain([under]).chain(conditions.iter().map(|word| (*word).to_owned()));
        words.chain(["--".to_owned(), self.text("pinion-starter-suid")]).collect()
    }

    /// Root runs a command. It ends when nobody has its standard streams any more: no process is left of it.
    pub fn run_by_root(&self, command: &[&str]) -> Ended {
        let run = tempfile::Builder::new().tempdir_in(self.path("runs")).expect("run").keep();
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", IN_ITS_PLACE, "sh"]);
        unshare.arg(self.folder.path()).arg(run.join("mounts")).args(command).current_dir("/");
        unshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = unshare.spawn().expect("unshare");
        let ended = wait(child);
        let mounts = |name: &str| fs::read_to_string(run.join(name)).expect("mounts");
        assert_eq!(mounts("mounts.before"), mounts("mounts.after"), "{command:?} changed the host's mounts: {ended:?}");
        ended
    }

    /// A bundle of the user's with busybox in its root.
    pub fn bundle(&self, name: &str) -> Option<Bundle> {
        if !Path::new(BUSYBOX).exists() {
            println!("skipped: no {BUSYBOX}");
            return None;
        }
        let directory = self.directory(name);
        let bin = self.directory(&format!("{name}/rootfs/bin"));
        self.directory(&format!("{name}/rootfs"));
        common::copy_program(Path::new(BUSYBOX), &bin.join("busybox"));
        for name in ["sh", "id", "ls", "cat", "hostname", "readlink", "grep", "test", "head", "mount", "stat", "mkdir"]
        {
            symlink("busybox", bin.join(name)).expect("link");
        }
        let namespaces: Vec<Value> = ["pid", "mount", "uts", "ipc"].map(|kind| json!({ "type": kind })).to_vec();
        let document = json!({
            "ociVersion": "1.2.0",
            "process": {
                "args": ["sh"], "cwd": "/", "env": ["PATH=/bin"], "noNewPrivileges": true,
                "user": { "uid": USER, "gid": USER },
            },
            "root": { "path": "rootfs" },
            "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
            "linux": { "namespaces": namespaces },
        });
        Some(Bundle { directory, document })
    }

    /// The user runs a script in a container of a bundle.
    pub fn run_bundle(&self, bundle: &Bundle, script: &str) -> Ended {
        let command = self.words(bundle, script);
        self.run(&command.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same where the host has control groups of version 2. The script may have no quotation marks `"`.
    pub fn run_bundle_with_cgroups(&self, bundle: &Bundle, script: &str) -> Ended {
        let start = self.command(bundle, script).join(" ");
        let script = format!(
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 98; {start}; code=$?; umount /sys/fs/cgroup; exit $code"
        );
        self.run_by_root(&["sh", "-c", &script])
    }

    /// The words with which a shell of root's has the user do that. The script may have no quotation marks `"`.
    pub fn command(&self, bundle: &Bundle, script: &str) -> Vec<String> {
        let words = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"].map(str::to_owned).to_vec();
        let quoted = self.words(bundle, script).into_iter().map(|word| format!("\"{word}\""));
        words.into_iter().chain(quoted).collect()
    }

    /// The words with which the user itself does that.
    pub fn words(&self, bundle: &Bundle, script: &str) -> Vec<String> {
        fs::write(bundle.directory.join("config.json"), bundle.document.to_string()).expect("document");
        let directory = bundle.directory.to_str().expect("UTF-8").to_owned();
        let words = ["run", "--setuid", "--bundle", &directory, "--", "sh", "-c", script];
        std::iter::once(self.text("pinion")).chain(words.map(str::to_owned)).collect()
    }
}

/// A bundle.
pub struct Bundle {
    pub directory: PathBuf,
    pub document: Value,
}

impl Bundle {
    /// With one more mount.
    pub fn mount(&mut self, target: &str, kind: &str, source: &str, options: &[&str]) {
        let mount = json!({ "destination": target, "type": kind, "source": source, "options": options });
        self.document["mounts"].as_array_mut().expect("mounts").push(mount);
    }

    /// A path in the root.
    pub fn root(&self, name: &str) -> PathBuf {
        self.directory.join("rootfs").join(name)
    }
}

impl Ended {
    /// It worked and said this.
    #[track_caller]
    pub fn says(&self, wanted: &str) {
        assert_eq!((self.code, self.stdout.trim_end()), (0, wanted), "{self:?}");
    }

    /// It worked, and the container was no more than its user.
    #[track_caller]
    pub fn works(&self) {
        assert_eq!(self.code, CODE, "{self:?}");
    }

    /// It was refused with one error that has these words, and nothing was started.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        let errors = self.stderr.lines().filter(|line| line.starts_with("pinion: error: ")).count();
        assert_eq!((self.code, errors, self.stdout.as_str()), (255, 1, ""), "{self:?}");
        words.iter().for_each(|word| assert!(self.stderr.contains(word), "no {word:?} in {self:?}"));
    }
}

/// Waits for the end of a process, and of all that has its streams.
fn wait(mut child: std::process::Child) -> Ended {
    let (sender, receiver) = std::sync::mpsc::channel();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let streams = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
    let reader = std::thread::spawn(move || {
        let errors = std::thread::spawn(move || text(streams.1));
        let read = (text(streams.0), errors.join().expect("reader"));
        // Nobody hears it who has given up.
        let _ = sender.send(());
        read
    });
    if receiver.recv_timeout(PATIENCE).is_err() {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        panic!("processes are left after {PATIENCE:?}");
    }
    let status = child.wait().expect("status");
    let (stdout, stderr) = reader.join().expect("reader");
    Ended { code: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)), stdout, stderr }
}

fn text(mut stream: impl Read) -> String {
    let mut content = Vec::new();
    stream.read_to_end(&mut content).expect("read");
    String::from_utf8_lossy(&content).into_owned()
}

/// Changes a file's mode.
pub fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
}
